"""Configuration of arrays on a regular grid, as plain data."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ..config import Bands, Count, InputConfig


@dataclass(frozen=True, kw_only=True)
class GridConfig(InputConfig):
    """Fields shared by the configurations of all inputs on a regular grid."""

    projection_dim: Count | None = None
    """Channels to which each patch is linearly projected; None: no projection."""
    projection_activation: Literal["none", "gelu"] = "none"
    """Activation after the linear projection of each patch, which projection_dim switches on."""
    position: Literal["fourier", "learned", "none"] = "fourier"
    """Position features of a patch: Fourier features (any input size), a learned vector (only the
    configured size), or none."""
    num_bands: Bands = 64
    """Number of Fourier frequencies per axis, if position is fourier."""
    spacing: Literal["linear", "log"] = "linear"
    """How the Fourier frequencies are spaced: linearly or logarithmically."""
    position_dim: Count = 128
    """Number of channels of a position, if position is learned."""
    position_projection_dim: Count | None = None
    """Channels to which learned positions are linearly projected; None: no projection."""
    fusion: Literal["concatenate", "add"] = "concatenate"
    """How a patch and its position features are combined; add needs equally many channels."""


@dataclass(frozen=True, kw_only=True)
class ArrayConfig(GridConfig):
    """How arrays become elements; see `perceivers.modalities.array.adapter.ArrayAdapter`."""

    kind: ClassVar[str] = "array"

    shape: tuple[Count, ...] = (1024,)
    """Number of cells along each axis."""
    channels: Count = 1
    """Number of channels of a cell."""
    patch_size: tuple[Count, ...] | None = None
    """Number of cells of a patch along each axis; None: every cell is an element."""
    patch_stride: tuple[Count, ...] | None = None
    """Cells from the start of one patch to the next along each axis; None: patch_size, so that
    patches do not overlap."""
    max_resolution: tuple[float, ...] | None = None
    """Resolution along each axis; the highest Fourier frequency is half of it (Nyquist). None: the
    number of patches along the axis."""
