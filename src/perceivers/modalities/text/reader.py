"""The reader of text files."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor
from typing_extensions import override

from ..files import PathOrBytes
from ..notices import notice
from ..reader import ArrayReader
from .decode import OFFSET, PAD, encode
from .decode import decode as decode_text

BLANKS = [PAD, *(OFFSET + byte for byte in b"\t\n\v\f\r ")]  # ascending ids that tell nothing

# L bytes


@dataclass(frozen=True)
class TextReader(ArrayReader):
    """Read text files as the ids of their UTF-8 bytes, int16 (L,).

    The ids are those of `encode`. Shorter texts are padded at the end; longer texts are cut.
    """

    max_length: int
    """L, length of an example in bytes."""

    noun: ClassVar[str] = "texts"
    suffixes: ClassVar[frozenset[str]] = frozenset({".txt"})
    dtype: ClassVar[type] = np.int16
    constant: ClassVar[str] = "empty, or white space alone"

    @property
    @override
    def shape(self) -> tuple[int, ...]:
        return (self.max_length,)

    @override
    def is_constant(self, example: np.ndarray) -> bool:
        return not (example > BLANKS[-1]).any() and bool(np.isin(example, BLANKS).all())

    @override
    def decode(self, source: PathOrBytes) -> np.ndarray:
        text = decode_text(source)
        if len(text.encode()) > self.max_length:
            notice(f"has more than {self.max_length:,} bytes, of which only the first are read")
        ids = encode([text], self.max_length)[0].numpy().astype(np.int16)
        return np.pad(ids, (0, self.max_length - len(ids)))

    @override
    def decode_whole(self, source: PathOrBytes) -> np.ndarray:
        """Raise a `ValueError`: the model has learned positions for `max_length` bytes only."""
        raise ValueError(
            f"this model reads up to {self.max_length} bytes of a text, not texts of any length; "
            "leave own_size out"
        )

    @override
    def batch(self, examples: Tensor) -> Tensor:
        """Convert examples to int64 and remove the columns that are padding in all of them."""
        length = int((examples != PAD).sum(dim=1).max()) if len(examples) else 0
        return examples[:, : max(length, 1)].long()

    @override
    def lengths(self, examples: Any) -> Tensor:
        """Return the length of each text without padding, (B,), as a fraction of `max_length`."""
        return (examples != PAD).sum(dim=1) / self.max_length
