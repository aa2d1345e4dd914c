"""Build models from configurations."""

import dataclasses
import logging
from collections.abc import Callable
from typing import Any, overload

import torch

from ..errors import unknown
from ..modalities import CustomConfig
from ..modalities.adapter import Adapter
from .base import PerceiverModel
from .classifier import PerceiverClassifier
from .config import (
    EncoderConfig,
    KerasExampleConfig,
    ModelConfig,
    PerceiverARConfig,
    PerceiverARForecastConfig,
    PerceiverIOClassifierConfig,
    PerceiverIOConfig,
    PerceiverVAEConfig,
    check,
    with_changes,
)
from .keras_example import KerasExample
from .perceiver_ar import PerceiverARModel
from .perceiver_ar_forecast import PerceiverARForecaster
from .perceiver_io import PerceiverIOClassifier, PerceiverIOModel
from .perceiver_vae import PerceiverVAE
from .presets import PRESETS
from .transfer import take_weights

log = logging.getLogger(__name__)

MODELS: dict[type[EncoderConfig], Callable[..., PerceiverModel]] = {
    ModelConfig: PerceiverClassifier,
    KerasExampleConfig: KerasExample,
    PerceiverIOClassifierConfig: PerceiverIOClassifier,
    PerceiverIOConfig: PerceiverIOModel,
    PerceiverVAEConfig: PerceiverVAE,
    PerceiverARConfig: PerceiverARModel,
    PerceiverARForecastConfig: PerceiverARForecaster,
}


@overload
def build(
    config: ModelConfig, labels: tuple[str, ...] | None = None, *, adapter: Adapter | None = None
) -> PerceiverClassifier: ...


@overload
def build(
    config: EncoderConfig, labels: tuple[str, ...] | None = None, *, adapter: Adapter | None = None
) -> PerceiverModel: ...


def build(
    config: EncoderConfig,
    labels: tuple[str, ...] | None = None,
    *,
    adapter: Adapter | None = None,
) -> PerceiverModel:
    """Build a freshly initialised model from its configuration.

    Args:
        config: the configuration; its type decides the class of the model.
        labels: names of the outputs in their order; None: 0, 1, ….
        adapter: an adapter of your own, which makes the inputs in place of the one that
            `config.input` describes. It is not saved: pass it to `load` again.

    Raises:
        ValueError: a setting that cannot be built; the message names it.
    """
    config = check(config, "model")
    if adapter is not None:
        inputs = CustomConfig(adapter=type(adapter).__name__)
        config = dataclasses.replace(config, input=inputs)
    return MODELS[type(config)](config, labels, adapter=adapter)


def create(
    preset: str,
    *,
    adapter: Adapter | None = None,
    init: PerceiverModel | None = None,
    **overrides: Any,
) -> PerceiverModel:
    """Create a model of a published configuration, freshly initialised unless `init` is given.

    Args:
        preset: a name from `list_presets()`.
        adapter: an adapter of your own; see `build`.
        init: a model, for example from `perceivers.load`, whose weights are copied wherever they
            fit; learned positions are interpolated. What was copied is logged.
        **overrides: fields of the preset's configuration to change, such as `num_classes=10` (0: no
            head, the model returns features). Fields of the input are given as a dictionary,
            `input={"image_size": 32}`, also those of one of several modalities,
            `input={"parts": {"audio": {"num_bands": 16}}}`.

    Raises:
        TypeError: the preset is no string.
        ValueError: there is no such preset or field, or no weight of `init` fits.
    """
    if not isinstance(preset, str):
        raise TypeError(
            f"create takes the name of a preset, got {type(preset).__name__}; "
            "perceivers.build(config) builds a configuration"
        )
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    model = build(with_changes(PRESETS[preset](), overrides, "model"), adapter=adapter)
    for line in take_weights(model, init, "init") if init is not None else ():
        log.info(line)
    return model


@overload
def build_on_meta(
    config: ModelConfig, labels: tuple[str, ...] | None = None
) -> PerceiverClassifier: ...


@overload
def build_on_meta(
    config: EncoderConfig, labels: tuple[str, ...] | None = None
) -> PerceiverModel: ...


def build_on_meta(config: EncoderConfig, labels: tuple[str, ...] | None = None) -> PerceiverModel:
    """Build a model on the meta device, as `build` does: shapes without memory, for counting."""
    with torch.device("meta"):
        return build(config, labels)
