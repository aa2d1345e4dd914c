"""Configurations of several modalities in one input, as plain data."""

from dataclasses import dataclass, field
from typing import ClassVar

from typing_extensions import override

from ..config import Count, InputConfig, OutputConfig, Proportion, Task
from ..sound.config import AudioConfig
from ..video.config import VideoConfig


@dataclass(frozen=True, kw_only=True)
class FusionConfig(InputConfig):
    """Configuration of an input of several modalities; see `FusionAdapter`."""

    kind: ClassVar[str] = "fusion"

    parts: dict[str, InputConfig] = field(
        default_factory=lambda: {"audio": AudioConfig(), "video": VideoConfig()}
    )
    """Input configuration of each modality by its name, in the order of their elements."""
    min_embedding_dim: Count = 4
    """Number of channels of the learned embedding that identifies the widest modality; narrower
    modalities get more, so that the elements of all modalities are equally wide."""
    dropout: dict[str, Proportion] = field(default_factory=dict)
    """Probability that a modality is masked in a training example, by the name of the modality
    (Perceiver paper: video=0.3); modalities that are not named are not masked."""


@dataclass(frozen=True, kw_only=True)
class RowsConfig(FusionConfig):
    """Configuration of rows of a table: files, texts and all other cells are parts of a fusion.

    A part that is in neither `files` nor `texts` is a `TabularConfig`, which names its columns.
    """

    kind: ClassVar[str] = "rows"
    reader_fields: ClassVar[frozenset[str]] = frozenset({"files", "texts"})

    parts: dict[str, InputConfig] = field(default_factory=dict)
    """Input configuration of each part by its name, in the order of their elements."""
    files: dict[str, str] = field(default_factory=dict)
    """Column that holds the file names of a part, by the name of the part."""
    texts: dict[str, str] = field(default_factory=dict)
    """Column that holds the text of a part, by the name of the part."""


@dataclass(frozen=True, kw_only=True)
class FusionOutputConfig(OutputConfig):
    """Outputs of several modalities that one decoder gives; see `FusionOutput`."""

    kind: ClassVar[str] = "parts"

    parts: dict[str, OutputConfig]
    """Output of each modality by its name."""
    decoded_dim: Count = 512
    """Channels that the decoder gives for each query; a linear map of each modality follows."""
    min_embedding_dim: Count = 2
    """Channels of the learned embedding of the modality with the widest queries; narrower queries
    get more, so that all are equally wide."""

    @property
    @override
    def task(self) -> Task | None:
        """Reconstruction, if a part is rebuilt; other parts, such as a class, are not trained."""
        tasks = [part.task for part in self.parts.values()]
        return "reconstruction" if "reconstruction" in tasks else None
