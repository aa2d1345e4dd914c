"""How each modality becomes elements, as plain data; each configures the adapter of its name."""

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """What the configurations below have in common."""


@dataclass(frozen=True, kw_only=True)
class ImageConfig(InputConfig):
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
    projection_dim: int | None = None
    """Channels to which a patch is linearly projected; None: it is not."""
    position: Literal["fourier", "learned", "none"] = "fourier"
    """Position features of a patch."""
    num_bands: int = 64
    """Fourier frequencies per axis."""
    max_resolution: float | None = None
    """Resolution whose Nyquist frequency the bands reach; None: the grid's own (the paper's)."""
    spacing: Literal["linear", "log"] = "linear"
    """Spread of the Fourier bands."""
    position_dim: int = 128
    """Channels of a learned position."""
    fusion: Literal["concatenate", "add"] = "concatenate"
    """How position features join the patch."""


@dataclass(frozen=True, kw_only=True)
class ArrayConfig(InputConfig):
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
    projection_dim: int | None = None
    """Channels to which a patch is linearly projected; None: it is not."""
    position: Literal["fourier", "learned", "none"] = "fourier"
    """Position features of a patch."""
    num_bands: int = 64
    """Fourier frequencies per axis."""
    max_resolution: tuple[float, ...] | None = None
    """Resolution per axis whose Nyquist frequency the bands reach; None: the grid's own."""
    spacing: Literal["linear", "log"] = "linear"
    """Spread of the Fourier bands."""
    position_dim: int = 128
    """Channels of a learned position."""
    fusion: Literal["concatenate", "add"] = "concatenate"
    """How position features join the patch."""


def require_images(config: InputConfig) -> ImageConfig:
    """The configuration of a model that reads images; ValueError if it reads something else."""
    if not isinstance(config, ImageConfig):
        kind = getattr(config, "kind", type(config).__name__)
        raise ValueError(
            f"this model reads {kind} batches; files are only read for image models so far: "
            "give it tensors, model(batch)"
        )
    return config
