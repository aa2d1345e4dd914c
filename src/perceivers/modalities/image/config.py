"""Configuration of image inputs, as plain data."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from typing_extensions import override

from ..array.config import GridConfig
from ..config import Bands, Count, InputConfig, OutputConfig, Range, Signed, Task

Share = Annotated[float, Range(0.01, 1)]


@dataclass(frozen=True, kw_only=True)
class ImageConfig(GridConfig):
    """How images become elements; see `perceivers.modalities.image.adapter.ImageAdapter`."""

    kind: ClassVar[str] = "image"
    reader_fields: ClassVar[frozenset[str]] = frozenset({"value_range", "crop"})

    image_size: Count = 224
    """Height and width in pixels to which images are resized and cropped."""
    channels: Count = 3
    """Number of channels: 1 for grey, 3 for RGB."""
    value_range: tuple[Signed, ...] | None = None
    """Pixel values that become black and white in images of more than 8 bits; none: 0 and 65535,
    unless the training images use little of that range or have floating-point pixels: training
    then measures it."""
    crop: Share = 1.0
    """Share of the shorter side whose square in the middle is cut out of an image before it is
    resized; 1: the shorter side as it is."""
    patch_size: Count = 1
    """Height and width of a patch in pixels; 1: every pixel is an element."""
    patch_stride: Count | None = None
    """Pixels from the start of one patch to the next; None: patch_size, so that patches do not
    overlap."""
    max_resolution: float | None = None
    """Resolution of both axes; the highest Fourier frequency is half of it (Nyquist). None: the
    number of patches along the axis (paper)."""


@dataclass(frozen=True, kw_only=True)
class ConvImageConfig(InputConfig):
    """Images that a convolution and max pooling make smaller; see `ConvImageAdapter`."""

    kind: ClassVar[str] = "conv-image"
    reader_fields: ClassVar[frozenset[str]] = frozenset({"value_range", "crop"})

    image_size: Count = 224
    """Height and width in pixels to which images are resized and cropped."""
    channels: Count = 3
    """Number of channels: 1 for grey, 3 for RGB."""
    value_range: tuple[Signed, ...] | None = None
    """As of images without a convolution."""
    crop: Share = 1.0
    """As of images without a convolution."""
    conv_dim: Count = 64
    """Channels of the convolution, whose outputs are the elements."""
    num_bands: Bands = 64
    """Number of Fourier frequencies per axis."""
    max_resolution: float | None = None
    """Resolution of both axes; the highest Fourier frequency is half of it (Nyquist). None: a
    quarter of image_size."""


@dataclass(frozen=True, kw_only=True)
class PixelsOutputConfig(OutputConfig):
    """An image, rebuilt pixel by pixel; see `PixelsOutput`."""

    kind: ClassVar[str] = "pixels"

    image_size: Count = 224
    """Height and width in pixels."""
    channels: Count = 3
    """Number of channels: 1 for grey, 3 for RGB."""
    num_bands: Bands = 32
    """Number of Fourier frequencies of the queries per axis."""
    max_resolution: float | None = None
    """Resolution of both axes for the queries; the highest frequency is half of it. None: the
    number of pixels."""

    @property
    @override
    def task(self) -> Task:
        return "reconstruction"
