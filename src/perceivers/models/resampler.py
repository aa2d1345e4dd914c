"""A `Resampler` as plain data, and back."""

import inspect
import typing
from typing import Any

from ..core import Resampler
from ..errors import unknown
from .plain import checked


def build_resampler(options: Any) -> Resampler:
    """Build a freshly initialised resampler from its saved options.

    Args:
        options: `Resampler.options`, as JSON gives them.

    Raises:
        ValueError: an option is unknown, of another type or out of range; the message names it.
    """
    if not isinstance(options, dict):
        raise ValueError("resampler is no object; expected the options of a Resampler by name")
    hints = typing.get_type_hints(Resampler.__init__)
    known = [name for name in inspect.signature(Resampler).parameters if name in hints]
    for name in options:
        if name not in known:
            raise unknown("option of a resampler", name, known)
    if "input_dim" not in options:
        raise ValueError("resampler.input_dim is missing")
    typed = {
        name: checked(hints[name], value, f"resampler.{name}") for name, value in options.items()
    }
    return Resampler(**typed)
