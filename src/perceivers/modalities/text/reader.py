"""The reader of texts: a file → an example of the shape that a model takes."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from ..files import PathOrBytes
from ..reader import ArrayReader
from . import decode as text

# L bytes


@dataclass(frozen=True)
class TextReader(ArrayReader):
    """Text, ids of its UTF-8 bytes (L,), 0 after its end, longer ones cut; see `text.encode`."""

    max_length: int

    noun: ClassVar[str] = "texts"
    suffixes: ClassVar[frozenset[str]] = frozenset({".txt"})
    dtype: ClassVar[type] = np.int16

    @property
    def shape(self) -> tuple[int, ...]:
        """(L,)."""
        return (self.max_length,)

    def decode(self, source: PathOrBytes) -> np.ndarray:
        """See `Reader`; bytes are the text itself."""
        ids = text.encode([text.decode(source)], self.max_length)[0].numpy().astype(np.int16)
        return np.pad(ids, (0, self.max_length - len(ids)))

    def decode_whole(self, source: PathOrBytes) -> np.ndarray:
        """See `Reader`: a model has learned so many positions and no more."""
        raise ValueError(f"this model reads up to {self.max_length} bytes; leave own_size out")

    def batch(self, examples: Tensor) -> Tensor:
        """Without the columns in which all texts have ended."""
        length = int((examples != text.PAD).sum(dim=1).max()) if len(examples) else 0
        return examples[:, : max(length, 1)].long()

    def lengths(self, examples: Any) -> Tensor:
        """See `Reader`: texts are held at one length, and end before it."""
        return (examples != text.PAD).sum(dim=1) / self.max_length
