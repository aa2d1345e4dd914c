"""Labelled examples by index, in batches; and those that are decoded in memory."""

import abc
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from typing_extensions import override

from ..modalities.clips import ClipReader
from ..modalities.labelled import CONTENT, TargetReader, split_labels
from ..modalities.reader import Example, Examples, Reader, stack_if_equal
from .identity import Identity, hash_array

log = logging.getLogger(__name__)

# Raw batch of a model, such as images (B, H, W, C), and labels (B, …). If none of the files of a
# batch can be read, the pair is None and no labels.
Batch = tuple[Any, Tensor]


class ExampleSet(abc.ABC, Dataset[Batch]):
    """Labelled examples of one split.

    `examples.__getitems__(indices)` returns a whole batch, which PyTorch's `DataLoader` uses.
    """

    labels: Tensor
    """Labels, one row per example; see the module `labels`."""

    @property
    def lengths(self) -> Tensor | None:
        """Length of each example as a fraction of the maximum, (examples,).

        None if all have the same length, or if lengths are unknown because files are decoded on
        access.
        """
        return None

    @property
    def spans(self) -> Tensor | None:
        """Which steps of one long series each example holds, int64 (examples, 2).

        Its first step, and the step after its last one. None: the examples are no parts of one
        series.
        """
        return None

    @property
    def num_readable(self) -> int:
        """Number of examples, without those whose file was found to be unreadable."""
        return len(self)

    def __len__(self) -> int:
        return len(self.labels)

    @abc.abstractmethod
    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return the batch of the examples at `indices`."""

    @abc.abstractmethod
    def subset(self, indices: Sequence[int]) -> "ExampleSet":
        """Return the examples at `indices`, in this order."""

    @abc.abstractmethod
    def identities(self) -> list[Identity]:
        """Return what each example is recognised by when the data is read again."""

    def names(self, indices: Sequence[int]) -> list[str]:
        """Return the names of the examples at `indices`, for people: files, rows or places."""
        return [f"example[{index}]" for index in indices]

    @abc.abstractmethod
    def example(self, index: int) -> Example:
        """Return one example as the reader decodes it; of several clips, the middle one.

        Raises:
            ValueError: its file cannot be read.
        """

    def readable(self, indices: Sequence[int]) -> list[int]:
        """Return those of `indices` whose file was not found to be unreadable, in this order."""
        return list(indices)


class InMemoryExamples(ExampleSet):
    """Decoded examples in memory.

    Args:
        examples: array (examples, …), such as images (examples, H, W, C) uint8; a list of arrays if
            their lengths differ; a dictionary of either by modality if there are several.
        labels: one row per example; see the module `labels`.
        reader: reader whose `batch` makes raw batches of examples; None: examples are used as they
            are.
        names: name of each example; None: they are numbered.
    """

    def __init__(
        self,
        examples: Examples,
        labels: Tensor,
        reader: Reader | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        self.examples, self.labels, self.reader = examples, labels, reader
        self._names = list(super().names(range(len(labels))) if names is None else names)

    @property
    @override
    def lengths(self) -> Tensor | None:
        return self.reader.lengths(self.examples) if self.reader else None

    @override
    def __getitems__(self, indices: Sequence[int]) -> Batch:
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return split_labels(_select(self.examples, chosen), self.reader, self.labels[chosen])

    @override
    def subset(self, indices: Sequence[int]) -> "InMemoryExamples":
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return InMemoryExamples(
            _select(self.examples, chosen), self.labels[chosen], self.reader, self.names(indices)
        )

    @override
    def names(self, indices: Sequence[int]) -> list[str]:
        return [self._names[index] for index in indices]

    @override
    def example(self, index: int) -> Example:
        one = _select(self.examples, torch.tensor([index]))
        parts = (
            {n: x[0].numpy() for n, x in one.items()} if isinstance(one, dict) else one[0].numpy()
        )
        return middle_clip(parts, self.reader)

    @override
    def identities(self) -> list[Identity]:
        numbers = range(len(self))
        each = (_select(self.examples, torch.tensor([index])) for index in numbers)
        return [Identity(str(index), hash_array(x)) for index, x in zip(numbers, each, strict=True)]


def middle_clip(example: Example, reader: Reader | None) -> Example:
    """Return the middle clip of an example of several, and an example without its labels."""
    if isinstance(reader, TargetReader):
        assert isinstance(example, dict)
        return example[CONTENT]
    if not isinstance(reader, ClipReader):
        return example
    middle = reader.count // 2
    if isinstance(example, dict):
        return {name: x[middle] for name, x in example.items()}
    return example[middle]


def _select(examples: Examples, indices: Tensor) -> Examples:
    if isinstance(examples, dict):
        return {name: _select_from(x, indices) for name, x in examples.items()}
    return _select_from(examples, indices)


def _select_from(examples: Tensor | list[Tensor], indices: Tensor) -> Tensor | list[Tensor]:
    if isinstance(examples, Tensor):
        return examples[indices]
    return stack_if_equal([examples[index] for index in indices.tolist()])


class Storage:
    """Preallocated arrays for up to `capacity` examples; lists once shapes differ."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.count = capacity, 0
        self.arrays: dict[str | None, np.ndarray | list[np.ndarray]] = {}  # None: one modality

    def append(self, example: Example) -> None:
        """Store one more example."""
        parts = example.items() if isinstance(example, dict) else [(None, example)]
        for name, x in parts:
            if name not in self.arrays:
                self.arrays[name] = np.empty((self.capacity, *x.shape), x.dtype)
            stored = self.arrays[name]
            if isinstance(stored, np.ndarray) and x.shape != stored.shape[1:]:
                stored = self.arrays[name] = [row.copy() for row in stored[: self.count]]
            if isinstance(stored, list):
                stored.append(x.copy())  # a view would keep the array it is a part of in memory
            else:
                stored[self.count] = x
        self.count += 1

    def examples(self) -> Examples:
        """Return all stored examples."""
        stored = {
            name: torch.from_numpy(x[: self.count])
            if isinstance(x, np.ndarray)
            else [torch.from_numpy(array) for array in x]
            for name, x in self.arrays.items()
        }
        if None in stored:
            return stored[None]
        return {str(name): x for name, x in stored.items()} or torch.empty(0)
