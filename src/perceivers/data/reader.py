"""What a reader is: files of a modality → examples of one shape; examples → a batch."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from .source import Source, Unread

# K clips

Example = np.ndarray | dict[str, np.ndarray]  # of several modalities by name: `composed`
Examples = Tensor | dict[str, Tensor]  # side by side (B, …)


class Reader(Protocol):
    """What knows the files of a modality, or of several."""

    @property
    def noun(self) -> str:
        """What the files are called, in the plural."""

    @property
    def suffixes(self) -> frozenset[str]:
        """Endings of file names, in small letters with their dot."""

    @property
    def nbytes(self) -> int:
        """Size of an example."""

    def decode(self, source: Source) -> Any:
        """A file → an `Example`; ValueError, which does not name it, if it cannot be."""

    def decode_whole(self, source: Source) -> Any:
        """All of a file, in its own size, as an `Example` or `Unread`; errors as of `decode`."""

    def clips(self, source: Source, count: int) -> Any:
        """Examples evenly spread over a file, (K, …), to average predictions over."""

    def batch(self, examples: Any) -> Any:
        """`Examples` → the model's raw batch."""


class ArrayReader(ABC):
    """What the readers below have in common: examples are arrays of one shape."""

    noun: ClassVar[str]
    suffixes: ClassVar[frozenset[str]]
    dtype: ClassVar[type]
    """NumPy's type of the numbers of an example."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of every example."""

    @property
    def nbytes(self) -> int:
        """See `Reader`."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @abstractmethod
    def decode(self, source: Source) -> np.ndarray:
        """See `Reader`."""

    @abstractmethod
    def decode_whole(self, source: Source) -> np.ndarray | Unread:
        """See `Reader`."""

    def clips(self, source: Source, count: int) -> np.ndarray:
        """See `Reader`."""
        raise ValueError(f"{self.noun} have no clips; only sound and videos do")

    def batch(self, examples: Tensor) -> Tensor:
        """See `Reader`: as they are."""
        return examples


def collate(examples: Sequence[Example]) -> Examples:
    """Examples side by side, (B, …)."""
    first = examples[0]
    if isinstance(first, dict):
        return {name: _stacked([dict(example)[name] for example in examples]) for name in first}
    return _stacked(examples)


def _stacked(arrays: Sequence[Any]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))
