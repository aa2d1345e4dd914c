"""Labelled examples by index, a batch at a time: held in memory, or decoded when asked for."""

import abc
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..modalities.fusion.presence import describe_missing
from ..modalities.reader import Example, Examples, Reader, collate, together

log = logging.getLogger(__name__)

NamedSource = tuple[str, Any]  # the name for messages, and what is decoded: a path, bytes or a row
Batch = tuple[Any, Tensor]  # a model's raw batch, such as images (B, H, W, C), and labels (B, …)


class ExampleSet(abc.ABC, Dataset[Batch]):
    """Examples and their labels. `table.__getitems__(indices)` gives a batch in one call."""

    labels: Tensor
    """One row an example; see `labels`."""

    @property
    def lengths(self) -> Tensor | None:
        """How long each example is, (examples,), as a share of the most; None: alike, or unknown.

        Those of files that are decoded when they are asked for are unknown.
        """
        return None

    def __len__(self) -> int:
        return len(self.labels)

    @abc.abstractmethod
    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The batch of these examples."""

    @abc.abstractmethod
    def subset(self, indices: Sequence[int]) -> "ExampleSet":
        """The table of these examples, in this order."""


class InMemoryExamples(ExampleSet):
    """Decoded examples held in memory.

    Args:
        examples: (examples, …), such as images (examples, H, W, C) uint8; a list of such as differ
            in length; of several modalities a dictionary of either.
        labels: one row an example; see `labels`.
        reader: what makes batches of them; None: they are batches as they are.
    """

    def __init__(self, examples: Examples, labels: Tensor, reader: Reader | None = None) -> None:
        self.examples, self.labels, self.reader = examples, labels, reader

    @property
    def lengths(self) -> Tensor | None:
        """See `ExampleSet`."""
        return self.reader.lengths(self.examples) if self.reader else None

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        examples = _taken(self.examples, chosen)
        return self.reader.batch(examples) if self.reader else examples, self.labels[chosen]

    def subset(self, indices: Sequence[int]) -> "InMemoryExamples":
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return InMemoryExamples(_taken(self.examples, chosen), self.labels[chosen], self.reader)


@dataclass
class FileExamples(ExampleSet):
    """Files decoded when they are asked for. An unreadable one is named and left out.

    `decode_all` turns the table into a held one.
    """

    files: Sequence[NamedSource]
    """All files of the source; nothing is read before it is asked for."""
    labels: Tensor
    """One row an example; see `labels`."""
    rows: Tensor
    """(examples,) int64: which of the files are this table's."""
    reader: Reader
    """What knows the files."""
    strict: bool = False
    """Stop at an unreadable file."""
    skipped: list[str] = field(default_factory=list)
    """Names of the unreadable files met so far."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def decoded_bytes(self) -> int:
        """Size of all examples once decoded; where each has its own length, at most."""
        return len(self) * self.reader.nbytes

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        decoded = [self._decode(index) for index in indices]
        kept = [i for i, example in zip(indices, decoded, strict=True) if example is not None]
        examples = [example for example in decoded if example is not None]
        if not examples:
            raise ValueError(f"none of {len(decoded)} files could be read; see the lines above")
        batch = self.reader.batch(collate(examples))
        return batch, self.labels[torch.as_tensor(kept)]

    def subset(self, indices: Sequence[int]) -> "FileExamples":
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        rows = self.rows[chosen]
        return replace(self, labels=self.labels[chosen], rows=rows, skipped=[])

    def decode_all(self, progress: Callable[[int, int], None] | None = None) -> InMemoryExamples:
        """Every readable file, decoded by as many threads as there are cores.

        Args:
            progress: called now and then with (done, total).
        """
        held = _Held(len(self))
        kept: list[int] = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for index, example in enumerate(pool.map(self._decode, range(len(self)))):
                if example is not None:
                    held.put(example)
                    kept.append(index)
                if progress and (index % 1000 == 999 or index + 1 == len(self)):
                    progress(index + 1, len(self))
        examples = held.examples()
        if lacking := describe_missing(examples):
            log.info("%s; it is masked there", lacking)
        labels = self.labels[torch.as_tensor(kept, dtype=torch.int64)]
        return InMemoryExamples(examples, labels, self.reader)

    def _decode(self, index: int) -> Example | None:
        name, source = self.files[int(self.rows[index])]
        try:
            example: Example = self.reader.decode(source)
            return example
        except ValueError as error:
            problem = f"{name}: {error}"
        if self.strict:
            raise ValueError(f"{problem}; repair or remove it, or run without --strict")
        log.warning("skipped %s", problem)
        self.skipped.append(name)
        return None


def _taken(examples: Examples, chosen: Tensor) -> Examples:
    """Some of the examples."""
    if isinstance(examples, dict):
        return {name: _some(x, chosen) for name, x in examples.items()}
    return _some(examples, chosen)


def _some(examples: Tensor | list[Tensor], chosen: Tensor) -> Tensor | list[Tensor]:
    if isinstance(examples, Tensor):
        return examples[chosen]
    return together([examples[index] for index in chosen.tolist()])


class _Held:
    """Room for up to `count` examples, filled one after another."""

    def __init__(self, count: int) -> None:
        self.count, self.filled = count, 0
        self.arrays: dict[str | None, np.ndarray | list[np.ndarray]] = {}

    def put(self, example: Example) -> None:
        parts = example.items() if isinstance(example, dict) else [(None, example)]
        for name, x in parts:
            if name not in self.arrays:
                self.arrays[name] = np.empty((self.count, *x.shape), x.dtype)
            held = self.arrays[name]
            if isinstance(held, np.ndarray) and x.shape != held.shape[1:]:
                held = self.arrays[name] = [row.copy() for row in held[: self.filled]]
            if isinstance(held, list):
                held.append(x.copy())  # it may be a part of a longer one
            else:
                held[self.filled] = x
        self.filled += 1

    def examples(self) -> Examples:
        held = {
            name: torch.from_numpy(x[: self.filled])
            if isinstance(x, np.ndarray)
            else [torch.from_numpy(array) for array in x]
            for name, x in self.arrays.items()
        }
        if None in held:
            return held[None]
        return {str(name): x for name, x in held.items()} or torch.empty(0)
