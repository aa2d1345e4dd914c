"""What a reader is: files of a modality → examples of one shape; examples → a batch."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from .files import LazyArray, PathOrBytes, as_tensor

# K clips

Example = np.ndarray | dict[str, np.ndarray]  # of several modalities by name: `composed`
# Side by side (B, …), or where they differ in length a list; of several modalities by name.
Examples = Tensor | list[Tensor] | dict[str, Tensor | list[Tensor]]


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

    @property
    def has_clips(self) -> bool:
        """Whether an example is a part of a file, of which others can be taken."""

    def decode(self, source: PathOrBytes) -> Any:
        """A file → an `Example`; ValueError, which does not name it, if it cannot be."""

    def decode_whole(self, source: PathOrBytes) -> Any:
        """All of a file, in its own size, as an `Example` or `LazyArray`; errors as of `decode`."""

    def clips(self, source: PathOrBytes, count: int) -> Any:
        """Examples evenly spread over a file, (K, …), to average predictions over."""

    def batch(self, examples: Any) -> Any:
        """`Examples` → the model's raw batch."""

    def lengths(self, examples: Any) -> Tensor | None:
        """How long each of `Examples` is, (B,), as a share of the most; None: all are alike."""


class ArrayReader(ABC):
    """What the readers below have in common: examples are arrays of one shape."""

    noun: ClassVar[str]
    suffixes: ClassVar[frozenset[str]]
    dtype: ClassVar[type]
    """NumPy's type of the numbers of an example."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of every example; where each has its own length, of the longest."""

    @property
    def smallest_shape(self) -> tuple[int, ...]:
        """Of the shortest example."""
        return self.shape

    @property
    def nbytes(self) -> int:
        """See `Reader`; where each has its own length, of the longest."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @abstractmethod
    def decode(self, source: PathOrBytes) -> np.ndarray:
        """See `Reader`."""

    @abstractmethod
    def decode_whole(self, source: PathOrBytes) -> np.ndarray | LazyArray:
        """See `Reader`."""

    @property
    def has_clips(self) -> bool:
        """See `Reader`: no."""
        return False

    def clips(self, source: PathOrBytes, count: int) -> np.ndarray:
        """See `Reader`."""
        raise ValueError(f"{self.noun} have no clips; only sound and videos do")

    def batch(self, examples: Any) -> Any:
        """See `Reader`: as they are."""
        return examples

    def lengths(self, examples: Any) -> Tensor | None:
        """See `Reader`."""
        if isinstance(examples, Tensor):
            return None
        return torch.tensor([len(example) / self.shape[0] for example in examples])


def collate(examples: Sequence[Example]) -> Examples:
    """Examples side by side, (B, …); a list of those that differ in shape."""
    first = examples[0]
    if isinstance(first, dict):
        return {name: _tensors([dict(example)[name] for example in examples]) for name in first}
    return _tensors(examples)


def _tensors(arrays: Sequence[Any]) -> Tensor | list[Tensor]:
    if len({np.shape(array) for array in arrays}) == 1:
        return torch.from_numpy(np.stack(arrays))
    return [as_tensor(array) for array in arrays]


def to_device(batch: Any, device: torch.device) -> Any:
    """A raw batch on another device."""
    if isinstance(batch, dict):
        return {name: to_device(x, device) for name, x in batch.items()}
    return [x.to(device) for x in batch] if isinstance(batch, list) else batch.to(device)


def stack_if_equal(examples: list[Tensor]) -> Tensor | list[Tensor]:
    """Examples of one shape side by side, others as they are."""
    alike = len({example.shape for example in examples}) == 1
    return torch.stack(examples) if alike else examples
