"""Constructor arguments of perceiver-pytorch's `Perceiver` and the equivalent configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

from torch import nn

from ..errors import unknown
from ..modalities import ArrayConfig, ImageConfig, InputConfig
from ..models.config import ModelConfig

# Options of the library that the architecture of this package does not have.
REFUSED = {
    "inverted_cross_attn": "attention normalised over the latents",
    "attn_residual": "residuals chosen by attention over the layers before",
    "queries_contribute_kv": "latents among the keys and values of a cross-attend",
}
COMMON_SHAPES = {1: (1024,), 2: (224, 224), 3: (16, 224, 224)}


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the library's constructor, with its names and defaults (0.11)."""

    num_freq_bands: int
    depth: int
    max_freq: float
    input_channels: int = 3
    input_axis: int = 2
    num_latents: int = 512
    latent_dim: int = 512
    cross_heads: int = 1
    latent_heads: int = 8
    cross_dim_head: int = 64
    latent_dim_head: int = 64
    num_classes: int = 1000
    attn_dropout: float = 0.0
    ff_dropout: float = 0.0
    weight_tie_layers: bool = False
    fourier_encode_data: bool = True
    self_per_cross_attn: int = 1

    def __str__(self) -> str:
        return ", ".join(f"{f.name}={getattr(self, f.name)}" for f in fields(self))

    @property
    def order(self) -> tuple[int, ...]:
        """Index of the distinct layer that is applied at each step."""
        return tuple(min(i, 1) if self.weight_tie_layers else i for i in range(self.depth))


def arguments_of(module: nn.Module) -> Arguments:
    """Return the constructor arguments of a live module, of any version of the library.

    Args:
        module: a `perceiver_pytorch.Perceiver`.

    Raises:
        ValueError: it is of another class, or has an option that this package does not have.
    """
    kind = type(module)
    if kind.__name__ != "Perceiver" or not hasattr(module, "num_freq_bands"):
        raise ValueError(
            f"got {kind.__module__}.{kind.__qualname__}; expected a perceiver_pytorch.Perceiver"
        )
    known: Any = module
    layers = [_parts(layer) for layer in known.layers]
    cross, cross_ff, self_attns = layers[0]
    options = {
        "inverted_cross_attn": any(getattr(known, "inverted_cross_attn", ())),
        "attn_residual": getattr(known, "has_attn_residual", False),
        "queries_contribute_kv": getattr(cross.fn, "queries_contribute_kv", False),
        "final_classifier_head": not isinstance(known.to_logits, nn.Identity),
    }
    _refuse(options)
    axes, bands = known.input_axis, known.num_freq_bands
    positions = axes * (2 * bands + 1) if known.fourier_encode_data else 0
    heads = self_attns[0][0].fn if len(self_attns) else cross.fn
    return Arguments(
        num_freq_bands=bands,
        depth=len(layers),
        max_freq=known.max_freq,
        input_channels=cross.norm_context.normalized_shape[0] - positions,
        input_axis=axes,
        num_latents=known.latents.shape[0],
        latent_dim=known.latents.shape[1],
        cross_heads=cross.fn.heads,
        latent_heads=heads.heads,
        cross_dim_head=cross.fn.to_q.out_features // cross.fn.heads,
        latent_dim_head=heads.to_q.out_features // heads.heads,
        num_classes=known.to_logits[-1].out_features,
        attn_dropout=cross.fn.dropout.p,
        ff_dropout=cross_ff.fn.net[-1].p,
        weight_tie_layers=any(a[0] is b[0] for a, b in pairwise(layers)),
        fourier_encode_data=known.fourier_encode_data,
        self_per_cross_attn=len(self_attns),
    )


def read_arguments(arguments: Mapping[str, Any]) -> Arguments:
    """Check constructor arguments that a user gives and fill in the library's defaults.

    Args:
        arguments: arguments by name.

    Raises:
        ValueError: arguments are missing or unknown, or this package does not have an option.
    """
    known = {f.name for f in fields(Arguments)}
    rest = {name: value for name, value in arguments.items() if name not in known}
    _refuse(rest)
    for name in rest:
        if name not in (*REFUSED, "attn_residual_rank", "final_classifier_head"):
            raise unknown("argument of perceiver_pytorch.Perceiver", name, known)
    missing = [n for n in ("num_freq_bands", "depth", "max_freq") if n not in arguments]
    if missing:
        raise ValueError(
            f"missing arguments {', '.join(missing)}, which a state dict does not contain; give "
            "the arguments that perceiver_pytorch.Perceiver was called with: num_freq_bands=6, "
            "depth=6, max_freq=10, …"
        )
    return Arguments(**{name: value for name, value in arguments.items() if name in known})


def config_of(call: Arguments, input_shape: Sequence[int] | None = None) -> ModelConfig:
    """Return the configuration of the library's architecture.

    Args:
        call: constructor arguments.
        input_shape: number of cells along each axis. None: a common shape.

    Raises:
        ValueError: `input_shape` has another number of axes than `input_axis`.
    """
    shape = tuple(input_shape or COMMON_SHAPES.get(call.input_axis, (16,) * call.input_axis))
    if len(shape) != call.input_axis:
        raise ValueError(f"input_shape={shape}; expected {call.input_axis} axes (input_axis)")
    position: Any = "fourier" if call.fourier_encode_data else "none"
    bands = call.num_freq_bands
    adapter: InputConfig
    if len(shape) == 2 and shape[0] == shape[1]:
        adapter = ImageConfig(
            image_size=shape[0],
            channels=call.input_channels,
            position=position,
            num_bands=bands,
            max_resolution=float(call.max_freq),
        )
    else:
        adapter = ArrayConfig(
            shape=shape,
            channels=call.input_channels,
            position=position,
            num_bands=bands,
            max_resolution=(float(call.max_freq),) * len(shape),
        )
    return ModelConfig(
        num_classes=call.num_classes,
        input=adapter,
        num_latents=call.num_latents,
        latent_dim=call.latent_dim,
        cross_order=call.order,
        block_order=call.order,
        num_layers_per_block=call.self_per_cross_attn,
        num_cross_heads=call.cross_heads,
        num_self_heads=call.latent_heads,
        qk_dim=call.cross_heads * call.cross_dim_head,
        self_qk_dim=call.latent_heads * call.latent_dim_head,
        qkv_bias=False,
        attention_dropout=call.attn_dropout,
        widening_factor=4,
        activation="geglu",
        dropout=call.ff_dropout,
        latent_std=1.0,
        pooled_norm=True,
    )


def call_of(config: ModelConfig) -> Arguments:
    """Return the constructor arguments for the library's module of a configuration.

    Args:
        config: configuration of a model of this package.

    Raises:
        ValueError: the library has no such model; the message names every differing field.
    """
    adapter = config.input
    if not isinstance(adapter, ImageConfig | ArrayConfig):
        raise ValueError(f"perceiver-pytorch has no input of kind {getattr(adapter, 'kind', '?')}")
    shape = (adapter.image_size,) * 2 if isinstance(adapter, ImageConfig) else adapter.shape
    resolution = adapter.max_resolution or shape
    resolutions = resolution if isinstance(resolution, tuple) else (resolution,) * len(shape)
    call = Arguments(
        num_freq_bands=adapter.num_bands,
        depth=len(config.cross_order),
        max_freq=float(resolutions[0]),
        input_channels=adapter.channels,
        input_axis=len(shape),
        num_latents=config.num_latents,
        latent_dim=config.latent_dim,
        cross_heads=config.num_cross_heads,
        latent_heads=config.num_self_heads,
        cross_dim_head=(config.qk_dim or 0) // config.num_cross_heads,
        latent_dim_head=(config.self_qk_dim or config.latent_dim) // config.num_self_heads,
        num_classes=config.num_classes,
        attn_dropout=config.attention_dropout,
        ff_dropout=config.dropout,
        weight_tie_layers=len(set(config.cross_order)) < len(config.cross_order),
        fourier_encode_data=adapter.position != "none",
        self_per_cross_attn=config.num_layers_per_block,
    )
    differences = _differences(_explicit(config), config_of(call, shape))
    if differences:
        raise ValueError(f"perceiver-pytorch has no such model: {'; '.join(differences)}")
    return call


def _explicit(config: ModelConfig) -> ModelConfig:
    """Return the configuration as `config_of` gives it: defaults resolved, unused fields reset."""
    adapter = config.input
    assert isinstance(adapter, ImageConfig | ArrayConfig)
    resolution: Any = adapter.max_resolution
    if resolution is None and isinstance(adapter, ArrayConfig):
        resolution = tuple(float(size) for size in adapter.shape)
    elif resolution is None and isinstance(adapter, ImageConfig):
        resolution = float(adapter.image_size)
    self_qk_dim = config.self_qk_dim or config.latent_dim
    return replace(
        config,
        input=replace(adapter, max_resolution=resolution, position_dim=ImageConfig.position_dim),
        v_dim=None if config.v_dim == config.qk_dim else config.v_dim,
        self_qk_dim=self_qk_dim,
        self_v_dim=None if config.self_v_dim == self_qk_dim else config.self_v_dim,
        latent_std=1.0,
    )


def _differences(ours: Any, theirs: Any, prefix: str = "") -> list[str]:
    """Return "name=ours (expected theirs)" for each field that differs."""
    differences = []
    for f in fields(theirs):
        value, expected = getattr(ours, f.name), getattr(theirs, f.name)
        if isinstance(expected, InputConfig):
            differences += _differences(value, expected, f"{f.name}.")
        elif value != expected:
            differences.append(f"{prefix}{f.name}={value} (expected {expected})")
    return differences


def _refuse(options: Mapping[str, Any]) -> None:
    """Raise a ValueError if an option is on that this package does not have."""
    for name, meaning in REFUSED.items():
        value = options.get(name, False)
        if any(value) if isinstance(value, Sequence) else value:
            raise ValueError(
                f"{name}={value} ({meaning}); expected False: this package has no such option"
            )
    if not options.get("final_classifier_head", True):
        raise ValueError("final_classifier_head=False; expected a module with a classifier head")


def _parts(layer: Any) -> tuple[Any, Any, Any]:
    """Return cross-attend, feed-forward and self-attends of a layer, of 0.11 or before."""
    if isinstance(layer, nn.ModuleList):
        return layer[0], layer[1], layer[2]
    return layer.cross_attn, layer.cross_ff, layer.self_attns
