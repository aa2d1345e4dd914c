"""How each modality becomes elements, as plain data; each configures the adapter of its name."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """What the configurations below have in common."""

    kind: ClassVar[str]
    """Which of the configurations below it is."""
    of_files: ClassVar[frozenset[str]] = frozenset()
    """Fields that say how files are read; the adapter does not take them."""


@dataclass(frozen=True, kw_only=True)
class GridConfig(InputConfig):
    """What the configurations of arrays on a grid have in common."""

    projection_dim: int | None = None
    """Channels to which a patch is linearly projected; None: it is not."""
    position: Literal["fourier", "learned", "none"] = "fourier"
    """Position features of a patch."""
    num_bands: int = 64
    """Fourier frequencies per axis."""
    spacing: Literal["linear", "log"] = "linear"
    """Spread of the Fourier bands."""
    position_dim: int = 128
    """Channels of a learned position."""
    fusion: Literal["concatenate", "add"] = "concatenate"
    """How position features join the patch."""


@dataclass(frozen=True, kw_only=True)
class ImageConfig(GridConfig):
    """How images become elements; see `perceivers.adapters.image.ImageAdapter`."""

    kind: ClassVar[str] = "image"

    image_size: int = 224
    """Height and width that images are brought to, in pixels."""
    channels: int = 3
    """1 for grey, 3 for RGB."""
    patch_size: int = 1
    """Side of a patch in pixels; 1: every pixel is an element."""
    patch_stride: int | None = None
    """Step from patch to patch; None: patch_size, no overlap."""
    max_resolution: float | None = None
    """Resolution whose Nyquist frequency the bands reach; None: the grid's own (the paper's)."""


@dataclass(frozen=True, kw_only=True)
class ArrayConfig(GridConfig):
    """How any array on a grid becomes elements; see `perceivers.adapters.grid.GridAdapter`."""

    kind: ClassVar[str] = "array"

    shape: tuple[int, ...] = (1024,)
    """Cells along each axis."""
    channels: int = 1
    """Channels of a cell."""
    patch_size: tuple[int, ...] | None = None
    """Cells of a patch along each axis; None: every cell is an element."""
    patch_stride: tuple[int, ...] | None = None
    """Step from patch to patch along each axis; None: patch_size, no overlap."""
    max_resolution: tuple[float, ...] | None = None
    """Resolution per axis whose Nyquist frequency the bands reach; None: the grid's own."""


@dataclass(frozen=True, kw_only=True)
class AudioConfig(GridConfig):
    """How waveforms become elements; see `perceivers.adapters.audio.AudioAdapter`."""

    kind: ClassVar[str] = "audio"
    of_files: ClassVar[frozenset[str]] = frozenset({"sample_rate", "own_length"})

    num_samples: int = 61_440
    """Samples of an example."""
    own_length: bool = False
    """Files are read at their own length, up to num_samples; False: silence fills shorter ones."""
    sample_rate: int = 48_000
    """Samples a second."""
    channels: int = 1
    """1 for mono, 2 for stereo."""
    patch_size: int = 128
    """Samples of a patch."""
    patch_stride: int | None = None
    """Step from patch to patch; None: patch_size, no overlap."""
    max_resolution: float | None = None
    """Resolution whose Nyquist frequency the bands reach; None: that of the patches."""


@dataclass(frozen=True, kw_only=True)
class MelConfig(GridConfig):
    """How waveforms become patches of their log-mel; see `perceivers.adapters.mel.MelAdapter`."""

    kind: ClassVar[str] = "mel"
    of_files: ClassVar[frozenset[str]] = frozenset({"own_length"})

    num_samples: int = 16_000
    """Samples of an example."""
    own_length: bool = False
    """Files are read at their own length, up to num_samples; False: silence fills shorter ones."""
    channels: int = 1
    """1 for mono, 2 for stereo."""
    sample_rate: int = 16_000
    """Samples a second."""
    n_fft: int = 400
    """Samples of a window of the spectrogram."""
    hop_length: int = 160
    """Samples from frame to frame."""
    n_mels: int = 80
    """Mel bands of a frame."""
    f_min: float = 0.0
    """Lowest frequency of the bands, Hz."""
    f_max: float | None = None
    """Highest frequency of the bands, Hz; None: half the sample rate."""
    scale: Literal["slaney", "htk"] = "slaney"
    """What mel is: Slaney's scale (librosa's default) or HTK's."""
    patch_frames: int = 1
    """Frames of a patch."""
    patch_mels: int | None = None
    """Mel bands of a patch; None: all, so that one frame can be one element."""
    max_resolution: tuple[float, ...] | None = None
    """Resolutions of time and mel whose Nyquist frequency the bands reach; None: the patches'."""
    num_time_masks: int = 0
    """SpecAugment: runs of frames hidden in training."""
    time_mask_width: int = 0
    """Frames of such a run, at most."""
    num_frequency_masks: int = 0
    """SpecAugment: runs of mel bands hidden in training."""
    frequency_mask_width: int = 0
    """Bands of such a run, at most."""


@dataclass(frozen=True, kw_only=True)
class VideoConfig(GridConfig):
    """How videos become elements; see `perceivers.adapters.video.VideoAdapter`."""

    kind: ClassVar[str] = "video"
    of_files: ClassVar[frozenset[str]] = frozenset({"seconds", "own_length"})

    num_frames: int = 32
    """Frames of an example."""
    seconds: float | None = None
    """Time in the middle of a file that the frames are spread over; None: all of it."""
    own_length: bool = False
    """Of files shorter than seconds, fewer frames; False: the last one fills them."""
    image_size: int = 224
    """Height and width of a frame in pixels."""
    channels: int = 3
    """1 for grey, 3 for RGB."""
    patch_frames: int = 2
    """Frames of a patch."""
    patch_size: int = 8
    """Side of a patch in pixels."""
    max_resolution: tuple[float, ...] | None = None
    """Resolutions of time, height and width whose Nyquist the bands reach; None: the patches'."""


@dataclass(frozen=True, kw_only=True)
class PointsConfig(InputConfig):
    """How point clouds become elements; see `perceivers.adapters.points.PointAdapter`."""

    kind: ClassVar[str] = "points"
    of_files: ClassVar[frozenset[str]] = frozenset({"own_length", "size_channel", "neighbours"})

    num_points: int = 2048
    """Points of an example."""
    own_length: bool = False
    """Files of fewer points are read as they are; False: their points are given again."""
    channels: int = 3
    """Channels of a point, the first three its coordinates."""
    size_channel: bool = False
    """After the file's channels comes the logarithm of its own size, lost in scaling it."""
    neighbours: tuple[int, ...] = ()
    """The last channels tell the shape of so many neighbours of a point, seven for each number."""
    content_bands: int = 0
    """Fourier frequencies of each channel beyond the coordinates; 0: the numbers alone."""
    num_bands: int = 64
    """Fourier frequencies per axis."""
    max_resolution: float = 2240.0
    """Resolution of each axis whose Nyquist frequency the bands reach."""


@dataclass(frozen=True, kw_only=True)
class TextConfig(InputConfig):
    """How text becomes elements, one a byte; see `perceivers.adapters.text.TextAdapter`."""

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


@dataclass(frozen=True, kw_only=True)
class TabularConfig(InputConfig):
    """How rows of a table become elements; see `perceivers.adapters.tabular.TabularAdapter`."""

    kind: ClassVar[str] = "tabular"

    numeric: tuple[str, ...] = ()
    """Names of the numeric columns."""
    categorical: tuple[str, ...] = ()
    """Names of the categorical columns."""
    categories: tuple[tuple[str, ...], ...] = ()
    """The categories of each categorical column, in the order of their numbers."""
    embedding_dim: int = 32
    """Channels of what a cell holds, and of the learned vector of its column."""
    num_bands: int = 8
    """Learned frequencies of each numeric column; 0: the number alone."""

    def __post_init__(self) -> None:
        # JSON knows lists alone.
        categories = tuple(tuple(given) for given in self.categories)
        object.__setattr__(self, "categories", categories)


@dataclass(frozen=True, kw_only=True)
class FusionConfig(InputConfig):
    """How several modalities become elements; see `perceivers.adapters.fusion.FusionAdapter`."""

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
    of_files: ClassVar[frozenset[str]] = frozenset({"files", "texts"})

    parts: dict[str, InputConfig] = field(default_factory=dict)
    """The parts by name, in the order of their elements."""
    files: dict[str, str] = field(default_factory=dict)
    """By part, the column that names its files."""
    texts: dict[str, str] = field(default_factory=dict)
    """By part, the column that holds its text."""


def kinds_of(config: InputConfig) -> str | dict[str, str]:
    """The kind of a raw batch, or that of each of its parts by name."""
    if isinstance(config, FusionConfig):
        return {name: part.kind for name, part in config.parts.items()}
    return config.kind


def require_images(config: InputConfig) -> ImageConfig:
    """The configuration of a model that reads images; ValueError if it reads something else."""
    if not isinstance(config, ImageConfig):
        kind = getattr(config, "kind", type(config).__name__)
        raise ValueError(
            f"this model reads {kind} batches; the Keras example, whose weights these are, reads "
            "images"
        )
    return config
