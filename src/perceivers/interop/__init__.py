"""Weights from other libraries, and back. Imported on first use: each brings its own packages."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .files import Converted, convert
    from .keras import from_keras, to_keras
    from .perceiver_pytorch import from_perceiver_pytorch, to_perceiver_pytorch

_HOME = {
    "Converted": "files",
    "convert": "files",
    "from_keras": "keras",
    "from_perceiver_pytorch": "perceiver_pytorch",
    "to_keras": "keras",
    "to_perceiver_pytorch": "perceiver_pytorch",
}

__all__ = [
    "Converted",
    "convert",
    "from_keras",
    "from_perceiver_pytorch",
    "to_keras",
    "to_perceiver_pytorch",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'perceivers.interop' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
