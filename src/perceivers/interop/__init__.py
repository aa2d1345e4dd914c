"""Conversion of weights from other libraries and back.

Each function is imported on first use, because each needs other optional packages.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .files import Converted, convert
    from .keras import from_keras, to_keras
    from .perceiver_pytorch import from_perceiver_pytorch, to_perceiver_pytorch
    from .positions import minicpm_positions
    from .resampler import from_resampler, to_resampler
    from .transformers import from_transformers, to_transformers

_MODULES = {  # name → the module that defines it
    "Converted": "files",
    "convert": "files",
    "from_keras": "keras",
    "from_perceiver_pytorch": "perceiver_pytorch",
    "from_resampler": "resampler",
    "from_transformers": "transformers",
    "minicpm_positions": "positions",
    "to_keras": "keras",
    "to_perceiver_pytorch": "perceiver_pytorch",
    "to_resampler": "resampler",
    "to_transformers": "transformers",
}

__all__ = [
    "Converted",
    "convert",
    "from_keras",
    "from_perceiver_pytorch",
    "from_resampler",
    "from_transformers",
    "minicpm_positions",
    "to_keras",
    "to_perceiver_pytorch",
    "to_resampler",
    "to_transformers",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'perceivers.interop' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
