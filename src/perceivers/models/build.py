"""From a configuration to a model, and back to it."""

from collections.abc import Callable
from typing import Any

import torch

from ..errors import unknown
from .classifier import PerceiverClassifier
from .config import KerasExampleConfig, ModelConfig, with_changes
from .keras_example import KerasExample
from .presets import PRESETS

MODELS: dict[type[ModelConfig], Callable[..., PerceiverClassifier]] = {
    ModelConfig: PerceiverClassifier,
    KerasExampleConfig: KerasExample,
}


def build(config: ModelConfig, labels: tuple[str, ...] | None = None) -> PerceiverClassifier:
    """A freshly initialised model of the class that the configuration's type asks for."""
    return MODELS[type(config)](config, labels)


def create(preset: str, **overrides: Any) -> PerceiverClassifier:
    """A freshly initialised model of a published configuration.

    Args:
        preset: a name of `list_presets()`.
        **overrides: fields of `ModelConfig` to change, such as `num_classes=10`; those of the input
            by a dictionary: `input={"image_size": 32}`, or of one of several modalities:
            `input={"parts": {"audio": {"num_bands": 16}}}`.

    Raises:
        ValueError: no such preset or field.
    """
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    return build(with_changes(PRESETS[preset](), overrides, "model"))


def build_on_meta(config: ModelConfig) -> PerceiverClassifier:
    """The model's shapes without its memory, for counting."""
    with torch.device("meta"):
        return build(config)
