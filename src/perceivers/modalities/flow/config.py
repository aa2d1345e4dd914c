"""Configurations of optical flow, as plain data: a pair of frames, and a vector for each pixel."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from ..config import Bands, Count, InputConfig, OutputConfig, Task


@dataclass(frozen=True, kw_only=True)
class FramePairConfig(InputConfig):
    """Two frames, of which each pixel is an element; see `FramePairAdapter`."""

    kind: ClassVar[str] = "frame-pair"

    height: Count = 368
    """Height in pixels that the model is trained on; larger frames are predicted in tiles."""
    width: Count = 496
    """Width in pixels that the model is trained on."""
    channels: Count = 3
    """Number of channels of a frame: 1 for grey, 3 for RGB."""
    patch_size: Count = 3
    """Height and width in pixels of the patch around each pixel."""
    projection_dim: Count = 64
    """Channels to which the patches of both frames are linearly projected."""
    num_bands: Bands = 64
    """Number of Fourier frequencies per axis; the highest is the Nyquist frequency of the size that
    the model is trained on."""


@dataclass(frozen=True, kw_only=True)
class FlowOutputConfig(OutputConfig):
    """A vector of motion for each pixel of the first frame; see `FlowOutput`."""

    kind: ClassVar[str] = "motion"

    rescale_factor: float = 100.0
    """Number that what the decoder gives is divided by."""

    @property
    @override
    def task(self) -> Task:
        return "flow"
