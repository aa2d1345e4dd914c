"""The interface of readers, which decode files into examples, and batches of examples."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from .files import LazyArray, PathOrBytes, as_tensor

# B batch · K clips

Example = np.ndarray | dict[str, np.ndarray]
"""One decoded example: an array, or a dictionary of arrays by modality."""
Examples = Tensor | list[Tensor] | dict[str, Tensor | list[Tensor]]
"""Several examples: a tensor (B, …), a list if their shapes differ, or a dictionary of either."""


class Reader(Protocol):
    """Decodes files of one modality, or of several, into examples."""

    @property
    def noun(self) -> str:
        """What the files are called, in the plural, such as "images"."""

    @property
    def suffixes(self) -> frozenset[str]:
        """Suffixes of the file names, in lower case with their dot."""

    @property
    def nbytes(self) -> int:
        """Size of a decoded example in bytes; the largest, if examples differ in length."""

    @property
    def has_clips(self) -> bool:
        """Whether an example is a clip, so that a file can give several."""

    def decode(self, source: PathOrBytes) -> Any:
        """Decode a file into an `Example`.

        Args:
            source: a path, or the file's bytes.

        Raises:
            ValueError: the file cannot be decoded; the message does not name it.
        """

    def decode_whole(self, source: PathOrBytes) -> Any:
        """Decode all of a file at its own size.

        Args:
            source: a path, or the file's bytes.

        Returns:
            An `Example`; a `LazyArray` takes the place of an array that is too large for memory.

        Raises:
            ValueError: the file cannot be decoded; the message does not name it.
        """

    def clips(self, source: PathOrBytes, count: int) -> Any:
        """Decode clips evenly spread over a file, to average predictions over.

        Args:
            source: a path, or the file's bytes.
            count: K, number of clips.

        Returns:
            An `Example` whose arrays have the shape (K, …).

        Raises:
            ValueError: the file cannot be decoded, or these files have no clips.
        """

    def batch(self, examples: Any) -> Any:
        """Turn `Examples` into a raw batch, which the model's adapter takes."""

    def lengths(self, examples: Any) -> Tensor | None:
        """Return the length of each of `Examples` as a fraction of the maximum length.

        Returns:
            A tensor (B,); None if all examples have the same length.
        """


class ArrayReader(Reader):
    """A reader whose examples are single arrays."""

    noun: ClassVar[str]
    suffixes: ClassVar[frozenset[str]]
    lone_suffixes: ClassVar[frozenset[str]] = frozenset()
    """Those of `suffixes` whose files are examples only where no file of another suffix is one."""
    dtype: ClassVar[type]
    """NumPy type of an example."""
    constant: ClassVar[str] = "constant"
    """What an example is that `is_constant` is true of, such as "of one colour"."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of an example; of the longest, if examples differ in length."""

    @property
    def smallest_shape(self) -> tuple[int, ...]:
        """Shape of the shortest example; `shape`, unless examples differ in length."""
        return self.shape

    @property
    @override
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def is_constant(self, example: np.ndarray) -> bool:
        """Return whether all elements of an example are the same, so that it tells nothing."""
        return all_same(example, axes=max(1, example.ndim - 1))

    def doubt(self, example: np.ndarray) -> str | None:
        """Say what is unlikely of an array that is given as an example; None if nothing is.

        Args:
            example: the array, with or without an axis of clips in front.

        Returns:
            A sentence without its subject.
        """
        return None

    @abstractmethod
    @override
    def decode(self, source: PathOrBytes) -> np.ndarray: ...

    @abstractmethod
    @override
    def decode_whole(self, source: PathOrBytes) -> np.ndarray | LazyArray: ...

    @property
    @override
    def has_clips(self) -> bool:
        return False

    @override
    def clips(self, source: PathOrBytes, count: int) -> np.ndarray:
        raise ValueError(f"{self.noun} have no clips; only sound and videos do")

    @override
    def batch(self, examples: Any) -> Any:
        return examples

    @override
    def lengths(self, examples: Any) -> Tensor | None:
        if isinstance(examples, Tensor):
            return None
        return torch.tensor([len(example) / self.shape[0] for example in examples])


def all_same(array: np.ndarray, axes: int) -> bool:
    """Return whether an array has several entries along its first axes, and all are equal.

    Args:
        array: the array.
        axes: number of axes that the entries are counted along.
    """
    count = math.prod(array.shape[:axes])
    if count < 2 or not array.size:
        return False
    entries = array.reshape(count, -1)
    if (entries[0] != entries[count // 2]).any():  # nearly always, and the others are not read
        return False
    return bool((entries == entries[:1]).all())


def exceeds(array: np.ndarray, limit: float) -> bool:
    """Return whether a floating-point array has values beyond a limit, positive or negative."""
    return array.dtype.kind == "f" and bool((np.abs(array) > limit).any())


def collate(examples: Sequence[Example]) -> Examples:
    """Collect decoded examples into `Examples`.

    Args:
        examples: at least one example, all of the same type.

    Returns:
        A tensor (B, …); a list of tensors if the shapes differ. For dictionaries, a dictionary of
        either.
    """
    first = examples[0]
    if isinstance(first, dict):
        return {name: _tensors([dict(example)[name] for example in examples]) for name in first}
    return _tensors(examples)


def _tensors(arrays: Sequence[Any]) -> Tensor | list[Tensor]:
    if len({np.shape(array) for array in arrays}) == 1:
        return torch.from_numpy(np.stack(arrays))
    return [as_tensor(array) for array in arrays]


def to_device(batch: Any, device: torch.device) -> Any:
    """Move a raw batch to a device.

    Args:
        batch: a tensor, a list of tensors, or a dictionary of either.
        device: the device.
    """
    if isinstance(batch, dict):
        return {name: to_device(x, device) for name, x in batch.items()}
    return [x.to(device) for x in batch] if isinstance(batch, list) else batch.to(device)


def stack_if_equal(examples: list[Tensor]) -> Tensor | list[Tensor]:
    """Stack examples into one tensor (B, …) if their shapes are equal; else return the list."""
    equal = len({example.shape for example in examples}) == 1
    return torch.stack(examples) if equal else examples
