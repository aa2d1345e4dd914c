"""Conversion of configurations to plain data and back, with checks. Imports no torch."""

import dataclasses
import math
import numbers
import types
import typing
from typing import Any, Literal, TypeVar

from ..errors import unknown
from ..modalities.config import Range

WHOLE = Range(0, 2**31 - 1)  # of numbers without a range of their own; negative sizes are damage
REAL = Range(0, 1e30)
# Class of the configurations in files that name no kind, by the base class.
DEFAULTS: dict[Any, Any] = {}
T = TypeVar("T")


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
    hints = hints_of(cls)
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
        ValueError: the configuration has no field of this name, or the field cannot have this
            value; see `checked`.
    """
    by_name = isinstance(config, dict)  # a dictionary of configurations, as the parts of a fusion
    fields = config if by_name else vars(config)
    values = {}
    for name, value in changes.items():
        if name not in fields:
            raise unknown(f"field of {where}", name, fields)
        if isinstance(value, dict) and _is_config(fields[name]):
            value = with_changes(fields[name], value, f"{where}.{name}")
        elif not by_name:
            value = _checked_field(config, name, value, f"{where}.{name}")
        values[name] = value
    return {**fields, **values} if by_name else dataclasses.replace(config, **values)


def with_value(config: Any, path: str, value: Any) -> Any:
    """Return a configuration with the value of an option replaced.

    Args:
        config: the configuration.
        path: path of the field, such as "model.num_latents".
        value: the new value.

    Raises:
        ValueError: the field cannot have this value; the message names the option `--path`.
    """
    return _with_value(config, path.split("."), value, f"--{path}")


def _with_value(config: Any, path: list[str], value: Any, where: str) -> Any:
    name, *rest = path
    is_dict = isinstance(config, dict)
    if rest:
        value = _with_value(config[name] if is_dict else getattr(config, name), rest, value, where)
    else:
        value = _checked_field(config, name, value, where)
    return {**config, name: value} if is_dict else dataclasses.replace(config, **{name: value})


def check(config: T, where: str) -> T:
    """Check all values of a configuration that was made in Python, as if it were read from a file.

    Args:
        config: the configuration.
        where: name of the configuration in error messages, such as "model".

    Returns:
        The configuration with plain numbers in place of NumPy's, and tuples in place of lists.

    Raises:
        ValueError: a field has a value that a saved configuration cannot have; see `checked`.
    """
    return dataclasses.replace(
        config,  # type: ignore[type-var]
        **{
            field.name: _checked_field(
                config, field.name, getattr(config, field.name), f"{where}.{field.name}"
            )
            for field in dataclasses.fields(config)  # type: ignore[arg-type]
        },
    )


def _checked_field(config: Any, name: str, value: Any, where: str) -> Any:
    """Return the value of a field of a configuration, checked with all that is within it."""
    hint = hints_of(type(config))[name]
    if dataclasses.is_dataclass(hint):
        return _checked_config(hint, value, where)
    if _holds_configs_by_name(hint):
        if not isinstance(value, dict):
            raise _unexpected(value, "a dictionary of configurations", where)
        item = typing.get_args(hint)[1]
        return {key: _checked_config(item, each, f"{where}.{key}") for key, each in value.items()}
    return checked(hint, value, where)


def _checked_config(hint: Any, value: Any, where: str) -> Any:
    if not isinstance(value, hint):
        raise _unexpected(value, f"an instance of {hint.__name__}", where)
    return check(value, where)


def hints_of(cls: Any) -> dict[str, Any]:
    """Return the types of the fields of a configuration, with their ranges."""
    return typing.get_type_hints(cls, include_extras=True)


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
    kind = data.get("kind", getattr(DEFAULTS.get(cls, cls), "kind", None))
    if kind not in kinds:
        raise unknown(f"kind of {where}", str(kind), kinds)
    return kinds[kind]


def _with_subclasses(cls: Any) -> list[Any]:
    """Return a class and all its subclasses, depth first."""
    subclasses = [c for child in cls.__subclasses__() for c in _with_subclasses(child)]
    return [cls, *subclasses]


def checked(hint: Any, value: Any, where: str) -> Any:
    """Return a value of JSON or of Python as a value of a type, with tuples in place of lists.

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
        whole = hint is int
        kind, what = (numbers.Integral, "a whole number") if whole else (numbers.Real, "a number")
        limits = limits or (WHOLE if whole else REAL)
        sound = isinstance(value, kind) and not isinstance(value, bool) and not _is_nan(value)
        if not sound or not limits.low <= value <= limits.high:
            high = limits.high
            usual = high in (WHOLE.high, REAL.high) and not (sound and value > high)
            most = "" if usual else f" and at most {high:{',' if high == WHOLE.high else 'g'}}"
            raise _unexpected(value, f"{what} of at least {limits.low:g}{most}", where)
        if not isinstance(value, int | float):  # of NumPy
            return int(value) if whole else float(value)
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
