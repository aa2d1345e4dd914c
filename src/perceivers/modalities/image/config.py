"""Configuration of image inputs, as plain data."""

from dataclasses import dataclass
from typing import ClassVar

from ..array.config import GridConfig


@dataclass(frozen=True, kw_only=True)
class ImageConfig(GridConfig):
    """How images become elements; see `perceivers.modalities.image.adapter.ImageAdapter`."""

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
