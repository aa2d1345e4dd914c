"""Command-line options made from configuration dataclasses, typed and documented by them."""

import argparse
import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from ..errors import unknown
from .parser import Parser


def add_options(parser: argparse.ArgumentParser, config: Any) -> None:
    """One option a field, named by its path (`--model.num_latents`), the default being config's."""
    sections = {field.name: parser.add_argument_group(field.name) for field in _sections(config)}
    for path, hint, default, text in _leaves(config):
        sections[path.split(".")[0]].add_argument(
            f"--{path}",
            dest=path,
            type=_parser_of(hint),
            default=argparse.SUPPRESS,
            metavar=_describe(hint),
            help=f"{text} [{show(default)}]".replace("%", "%%"),
        )


def apply(config: Any, values: dict[str, Any]) -> Any:
    """A configuration with the given paths ("model.num_latents") replaced."""
    for path, value in values.items():
        config = _replace(config, path.split("."), value)
    return config


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate the options with a dot in their name (`--model.num_latents 64`) from the others.

    Returns:
        The other arguments, and these options with their values.
    """
    others: list[str] = []
    dotted: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        name, equals, _ = argument.partition("=")
        if not (name.startswith("--") and "." in name):
            others.append(argument)
            continue
        dotted.append(argument)
        value = None if equals else next(waiting, None)
        if value is not None:
            dotted.append(value)
    return others, dotted


def parse(
    arguments: Sequence[str], config: Any, *, prog: str, ignore_unknown: bool = False
) -> dict[str, Any]:
    """Parse options of a configuration.

    Args:
        arguments: the options as typed.
        config: configuration that has the fields.
        prog: name of the program for errors.
        ignore_unknown: whether options that no field has are ignored instead of refused.

    Returns:
        The values given, by path, such as {"model.num_latents": 64}.

    Raises:
        ValueError: an option that no field has, with the nearest one.
    """
    parser = Parser(prog=prog, add_help=False, allow_abbrev=False)
    add_options(parser, config)
    namespace, rest = parser.parse_known_args(arguments)
    if not ignore_unknown:
        reject_unknown(rest, config)
    return vars(namespace)


def reject_unknown(arguments: Sequence[str], config: Any) -> None:
    """ValueError for the first option that no field has, with the nearest that one has."""
    known = [f"--{path}" for path, *_ in _leaves(config)]
    for argument in arguments:
        if argument.startswith("--"):
            raise unknown("option", argument.split("=")[0], known)
    if arguments:
        raise ValueError(f"unexpected argument {arguments[0]!r}; options look like --name VALUE")


def _sections(config: Any) -> list[dataclasses.Field[Any]]:
    """The fields that are configurations themselves."""
    return [
        f for f in dataclasses.fields(config) if dataclasses.is_dataclass(getattr(config, f.name))
    ]


def _leaves(config: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any, str]]:
    """(path, type, value, description) of every field that is not itself a configuration."""
    hints, texts = typing.get_type_hints(type(config)), _field_texts(type(config))
    # The class's own fields come before the inherited ones, which are more general.
    own = type(config).__annotations__
    for field in sorted(dataclasses.fields(config), key=lambda f: f.name not in own):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _leaves(value, f"{prefix}{field.name}.")
        elif isinstance(value, dict) and _by_name(hints[field.name]) is None:  # of configurations
            for name, item in value.items():
                yield from _leaves(item, f"{prefix}{field.name}.{name}.")
        elif prefix:  # what lies at the top, the recipe's name, is no option
            yield f"{prefix}{field.name}", hints[field.name], value, texts.get(field.name, "")


def _field_texts(cls: type) -> dict[str, str]:
    """The string literal under each field of a dataclass, inherited fields included."""
    bases = [base for base in cls.__bases__ if dataclasses.is_dataclass(base)]
    texts = {name: text for base in bases for name, text in _field_texts(base).items()}
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    for statement, following in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            texts[statement.target.id] = str(following.value.value).rstrip(".")
    return texts


def _parser_of(hint: Any) -> Callable[[str], Any]:
    """A function from the option's text to a value of the type."""

    def parse(text: str) -> Any:
        return _parse(hint, text.strip())

    parse.__name__ = _describe(hint)  # argparse: "invalid <name> value: <text>"
    return parse


def _parse(hint: Any, text: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if text.lower() == "none" and type(None) in arguments:
            return None
        return _parse(next(a for a in arguments if a is not type(None)), text)
    if origin is Literal:
        if text not in arguments:
            raise ValueError(text)
        return text
    if (of := _by_name(hint)) is not None:
        pairs = [part.partition("=") for part in text.split(",") if part]
        if not all(equals for _, equals, _ in pairs):
            raise ValueError(text)
        return {name.strip(): _parse(of, value.strip()) for name, _, value in pairs}
    if origin is tuple:
        return tuple(_parse(arguments[0], part.strip()) for part in text.split(",") if part)
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    return hint(text)


def _describe(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return "|".join("none" if a is type(None) else _describe(a) for a in arguments)
    if origin is Literal:
        return "|".join(arguments)
    if (of := _by_name(hint)) is not None:
        return f"NAME={_describe(of)},…"
    if origin is tuple:
        return f"{_describe(arguments[0])},…"
    return "true|false" if hint is bool else hint.__name__


def _by_name(hint: Any) -> Any:
    """The type of plain values by name; None if the hint is of anything else."""
    arguments = typing.get_args(hint)
    by_name = typing.get_origin(hint) is dict and not dataclasses.is_dataclass(arguments[1])
    return arguments[1] if by_name else None


def show(value: Any) -> str:
    """A value as it is typed after its option; "empty" for none of several."""
    if isinstance(value, dict):
        return ",".join(f"{name}={show(item)}" for name, item in value.items()) or "empty"
    if isinstance(value, tuple):
        return ",".join(show(item) for item in value) or "empty"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _replace(config: Any, path: list[str], value: Any) -> Any:
    name, *rest = path
    inside = isinstance(config, dict)
    if rest:
        value = _replace(config[name] if inside else getattr(config, name), rest, value)
    return {**config, name: value} if inside else dataclasses.replace(config, **{name: value})
