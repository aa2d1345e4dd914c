"""Perceivers: attention models that read any input through a small latent array.

The names below are imported on first use, so that `import perceivers` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import explain, interop
    from .api import TrainedRun, train
    from .checkpoint import load, save
    from .core import (
        AxialPosition,
        Decoder,
        FourierPosition,
        Inputs,
        LayerOptions,
        LearnedPosition,
        LearnedQueries,
        Perceiver,
        PerceiverAR,
        PerceiverIO,
        Queries,
        Resampler,
        fourier_features,
        grid,
    )
    from .modalities.adapter import Adapter
    from .models.build import build, create
    from .models.config import ModelConfig
    from .models.presets import list_presets
    from .predict import Predictor
    from .publishing import from_pretrained, push_to_hub
    from .reading import Limits
    from .recipes import get_recipe
    from .training.recipe import Recipe

__version__ = "0.1.0"

_MODULES = {
    "Adapter": "modalities.adapter",
    "AxialPosition": "core",
    "Decoder": "core",
    "FourierPosition": "core",
    "Inputs": "core",
    "LayerOptions": "core",
    "LearnedPosition": "core",
    "LearnedQueries": "core",
    "Limits": "reading",
    "ModelConfig": "models.config",
    "Perceiver": "core",
    "PerceiverAR": "core",
    "PerceiverIO": "core",
    "Predictor": "predict",
    "Queries": "core",
    "Recipe": "training.recipe",
    "Resampler": "core",
    "TrainedRun": "api",
    "build": "models.build",
    "create": "models.build",
    "fourier_features": "core",
    "from_pretrained": "publishing",
    "get_recipe": "recipes",
    "grid": "core",
    "list_presets": "models.presets",
    "load": "checkpoint",
    "push_to_hub": "publishing",
    "save": "checkpoint",
    "train": "api",
}

_PACKAGES = ("explain", "interop")

__all__ = [
    "Adapter",
    "AxialPosition",
    "Decoder",
    "FourierPosition",
    "Inputs",
    "LayerOptions",
    "LearnedPosition",
    "LearnedQueries",
    "Limits",
    "ModelConfig",
    "Perceiver",
    "PerceiverAR",
    "PerceiverIO",
    "Predictor",
    "Queries",
    "Recipe",
    "Resampler",
    "TrainedRun",
    "build",
    "create",
    "explain",
    "fourier_features",
    "from_pretrained",
    "get_recipe",
    "grid",
    "interop",
    "list_presets",
    "load",
    "push_to_hub",
    "save",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _MODULES:
        raise AttributeError(f"module 'perceivers' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
