"""Configurations of several modalities in one input, as plain data."""

from dataclasses import dataclass, field
from typing import ClassVar

from ..config import InputConfig
from ..sound.config import AudioConfig
from ..video.config import VideoConfig


@dataclass(frozen=True, kw_only=True)
class FusionConfig(InputConfig):
    """Inputs of several modalities; see `FusionAdapter`."""

    kind: ClassVar[str] = "fusion"

    parts: dict[str, InputConfig] = field(
        default_factory=lambda: {"audio": AudioConfig(), "video": VideoConfig()}
    )
    """The modalities by name, in the order of their elements."""
    min_embedding_dim: int = 4
    """Learned channels that tell the widest modality apart; narrower ones get more."""
    dropout: dict[str, float] = field(default_factory=dict)
    """Share of examples whose modality of a name is masked in training (paper: video=0.3)."""


@dataclass(frozen=True, kw_only=True)
class RowsConfig(FusionConfig):
    """How rows of a table become elements: files, texts, and all other cells as parts of a fusion.

    A part that is neither among the files nor the texts is a `TabularConfig`, whose columns it
    names.
    """

    kind: ClassVar[str] = "rows"
    reader_fields: ClassVar[frozenset[str]] = frozenset({"files", "texts"})

    parts: dict[str, InputConfig] = field(default_factory=dict)
    """The parts by name, in the order of their elements."""
    files: dict[str, str] = field(default_factory=dict)
    """By part, the column that names its files."""
    texts: dict[str, str] = field(default_factory=dict)
    """By part, the column that holds its text."""
