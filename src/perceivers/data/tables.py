"""Labelled examples by index, a batch at a time: held in memory, or decoded when asked for."""

import abc
import logging
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .readers import Reader
from .source import Source

log = logging.getLogger(__name__)

File = tuple[str, Source]  # the name for messages, and the path or bytes
Batch = tuple[Tensor, Tensor]  # a model's raw batch, such as images (B, H, W, C), and labels (B,)


class Table(abc.ABC, Dataset[Batch]):
    """Examples and their labels. `table.__getitems__(indices)` gives a batch in one call."""

    labels: Tensor
    """(examples,) int64."""

    def __len__(self) -> int:
        return len(self.labels)

    @abc.abstractmethod
    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The batch of these examples."""

    @abc.abstractmethod
    def subset(self, indices: Sequence[int]) -> "Table":
        """The table of these examples, in this order."""


class HeldTable(Table):
    """Decoded examples held in memory.

    Args:
        examples: (examples, …), such as images (examples, H, W, C) uint8.
        labels: (examples,) int64.
        reader: what makes batches of them; None: they are batches as they are.
    """

    def __init__(self, examples: Tensor, labels: Tensor, reader: Reader | None = None) -> None:
        self.examples, self.labels, self.reader = examples, labels, reader

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        examples = self.examples[chosen]
        return self.reader.batch(examples) if self.reader else examples, self.labels[chosen]

    def subset(self, indices: Sequence[int]) -> "HeldTable":
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return HeldTable(self.examples[chosen], self.labels[chosen], self.reader)


@dataclass
class FileTable(Table):
    """Files decoded when they are asked for. An unreadable one is named and left out.

    `decode_all` turns the table into a held one.
    """

    files: Sequence[File]
    """All files of the source; nothing is read before it is asked for."""
    labels: Tensor
    """(examples,) int64."""
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
        """Size of all examples once decoded."""
        return len(self) * math.prod(self.reader.shape) * np.dtype(self.reader.dtype).itemsize

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        decoded = [self._decode(index) for index in indices]
        kept = [i for i, example in zip(indices, decoded, strict=True) if example is not None]
        examples = [example for example in decoded if example is not None]
        if not examples:
            raise ValueError(f"none of {len(decoded)} files could be read; see the lines above")
        batch = self.reader.batch(torch.from_numpy(np.stack(examples)))
        return batch, self.labels[torch.as_tensor(kept)]

    def subset(self, indices: Sequence[int]) -> "FileTable":
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return replace(self, labels=self.labels[chosen], rows=self.rows[chosen])

    def decode_all(self, progress: Callable[[int, int], None] | None = None) -> HeldTable:
        """Every readable file, decoded by as many threads as there are cores.

        Args:
            progress: called now and then with (done, total).
        """
        examples: np.ndarray = np.empty((len(self), *self.reader.shape), self.reader.dtype)
        kept: list[int] = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for index, example in enumerate(pool.map(self._decode, range(len(self)))):
                if example is not None:
                    examples[len(kept)] = example
                    kept.append(index)
                if progress and (index % 1000 == 999 or index + 1 == len(self)):
                    progress(index + 1, len(self))
        held = torch.from_numpy(examples[: len(kept)])
        labels = self.labels[torch.as_tensor(kept, dtype=torch.int64)]
        return HeldTable(held, labels, self.reader)

    def _decode(self, index: int) -> np.ndarray | None:
        name, source = self.files[int(self.rows[index])]
        try:
            return self.reader.decode(source)
        except ValueError as error:
            problem = f"{name}: {error}"
        if self.strict:
            raise ValueError(f"{problem}; repair or remove it, or run without --strict")
        log.warning("skipped %s", problem)
        self.skipped.append(name)
        return None
