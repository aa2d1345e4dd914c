"""Model configurations as plain data, saved with every model. Imports no torch."""

import dataclasses
import typing
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from ..data.config import Task
from ..errors import unknown
from ..modalities import ImageConfig, InputConfig
from ..modalities.config import Range
from .plain import checked

Layers = Annotated[int, Range(0, 1000)]  # layers are built one by one
Order = tuple[Layers | None, ...]
# Files saved by the first versions have no "kind": all their inputs were images.
DEFAULTS: dict[Any, Any] = {InputConfig: ImageConfig}
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A Perceiver with an input adapter and a head that classifies or predicts numbers.

    Models saved before there were tasks are loaded as classification.
    """

    kind: ClassVar[str] = "perceiver"

    num_classes: int = 1000
    """Number of outputs: classes, labels, or numbers to predict; training takes it from the
    data."""
    task: Task = "classification"
    """Type of the outputs: logits of exclusive classes (classification), logits of independent
    labels (multilabel), or numbers (regression); training takes it from the data."""
    input: InputConfig = field(default_factory=ImageConfig)
    """The input adapter."""
    num_latents: int = 512
    """Number of latents (N)."""
    latent_dim: int = 1024
    """Channels of each latent (D)."""
    cross_order: Order = (0, 1, 1, 1, 1, 1, 1, 1)
    """Index of the cross-attend applied at each step; a repeated index shares its weights; none:
    no cross-attend at this step. As long as block_order."""
    block_order: Order = (0, 0, 0, 0, 0, 0, 0, 0)
    """Index of the block of self-attends applied at each step, after the cross-attend; a repeated
    index shares its weights; none: no block at this step. As long as cross_order."""
    num_layers_per_block: Layers = 6
    """Number of self-attends in each block."""
    num_cross_heads: int = 1
    """Attention heads of each cross-attend."""
    num_self_heads: int = 8
    """Attention heads of each self-attend."""
    qk_dim: int | None = None
    """Total width of the queries and keys over all heads of a cross-attend; none: the smaller of
    latent_dim and the channels of an input element."""
    v_dim: int | None = None
    """Total width of the values over all heads of a cross-attend; none: the same as the queries."""
    self_qk_dim: int | None = None
    """Total width of the queries and keys over all heads of a self-attend; none: latent_dim."""
    self_v_dim: int | None = None
    """Total width of the values over all heads of a self-attend; none: the same as the queries."""
    qkv_bias: bool = True
    """Whether the linear maps to queries, keys and values have biases."""
    attention: Literal["content", "position", "both"] = "both"
    """Term of the attention logits that cross-attends use: the keys' content, their position, or
    the sum of both (the papers)."""
    attention_dropout: float = 0.0
    """Probability of dropping an attention weight in training (the papers: 0)."""
    widening_factor: int = 1
    """Hidden width of each feed-forward layer, as a multiple of latent_dim."""
    activation: Literal["gelu", "geglu"] = "gelu"
    """Activation of each feed-forward layer; geglu is gated: its first linear map is twice as
    wide."""
    dropout: float = 0.0
    """Probability of dropping an output of a feed-forward layer in training (the papers: 0)."""
    latent_std: float = 0.02
    """Standard deviation of the initial latents."""
    final_norm: bool = False
    """Whether a LayerNorm precedes the average over latents (the paper has none)."""
    pooled_norm: bool = False
    """Whether a LayerNorm follows the average over latents (perceiver-pytorch has one)."""


@dataclass(frozen=True, kw_only=True)
class KerasExampleConfig(ModelConfig):
    """The Perceiver of the Keras example; see `perceivers.models.keras_example.KerasExample`."""

    kind: ClassVar[str] = "keras-example"

    num_classes: int = 100
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
    num_latents: int = 256
    latent_dim: int = 256
    cross_order: Order = (0, 0)
    block_order: Order = (0, 0)
    num_layers_per_block: Layers = 4
    self_qk_dim: int | None = 2048
    attention_dropout: float = 0.1
    dropout: float = 0.2
    """Probability of dropping an output of a feed-forward layer, and a logit, in training."""
    latent_std: float = 0.05
    head_dim: int = 256
    """Width of the hidden layer of the head."""


def to_dict(config: Any) -> dict[str, Any]:
    """Convert a configuration dataclass to plain data that JSON can hold.

    A configuration that has a kind gets an additional entry "kind".
    """
    data = {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}
    return {"kind": config.kind, **data} if hasattr(config, "kind") else data


def from_dict(cls: type[T], data: dict[str, Any], where: str = "configuration") -> T:
    """Build a configuration dataclass from the result of `to_dict`, or from its JSON.

    Args:
        cls: class of the configuration, or the base class of its kind.
        data: the plain data.
        where: name of the configuration in error messages, such as "model".

    Raises:
        ValueError: the data has a field or a kind that the class does not have, or a value of
            another type or out of range. The message names the field.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{where} is a {type(data).__name__}; expected an object")
    cls = _of_kind(cls, data, where)
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    values = {}
    for name, value in data.items():
        if name == "kind" and hasattr(cls, "kind"):
            continue
        if name not in fields:
            raise unknown(f"field of {where}", name, fields)
        if dataclasses.is_dataclass(hints[name]):
            value = from_dict(hints[name], value, f"{where}.{name}")
        elif _holds_configs_by_name(hints[name]):
            item_cls = typing.get_args(hints[name])[1]
            if not isinstance(value, dict):
                raise ValueError(f"{where}.{name} is no object; expected one")
            value = {
                key: from_dict(item_cls, item, f"{where}.{name}.{key}")
                for key, item in value.items()
            }
        else:
            value = checked(hints[name], value, f"{where}.{name}")
        values[name] = value
    missing = [f.name for f in dataclasses.fields(cls) if _is_required(f) and f.name not in values]  # type: ignore[arg-type]
    if missing:
        raise ValueError(f"{where} has no {missing[0]}; expected one")
    return cls(**values)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING


def with_changes(config: Any, changes: dict[str, Any], where: str) -> Any:
    """Return a configuration with some of its fields replaced.

    Args:
        config: the configuration, or a dictionary of configurations.
        changes: new values by field name. A dictionary given for a field that is itself a
            configuration changes only the fields that it names.
        where: name of the configuration in error messages, such as "model".

    Raises:
        ValueError: the configuration has no field of this name.
    """
    by_name = isinstance(config, dict)  # a dictionary of configurations, as the parts of a fusion
    fields = config if by_name else vars(config)
    values = {}
    for name, value in changes.items():
        if name not in fields:
            raise unknown(f"field of {where}", name, fields)
        if isinstance(value, dict) and _is_config(fields[name]):
            value = with_changes(fields[name], value, f"{where}.{name}")
        values[name] = value
    return {**fields, **values} if by_name else dataclasses.replace(config, **values)


def _holds_configs_by_name(hint: Any) -> bool:
    """Return whether a field's type is a dictionary of configurations."""
    arguments = typing.get_args(hint)
    return typing.get_origin(hint) is dict and dataclasses.is_dataclass(arguments[1])


def _is_config(value: Any) -> bool:
    """Return whether a value is a configuration, or a dictionary of configurations."""
    values = value.values() if isinstance(value, dict) else [value]
    return any(dataclasses.is_dataclass(item) for item in values)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return to_dict(value) if dataclasses.is_dataclass(value) else value


def _of_kind(cls: Any, data: dict[str, Any], where: str) -> Any:
    """Return the subclass of the kind that the data names, or of the default kind."""
    kinds = {c.kind: c for c in _with_subclasses(cls) if hasattr(c, "kind")}
    if not kinds:
        return cls
    kind = data.get("kind", DEFAULTS.get(cls, cls).kind)
    if kind not in kinds:
        raise unknown(f"kind of {where}", str(kind), kinds)
    return kinds[kind]


def _with_subclasses(cls: Any) -> list[Any]:
    """Return a class and all its subclasses, depth first."""
    subclasses = [c for child in cls.__subclasses__() for c in _with_subclasses(child)]
    return [cls, *subclasses]
