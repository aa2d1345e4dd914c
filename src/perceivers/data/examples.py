"""Labelled examples by index, in batches: decoded in memory, or files decoded on access."""

import abc
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info
from typing_extensions import override

from ..modalities.clips import ClipReader, without_clips
from ..modalities.fusion.presence import describe_missing
from ..modalities.fusion.rows import RowReader
from ..modalities.notices import Notices, collecting
from ..modalities.reader import Example, Examples, Reader, collate, stack_if_equal
from ..reading import Limits, limits, using
from .identity import Identity, hash_array, identify

log = logging.getLogger(__name__)

NamedSource = tuple[str, Any]  # name for messages; what is decoded: a path, bytes or a table row
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
        examples = _select(self.examples, chosen)
        return self.reader.batch(examples) if self.reader else examples, self.labels[chosen]

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


@dataclass(frozen=True)
class Unreadable:
    """A file that cannot be read."""

    file: int
    """Index of the file among the files of the data set."""
    problem: str
    """The name of the file, and why it cannot be read."""


@dataclass
class FileExamples(ExampleSet):
    """Files that are decoded on access; an unreadable one is left out of its batch.

    Each unreadable file is logged once. A worker process hands those that it finds to the main
    process, see `take_found`.
    """

    files: Sequence[NamedSource]
    """All files of the data set. An item is not read before it is accessed."""
    labels: Tensor
    """Labels, one row per example; see the module `labels`."""
    rows: Tensor
    """Index into `files` of each example, (examples,) int64."""
    reader: Reader
    """Reader that decodes the files."""
    strict: bool = False
    """Raise ValueError at an unreadable file instead of skipping it."""
    unreadable: dict[int, Unreadable] = field(default_factory=dict)
    """The unreadable files found so far, by their index in `files`; subsets share them."""
    limits: Limits = field(default_factory=limits)
    """The most that is read of a file, also by threads and processes."""
    notices: Notices = field(default_factory=Notices)
    """What the reader had to say of readable files; subsets share them."""
    _found: list[Unreadable] = field(default_factory=list, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def decoded_bytes(self) -> int:
        """Size in bytes of all decoded examples; an upper bound if their lengths differ."""
        return len(self) * self.reader.nbytes

    @property
    def skipped(self) -> list[str]:
        """Names of the unreadable files of these examples found so far, in the order of files."""
        return [
            self.files[file][0] for file in sorted(set(self.rows.tolist()) & {*self.unreadable})
        ]

    @property
    def num_readable(self) -> int:
        """Number of examples, without those whose file was found to be unreadable."""
        return sum(row not in self.unreadable for row in self.rows.tolist())

    @override
    def __getitems__(self, indices: Sequence[int]) -> Batch:
        decoded = [self._decode(index) for index in indices]
        found = [example for example in decoded if isinstance(example, Unreadable)]
        if get_worker_info() is None:
            self.report(found)
            self.notices.log_first()
        else:
            self._found += found
        pairs = zip(indices, decoded, strict=True)
        kept = [index for index, example in pairs if not isinstance(example, Unreadable)]
        labels = self.labels[torch.as_tensor(kept, dtype=torch.int64)]
        examples = [example for example in decoded if not isinstance(example, Unreadable)]
        return self.reader.batch(collate(examples)) if examples else None, labels

    def take_found(self) -> tuple[list[Unreadable], dict[str, list[str]]]:
        """Return what this worker process found since the last call, as arguments of `report`."""
        found, self._found = self._found, []
        return found, self.notices.take()

    def report(
        self, found: Sequence[Unreadable], notices: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Log and count unreadable files and notices that are new.

        Args:
            found: unreadable files.
            notices: what a worker has to say about other files: their names by text.

        Raises:
            ValueError: there is one, and `strict` is set.
        """
        if notices:
            self.notices.merge(notices)
            self.notices.log_first()
        for unreadable in found:
            if self.strict:
                raise ValueError(
                    f"{unreadable.problem}; repair or remove it, or run without --strict"
                )
            if unreadable.file not in self.unreadable:
                log.warning("skipped %s", unreadable.problem)
                self.unreadable[unreadable.file] = unreadable

    @override
    def names(self, indices: Sequence[int]) -> list[str]:
        return [self.files[int(self.rows[index])][0] for index in indices]

    @override
    def example(self, index: int) -> Example:
        decoded = self._decode(index)
        if isinstance(decoded, Unreadable):
            raise ValueError(decoded.problem)
        return middle_clip(decoded, self.reader)

    @override
    def readable(self, indices: Sequence[int]) -> list[int]:
        return [index for index in indices if int(self.rows[index]) not in self.unreadable]

    @override
    def subset(self, indices: Sequence[int]) -> "FileExamples":
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return replace(self, labels=self.labels[chosen], rows=self.rows[chosen])

    @override
    def identities(self) -> list[Identity]:
        reader = without_clips(self.reader)
        columns = tuple(reader.files.values()) if isinstance(reader, RowReader) else ()

        def identity(row: int) -> Identity:
            name, source = self.files[row]
            return identify(name, source, columns)

        rows = self.rows.tolist()
        in_files = bool(columns) or isinstance(self.files[rows[0]][1], str) if rows else False
        if not in_files:  # lines and cells are in memory: threads would only cost time
            return [identity(row) for row in rows]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(identity, rows))

    def decode_all(self, progress: Callable[[int, int], None] | None = None) -> InMemoryExamples:
        """Decode all readable files into memory, with one thread per CPU core.

        Args:
            progress: called with (files done, all files) after every 1,000 files and at the end.

        Raises:
            ValueError: a file cannot be read and `strict` is set.
        """
        storage = _Storage(len(self))
        kept: list[int] = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for index, example in enumerate(pool.map(self._decode, range(len(self)))):
                if isinstance(example, Unreadable):
                    self.report([example])
                else:
                    storage.append(example)
                    kept.append(index)
                if progress and (index % 1000 == 999 or index + 1 == len(self)):
                    progress(index + 1, len(self))
        self.notices.log_counts(len(self), self.reader.noun)
        examples = storage.examples()
        if absent := describe_missing(examples):
            log.info("%s; it is masked there", absent)
        labels = self.labels[torch.as_tensor(kept, dtype=torch.int64)]
        return InMemoryExamples(examples, labels, self.reader, self.names(kept))

    def _decode(self, index: int) -> Example | Unreadable:
        """Decode an example, or return why it cannot be read.

        A file that was found to be unreadable stays so, and its number of examples with it.
        """
        file = int(self.rows[index])
        if known := self.unreadable.get(file):
            return known
        name = ""
        try:
            name, source = self.files[file]
            with collecting() as said, using(self.limits):
                example: Example = self.reader.decode(source)
            self.notices.add(name, said)
            return example
        except ValueError as error:
            return Unreadable(file, f"{name}: {error}" if name else str(error))


FileSplits = dict[str, FileExamples]  # by split: "train", "validation", "test"


def middle_clip(example: Example, reader: Reader | None) -> Example:
    """Return the middle clip of an example of several, and any other example unchanged."""
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


class _Storage:
    """Preallocated arrays for up to `capacity` examples; lists once shapes differ."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.count = capacity, 0
        self.arrays: dict[str | None, np.ndarray | list[np.ndarray]] = {}  # None: one modality

    def append(self, example: Example) -> None:
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
        stored = {
            name: torch.from_numpy(x[: self.count])
            if isinstance(x, np.ndarray)
            else [torch.from_numpy(array) for array in x]
            for name, x in self.arrays.items()
        }
        if None in stored:
            return stored[None]
        return {str(name): x for name, x in stored.items()} or torch.empty(0)
