"""Configuration of arrays on a regular grid, as plain data."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ..config import InputConfig


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
class ArrayConfig(GridConfig):
    """Inputs that are arrays on a regular grid; see `ArrayAdapter`."""

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
