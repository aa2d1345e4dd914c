"""Check values read from JSON by the types of a configuration's fields. Imports no torch."""

import math
import types
import typing
from typing import Any, Literal

from ..modalities.config import Range

WHOLE = Range(0, 2**31 - 1)  # of numbers without a range of their own; negative sizes are damage
REAL = Range(0, 1e30)


def checked(hint: Any, value: Any, where: str) -> Any:
    """Return a value of JSON as a value of a type, with tuples in place of lists.

    Args:
        hint: the type of the field: a plain one, `Literal`, `Annotated` with a `Range`, a union
            with None, a tuple of any length, or a dictionary with plain values.
        value: the value.
        where: name of the field in error messages, such as "model.num_latents".

    Raises:
        ValueError: the value is of another type, NaN, or out of range; the message names the field.
    """
    metadata = getattr(hint, "__metadata__", ())
    limits = next((item for item in metadata if isinstance(item, Range)), None)
    hint = hint.__origin__ if metadata else hint
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return checked(next(a for a in arguments if a is not type(None)), value, where)
    if origin is Literal:
        if not isinstance(value, str) or value not in arguments:
            raise _unexpected(value, f"one of {', '.join(arguments)}", where)
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise _unexpected(value, "a list", where)
        return tuple(checked(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _unexpected(value, "an object", where)
        return {
            name: checked(arguments[1], item, f"{where}.{name}") for name, item in value.items()
        }
    return _checked_plain(hint, value, where, limits)


def _checked_plain(hint: Any, value: Any, where: str, limits: Range | None) -> Any:
    if hint in (int, float):
        kinds, what = (int, "a whole number") if hint is int else (int | float, "a number")
        limits = limits or (WHOLE if hint is int else REAL)
        sound = isinstance(value, kinds) and not isinstance(value, bool) and not _is_nan(value)
        if not sound or not limits.low <= value <= limits.high:
            most = "" if limits in (WHOLE, REAL) else f" and at most {limits.high:g}"
            raise _unexpected(value, f"{what} of at least {limits.low:g}{most}", where)
    elif hint is bool and not isinstance(value, bool):
        raise _unexpected(value, "true or false", where)
    elif hint is str and not isinstance(value, str):
        raise _unexpected(value, "a text", where)
    return value


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _unexpected(value: Any, expected: str, where: str) -> ValueError:
    text = repr(value)
    return ValueError(
        f"{where} is {text if len(text) <= 60 else text[:60] + '…'}; expected {expected}"
    )
