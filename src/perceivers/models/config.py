"""What a model is, as plain data: saved with every model, overridable by name. Imports no torch."""

import dataclasses
import typing
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

from ..data.config import Task
from ..errors import unknown
from ..modalities import ImageConfig, InputConfig

Order = tuple[int | None, ...]
# Files of the first versions name no kind: all inputs were images.
DEFAULTS: dict[Any, Any] = {InputConfig: ImageConfig}
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A Perceiver that classifies or predicts numbers: adapter, latents, order of its parts, head.

    What was saved before there were tasks is read as classification.
    """

    kind: ClassVar[str] = "perceiver"

    num_classes: int = 1000
    """Width of the output: classes, labels, or numbers to predict."""
    task: Task = "classification"
    """What the output is: logits of one class or of each label, or numbers in their units."""
    input: InputConfig = field(default_factory=ImageConfig)
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
    self_qk_dim: int | None = None
    """Width of self-attend queries and keys over all heads; none: D."""
    self_v_dim: int | None = None
    """Width of self-attend values over all heads; none: self_qk_dim."""
    qkv_bias: bool = True
    """Biases of queries, keys and values."""
    attention: Literal["content", "position", "both"] = "both"
    """The term of the attention logits that counts in cross-attends."""
    attention_dropout: float = 0.0
    """Share of attention weights dropped in training (the papers: 0)."""
    widening_factor: int = 1
    """Hidden width of each feed-forward over D."""
    activation: Literal["gelu", "geglu"] = "gelu"
    """Of each feed-forward; geglu is gated, with a first linear twice as wide."""
    dropout: float = 0.0
    """Share of each feed-forward's outputs dropped in training (the papers: 0)."""
    latent_std: float = 0.02
    """Spread of the initial latents."""
    final_norm: bool = False
    """LayerNorm before the average over latents (the paper has none)."""
    pooled_norm: bool = False
    """LayerNorm after the average over latents (perceiver-pytorch)."""


@dataclass(frozen=True, kw_only=True)
class KerasExampleConfig(ModelConfig):
    """The Keras example's own Perceiver; see `perceivers.models.keras_example.KerasExample`."""

    kind: ClassVar[str] = "keras-example"

    num_classes: int = 100
    """Width of the output: classes, labels, or numbers to predict."""
    input: InputConfig = field(
        default_factory=lambda: ImageConfig(
            image_size=64,
            patch_size=2,
            projection_dim=256,
            position="learned",
            position_dim=256,
            fusion="add",
        )
    )
    """The input adapter."""
    num_latents: int = 256
    """Rows of the latent array (N)."""
    latent_dim: int = 256
    """Channels of a latent (D)."""
    cross_order: Order = (0, 0)
    """Which distinct cross-attend reads the input at each step; none: no reading there."""
    block_order: Order = (0, 0)
    """Which distinct block of self-attends follows at each step; none: no block there."""
    num_layers_per_block: int = 4
    """Self-attends in a block."""
    self_qk_dim: int | None = 2048
    """Width of self-attend queries and keys over all heads; none: D."""
    attention_dropout: float = 0.1
    """Share of attention weights dropped in training."""
    dropout: float = 0.2
    """Share of each feed-forward's outputs, and of the logits, dropped in training."""
    latent_std: float = 0.05
    """Spread of the initial latents."""
    head_dim: int = 256
    """Width of the head's hidden layer."""


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration dataclass as plain JSON-able data; one of several kinds says which it is."""
    data = {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}
    return {"kind": config.kind, **data} if hasattr(config, "kind") else data


def from_dict(cls: type[T], data: dict[str, Any], where: str = "configuration") -> T:
    """A configuration dataclass from what `to_dict` gave (or JSON of it).

    Raises:
        ValueError: a name that the dataclass does not have.
    """
    cls = _of_kind(cls, data, where)
    hints = typing.get_type_hints(cls)
    fields = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    values = {}
    for name, value in data.items():
        if name == "kind" and hasattr(cls, "kind"):
            continue
        if name not in fields:
            raise unknown(f"field of {where}", name, fields)
        if dataclasses.is_dataclass(hints[name]):
            value = from_dict(hints[name], value, f"{where}.{name}")
        elif _of_configs(hints[name]):
            of = typing.get_args(hints[name])[1]
            value = {key: from_dict(of, v, f"{where}.{name}.{key}") for key, v in value.items()}
        elif isinstance(value, list):
            value = tuple(value)
        values[name] = value
    return cls(**values)


def with_changes(config: Any, changes: dict[str, Any], where: str) -> Any:
    """A configuration with fields replaced; those of a configuration within it by a dictionary.

    Raises:
        ValueError: a name that the configuration does not have.
    """
    by_name = isinstance(config, dict)  # configurations by name, such as the parts of a fusion
    fields = config if by_name else vars(config)
    values = {}
    for name, value in changes.items():
        if name not in fields:
            raise unknown(f"field of {where}", name, fields)
        if isinstance(value, dict) and _has_fields(fields[name]):
            value = with_changes(fields[name], value, f"{where}.{name}")
        values[name] = value
    return {**fields, **values} if by_name else dataclasses.replace(config, **values)


def _of_configs(hint: Any) -> bool:
    """Whether a field holds configurations by name."""
    arguments = typing.get_args(hint)
    return typing.get_origin(hint) is dict and dataclasses.is_dataclass(arguments[1])


def _has_fields(value: Any) -> bool:
    """Whether a value is a configuration, or several by name."""
    values = value.values() if isinstance(value, dict) else [value]
    return any(dataclasses.is_dataclass(item) for item in values)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return to_dict(value) if dataclasses.is_dataclass(value) else value


def _of_kind(cls: Any, data: dict[str, Any], where: str) -> Any:
    """Return the subclass that the data names as its kind."""
    kinds = {c.kind: c for c in _with_subclasses(cls) if hasattr(c, "kind")}
    if not kinds:
        return cls
    kind = data.get("kind", DEFAULTS.get(cls, cls).kind)
    if kind not in kinds:
        raise unknown(f"kind of {where}", str(kind), kinds)
    return kinds[kind]


def _with_subclasses(cls: Any) -> list[Any]:
    """A class, then all that derive from it, each before the next of its level."""
    return [cls, *(below for sub in cls.__subclasses__() for below in _with_subclasses(sub))]
