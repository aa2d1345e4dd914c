"""Labelled images by index, a whole batch at a time: held in memory, or decoded when asked for."""

import abc
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .images import Source, decode

log = logging.getLogger(__name__)

File = tuple[str, Source]  # the name for messages, and the path or bytes
Batch = tuple[Tensor, Tensor]  # images (B, H, W, C) uint8, labels (B,) int64


class Table(abc.ABC, Dataset[Batch]):
    """Images and their labels. `table.__getitems__(indices)` gives a batch in one call."""

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
    """Decoded images held in memory.

    Args:
        images: (examples, H, W, C) uint8.
        labels: (examples,) int64.
    """

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return self.images[chosen], self.labels[chosen]

    def subset(self, indices: Sequence[int]) -> "HeldTable":
        return HeldTable(*self.__getitems__(indices))


@dataclass
class FileTable(Table):
    """Image files decoded when they are asked for. An unreadable one is named and left out.

    `decode_all` turns the table into a held one.
    """

    files: Sequence[File]
    """All files of the source; nothing is read before it is asked for."""
    labels: Tensor
    """(examples,) int64."""
    rows: Tensor
    """(examples,) int64: which of the files are this table's."""
    size: int
    """Height and width that images are brought to."""
    channels: int
    """1 or 3."""
    strict: bool = False
    """Stop at an unreadable file."""
    skipped: list[str] = field(default_factory=list)
    """Names of the unreadable files met so far."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def decoded_bytes(self) -> int:
        """Size of all images once decoded."""
        return len(self) * self.size**2 * self.channels

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        decoded = [self._decode(index) for index in indices]
        kept = [i for i, image in zip(indices, decoded, strict=True) if image is not None]
        images = [image for image in decoded if image is not None]
        if not images:
            raise ValueError(f"none of {len(decoded)} files could be read; see the lines above")
        return torch.from_numpy(np.stack(images)), self.labels[torch.as_tensor(kept)]

    def subset(self, indices: Sequence[int]) -> "FileTable":
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return replace(self, labels=self.labels[chosen], rows=self.rows[chosen])

    def decode_all(self, progress: Callable[[int, int], None] | None = None) -> HeldTable:
        """Every readable image, decoded by as many threads as there are cores.

        Args:
            progress: called now and then with (done, total).
        """
        images = np.empty((len(self), self.size, self.size, self.channels), np.uint8)
        kept: list[int] = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for index, image in enumerate(pool.map(self._decode, range(len(self)))):
                if image is not None:
                    images[len(kept)] = image
                    kept.append(index)
                if progress and (index % 1000 == 999 or index + 1 == len(self)):
                    progress(index + 1, len(self))
        held = torch.from_numpy(images[: len(kept)])
        return HeldTable(held, self.labels[torch.as_tensor(kept, dtype=torch.int64)])

    def _decode(self, index: int) -> np.ndarray | None:
        name, source = self.files[int(self.rows[index])]
        try:
            return decode(source, channels=self.channels, size=self.size)
        except ValueError as error:
            problem = f"{name}: {error}"
        if self.strict:
            raise ValueError(f"{problem}; repair or remove it, or run without --strict")
        log.warning("skipped %s", problem)
        self.skipped.append(name)
        return None
