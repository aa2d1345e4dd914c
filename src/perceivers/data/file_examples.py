"""Labelled files by index, decoded on access or all at once."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import get_worker_info
from typing_extensions import override

from ..modalities.clips import without_clips
from ..modalities.fusion.presence import describe_missing
from ..modalities.fusion.rows import RowReader
from ..modalities.labelled import LabelledReader, split_labels, without_labels
from ..modalities.notices import Notices, collecting
from ..modalities.reader import Example, Reader, collate
from ..reading import Limits, limits, using
from .examples import Batch, ExampleSet, InMemoryExamples, Storage, middle_clip
from .identity import Identity, identify
from .sameness import Sameness

log = logging.getLogger(__name__)

NamedSource = tuple[str, Any]  # name for messages; what is decoded: a path, bytes or a table row


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
    sameness: Sameness = field(init=False, repr=False)
    """Which of the examples that this process decoded tell nothing."""
    _found: list[Unreadable] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self.sameness = Sameness(without_labels(self.reader))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    @override
    def spans(self) -> Tensor | None:
        spans: Tensor | None = getattr(self.files, "spans", None)
        return None if spans is None else spans[self.rows]

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
        return split_labels(collate(examples), self.reader, labels) if examples else (None, labels)

    def take_found(self) -> tuple[list[Unreadable], dict[str, list[str]]]:
        """Return what this worker process found since the last call, as arguments of `report`."""
        found, self._found = self._found, []
        return found, self.notices.take()

    def report_sameness(self, split: str) -> None:
        """Log how many of the examples decoded so far are constant, or read as others are.

        Args:
            split: name of the split of these examples.
        """
        self.sameness.report(split, lambda file: self.files[file])

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
        companions = reader.companions if isinstance(reader, LabelledReader) else lambda path: ()

        def identity(row: int) -> Identity:
            name, source = self.files[row]
            return identify(name, source, columns, companions)

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
        storage = Storage(len(self))
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
            log.info("%s; what is missing is masked", absent)
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
            if get_worker_info() is None:
                self.sameness.add(file, middle_clip(example, self.reader))
            return example
        except ValueError as error:
            return Unreadable(file, f"{name}: {error}" if name else str(error))


FileSplits = dict[str, FileExamples]  # by split: "train", "validation", "test"
