"""Perceivers: attention models that read any input through a small latent array.

The names below are imported on first use, so that `import perceivers` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoint import load, save
    from .core import Inputs, Perceiver
    from .models.build import create
    from .models.presets import list_presets
    from .predict import Predictor

__version__ = "0.1.0"

_HOME = {
    "Inputs": "core",
    "Perceiver": "core",
    "Predictor": "predict",
    "create": "models.build",
    "list_presets": "models.presets",
    "load": "checkpoint",
    "save": "checkpoint",
}

_ROOMS = ("explain", "interop")

__all__ = [
    "Inputs",
    "Perceiver",
    "Predictor",
    "create",
    "explain",
    "interop",
    "list_presets",
    "load",
    "save",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module 'perceivers' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
