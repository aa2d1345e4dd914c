"""Configuration of text inputs, as plain data."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ..config import InputConfig


@dataclass(frozen=True, kw_only=True)
class TextConfig(InputConfig):
    """Text, one element per byte; see `TextAdapter`."""

    kind: ClassVar[str] = "text"

    max_length: int = 2048
    """Bytes of a text, at most."""
    embedding_dim: int = 768
    """Channels of the learned embedding of a byte."""
    position_dim: int | None = None
    """Channels of a learned position; None: embedding_dim."""
    fusion: Literal["concatenate", "add"] = "add"
    """How position and embedding go together; to be added, they have equally many channels."""
    ngrams: tuple[int, ...] = ()
    """Lengths of the runs of bytes that have a learned embedding too; none: bytes alone."""
    ngram_rows: int = 32_768
    """Rows of the table of each of these lengths, over which a hash spreads them."""
    dropout: float = 0.0
    """Share of the channels of an embedding dropped in training."""
