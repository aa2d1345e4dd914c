"""Start a model from the weights of another: fine-tuning."""

import dataclasses
import typing
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..errors import listed
from ..modalities import InputConfig, RowsConfig, SeriesConfig, build_adapter, modality_of
from .base import PerceiverModel
from .config import EncoderConfig, ModelConfig, PerceiverARConfig

MAX_NAMED = 6  # weights that a line names
TRUNK = ("perceiver.blocks.", "perceiver.layers.", "perceiver.latents")
HEAD = ("head.", "target_scale.", "decoder.output.", "output.")  # weights of the outputs
OUTPUTS = frozenset({"num_classes", "task", "output"})  # fields that the data decides

Config = TypeVar("Config", bound=EncoderConfig)
Input = TypeVar("Input", bound=InputConfig)


def architecture_of(source: EncoderConfig, config: Config, name: str) -> Config:
    """Return the configuration of a model that can take all weights of another but the head's.

    The input is that of the source, because its weights were learned for it. Where the data
    decides what is read, the columns of a table, it is that of `config`.

    Args:
        source: configuration of the model whose weights are to be taken.
        config: configuration for the new data.
        name: name of the source in messages.

    Raises:
        ValueError: the source reads another modality.
    """
    ours, theirs = config.input, source.input
    if modality_of(ours) is not modality_of(theirs) or (
        isinstance(ours, RowsConfig) != isinstance(theirs, RowsConfig)
    ):
        raise ValueError(
            f"{name} reads inputs of kind {theirs.kind!r}, and the data has inputs of kind "
            f"{ours.kind!r}; start from a model that was trained on the same kind"
        )
    if isinstance(source, PerceiverARConfig) != isinstance(config, PerceiverARConfig):
        which = f"{name} is" if isinstance(source, PerceiverARConfig) else "the training is of"
        raise ValueError(
            f"{which} a Perceiver AR, which has weights of its own that no other kind of model "
            "shares; start from a model of the same kind"
        )
    if isinstance(ours, SeriesConfig) and isinstance(theirs, SeriesConfig):
        theirs = dataclasses.replace(theirs, horizon=ours.horizon)  # the task decides it
    if not isinstance(ours, RowsConfig):
        with torch.device("meta"):
            ours = _with_frequencies(theirs, build_adapter(theirs))
    outputs = OUTPUTS.intersection(f.name for f in dataclasses.fields(config))
    given = {name: getattr(config, name) for name in outputs}
    if all(isinstance(x, ModelConfig) for x in (source, config)) or type(source) is type(config):
        return dataclasses.replace(source, input=ours, **given)  # type: ignore[return-value]
    # What the source does with its latents is not taken.
    encoder = {f.name: getattr(source, f.name) for f in dataclasses.fields(EncoderConfig)}
    encoder["input"] = ours
    kind = ModelConfig if isinstance(config, ModelConfig) else type(config)
    return kind(**encoder, **given)  # type: ignore[return-value]


def take_weights(
    model: PerceiverModel, source: PerceiverModel, name: str, needed: Collection[str] = ()
) -> list[str]:
    """Copy the weights of another model wherever they fit, in place.

    The weights of inputs are those that `Adapter.weights_from` finds: learned positions of another
    grid are interpolated. The head is copied if both models have the same outputs.

    Args:
        model: model that is changed.
        source: model whose weights are taken.
        name: name of the source in messages.
        needed: names of weights that must be taken, because they will not be trained.

    Returns:
        Lines that say what was taken and what keeps its initial values.

    Raises:
        ValueError: the latents are of another width, so that hardly any weight fits; or a needed
            weight does not fit.
    """
    ours, theirs = model.state_dict(), source.state_dict()
    adapter = source.adapter.state_dict()
    if model.config.input != source.config.input:
        adapter = model.adapter.weights_from(source.adapter)
    taken = {f"adapter.{key}": weight for key, weight in adapter.items()}
    keep_head = same_outputs(model, source)
    for key, weight in theirs.items():
        fits = key in ours and ours[key].shape == weight.shape
        if fits and not key.startswith("adapter.") and (keep_head or not key.startswith(HEAD)):
            taken[key] = weight
    if not any(key.startswith(TRUNK) for key in taken):
        raise ValueError(
            f"the latents of {name} have {source.config.latent_dim} channels, those of this model "
            f"{model.config.latent_dim}, so that its weights do not fit; build the model with the "
            f"options of {name}: latent_dim={source.config.latent_dim}, …"
        )
    if random := [key for key in needed if key not in taken]:
        raise ValueError(
            f"{name} has no weights for {_few(random)} of this model, which would stay random; "
            "train them: leave --trainer.freeze out"
        )
    model.load_state_dict({**ours, **taken})
    return list(_lines(ours, theirs, taken, name))


def same_outputs(model: PerceiverModel, source: PerceiverModel) -> bool:
    """Return whether two models have the same outputs in the same order, and in the same units.

    Numbers have not: they are scaled by the data of each training.
    """
    tasks = {getattr(x.config, "task", x.config.kind) for x in (model, source)}
    return len(tasks) == 1 and "regression" not in tasks and model.labels == source.labels


def _lines(
    ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], taken: Mapping[str, Tensor], name: str
) -> Iterator[str]:
    """Say what was taken, interpolated and left."""
    count, total = (
        sum(x[key].numel() for key in keys) for x, keys in ((ours, taken), (ours, ours))
    )
    yield f"starts from {name}: {count:,} of {total:,} weights"
    resized = [k for k in taken if k in theirs and taken[k].shape != theirs[k].shape]
    if resized:
        yield f"of another size, so that they were interpolated or cut: {_few(resized)}"
    if new := [key for key in ours if key not in taken]:
        yield f"not taken, so that they start anew: {_few(new)}"


def _few(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return listed(names[:MAX_NAMED]) + more


def _with_frequencies(config: Input, adapter: Any) -> Input:
    """Return an input configuration that keeps its Fourier frequencies when its size changes."""
    if parts := getattr(config, "parts", None):
        fixed = {name: _with_frequencies(part, adapter.parts[name]) for name, part in parts.items()}
        return dataclasses.replace(config, parts=fixed)  # type: ignore[call-arg]
    resolution = getattr(getattr(adapter, "position", None), "max_resolution", None)
    if resolution is None or getattr(config, "max_resolution", 0) is not None:
        return config
    one = typing.get_type_hints(type(config))["max_resolution"] == float | None
    value = resolution[0] if one else resolution
    return dataclasses.replace(config, max_resolution=value)  # type: ignore[call-arg]
