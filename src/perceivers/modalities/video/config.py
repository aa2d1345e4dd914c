"""Configuration of video inputs, as plain data."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from ..array.config import GridConfig
from ..config import Bands, Count, OutputConfig, Signed, Task


@dataclass(frozen=True, kw_only=True)
class VideoConfig(GridConfig):
    """How videos become elements; see `perceivers.modalities.video.adapter.VideoAdapter`."""

    kind: ClassVar[str] = "video"
    reader_fields: ClassVar[frozenset[str]] = frozenset({"seconds", "own_length", "value_range"})

    num_frames: Count = 32
    """Number of frames of an example."""
    seconds: float | None = None
    """Length in seconds of the middle part of a file over which the frames are spread; None: the
    whole file."""
    own_length: bool = False
    """Read fewer frames from a file shorter than seconds; False: repeat its last frame."""
    image_size: Count = 224
    """Height and width in pixels to which frames are resized and cropped."""
    channels: Count = 3
    """Number of channels: 1 for grey, 3 for RGB."""
    value_range: tuple[Signed, ...] | None = None
    """Values of 16 bits that become black and white in grey videos of more than 8 bits; none: 0 and
    65535, unless the training videos use little of that range: training then measures it."""
    patch_frames: Count = 2
    """Number of frames of a patch."""
    patch_size: Count = 8
    """Height and width of a patch in pixels."""
    frame_stride: Count | None = None
    """Frames from the start of one patch to the next; None: patch_frames, so that patches do not
    overlap."""
    patch_stride: Count | None = None
    """Pixels from the start of one patch to the next; None: patch_size, so that patches do not
    overlap."""
    max_resolution: tuple[float, ...] | None = None
    """Resolution of time, height and width; the highest Fourier frequency of an axis is half of it
    (Nyquist). None: the number of patches along the axis."""

    @property
    def strides(self) -> tuple[int, int]:
        """Frames and pixels from the start of one patch to the next."""
        frames = self.patch_frames if self.frame_stride is None else self.frame_stride
        pixels = self.patch_size if self.patch_stride is None else self.patch_stride
        return frames, pixels


@dataclass(frozen=True, kw_only=True)
class FramesOutputConfig(OutputConfig):
    """Frames, rebuilt pixel by pixel; see `FramesOutput`."""

    kind: ClassVar[str] = "frames"

    num_frames: Count = 16
    """Number of frames."""
    image_size: Count = 224
    """Height and width in pixels."""
    channels: Count = 3
    """Number of channels: 1 for grey, 3 for RGB."""
    num_bands: Bands = 32
    """Number of Fourier frequencies of the queries per axis."""
    max_resolution: tuple[float, ...] | None = None
    """Resolution of time, height and width for the queries; the highest frequency of an axis is
    half of it. None: the numbers of frames and pixels."""

    @property
    @override
    def task(self) -> Task:
        return "reconstruction"
