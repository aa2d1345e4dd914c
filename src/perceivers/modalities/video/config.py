"""Configuration of video inputs, as plain data."""

from dataclasses import dataclass
from typing import ClassVar

from ..array.config import GridConfig


@dataclass(frozen=True, kw_only=True)
class VideoConfig(GridConfig):
    """How videos become elements; see `perceivers.modalities.video.adapter.VideoAdapter`."""

    kind: ClassVar[str] = "video"
    reader_fields: ClassVar[frozenset[str]] = frozenset({"seconds", "own_length"})

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
