"""What a model is, as plain data: saved with every model, overridable by name. Imports no torch."""

import dataclasses
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from ..errors import unknown

Order = tuple[int | None, ...]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """How images become elements; see `perceivers.adapters.image.ImageAdapter`."""

    image_size: int = 224
    """Height and width that images are brought to, in pixels."""
    channels: int = 3
    """1 for grey, 3 for RGB."""
    patch_size: int = 1
    """Side of a patch in pixels; 1: every pixel is an element."""
    patch_stride: int | None = None
    """Step from patch to patch; None: patch_size, no overlap."""
    position: Literal["fourier", "learned"] = "fourier"
    """Position features of a patch."""
    num_bands: int = 64
    """Fourier frequencies per axis."""
    max_resolution: float | None = None
    """Resolution whose Nyquist frequency the bands reach; None: the grid's own (the paper's)."""
    spacing: Literal["linear", "log"] = "linear"
    """Spread of the Fourier bands."""
    position_dim: int = 128
    """Channels of a learned position."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A Perceiver classifier: adapter, latent array, order of its parts, head."""

    num_classes: int = 1000
    """Classes of the output."""
    input: ImageConfig = field(default_factory=ImageConfig)
    """The input adapter."""
    num_latents: int = 512
    """Rows of the latent array (N)."""
    latent_dim: int = 1024
    """Channels of a latent (D)."""
    cross_order: Order = (0, 1, 1, 1, 1, 1, 1, 1)
    """Which distinct cross-attend reads the input at each step; none: no reading there."""
    block_order: Order = (0, 0, 0, 0, 0, 0, 0, 0)
    """Which distinct block of self-attends follows at each step; none: no block there."""
    num_layers_per_block: int = 6
    """Self-attends in a block."""
    num_cross_heads: int = 1
    """Heads of a cross-attend."""
    num_self_heads: int = 8
    """Heads of a self-attend."""
    qk_dim: int | None = None
    """Width of cross-attend queries and keys over all heads; none: min(D, C)."""
    v_dim: int | None = None
    """Width of cross-attend values over all heads; none: qk_dim."""
    widening_factor: int = 1
    """Hidden width of each feed-forward over D."""
    latent_std: float = 0.02
    """Spread of the initial latents."""
    final_norm: bool = False
    """LayerNorm before the average over latents (the paper has none)."""


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration dataclass as plain JSON-able data."""
    return dataclasses.asdict(config)


def from_dict(cls: type[T], data: dict[str, Any], where: str = "configuration") -> T:
    """A configuration dataclass from what `to_dict` gave (or JSON of it).

    Raises:
        ValueError: a name that the dataclass does not have.
    """
    hints = typing.get_type_hints(cls)
    values = {}
    for name, value in data.items():
        if name not in hints:
            raise unknown(f"field of {where}", name, hints)
        if dataclasses.is_dataclass(hints[name]):
            value = from_dict(hints[name], value, f"{where}.{name}")
        elif isinstance(value, list):
            value = tuple(value)
        values[name] = value
    return cls(**values)
