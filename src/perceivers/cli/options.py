"""Command-line options made from the fields, types and docstrings of configuration dataclasses."""

import argparse
import ast
import dataclasses
import functools
import inspect
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from ..errors import unknown
from ..printing import option_text
from ..reading import Limits
from .parser import Parser

MAX_METAVAR = 60  # characters; longer lists of values are part of the help text
MAX_SHOWN = 200  # characters of a default value that the help shows


@dataclasses.dataclass(frozen=True)
class _Reading:
    """The options that every command which reads files has."""

    limits: Limits = dataclasses.field(default_factory=Limits)


def add_options(parser: argparse.ArgumentParser, config: Any) -> None:
    """Add an option for each field of a configuration to a parser.

    An option is named by the path of its field (`--model.num_latents`). Its help is the docstring
    of the field, followed by the value in the configuration in brackets. The parser returns only
    the options that are given.

    Args:
        parser: the parser.
        config: the configuration, whose fields are configurations.
    """
    sections = {field.name: parser.add_argument_group(field.name) for field in _sections(config)}
    for path, hint, default, text in _option_fields(config):
        values = _describe_type(hint)
        if len(values) > MAX_METAVAR:
            values, text = "NAME", f"{text}; one of {values.replace('|', ', ')}"
        sections[path.split(".")[0]].add_argument(
            f"--{path}",
            dest=path,
            type=_value_parser(hint),
            default=argparse.SUPPRESS,
            metavar=values,
            help=f"{text} [{shown_value(default)}]".replace("%", "%%").replace("None:", "none:"),
        )


def add_limits(parser: argparse.ArgumentParser, defaults: Limits | None = None) -> None:
    """Add the options `--limits.NAME`, which `parse_limits` parses.

    Args:
        parser: the parser.
        defaults: the limits that the help shows; None: the defaults of most commands.
    """
    add_options(parser, _Reading(defaults or Limits()))


def parse_limits(arguments: Sequence[str], *, prog: str) -> tuple[dict[str, Any], list[str]]:
    """Parse the options `--limits.NAME` among others.

    Args:
        arguments: options with a dot in their name, and their values.
        prog: name of the program in error messages.

    Returns:
        The limits that options set, by the name of their field, and the other arguments.

    Raises:
        ValueError: a limit does not exist, or cannot have this value.
    """
    parser = Parser(prog=prog, add_help=False, allow_abbrev=False)
    add_limits(parser)
    namespace, others = parser.parse_known_args(arguments)
    reject_unknown([name for name in others if name.startswith("--limits.")], _Reading(), prog=prog)
    values = vars(namespace)
    apply(_Reading(), values)  # or an error for an impossible value
    return {path.removeprefix("limits."): value for path, value in values.items()}, others


def apply(config: Any, values: dict[str, Any]) -> Any:
    """Return a configuration with the values at some paths replaced.

    Args:
        config: the configuration.
        values: new values by path, such as {"model.num_latents": 64}.

    Raises:
        ValueError: a field cannot have this value; the message names its option.
    """
    from ..models.config import with_value  # here, so that the help of all commands stays quick

    for path, value in values.items():
        config = with_value(config, path, value)
    return config


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate options with a dot in their name (`--model.num_latents 64`) from other arguments.

    Args:
        arguments: the arguments of the command line.

    Returns:
        The other arguments, and the options with a dot, each followed by its value.
    """
    others: list[str] = []
    dotted: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, _ = argument.partition("=")
        if argument == "--":  # all that follows are files, whatever their names
            return [*others, argument, *rest], dotted
        if not (name.startswith("--") and "." in name):
            others.append(argument)
            continue
        dotted.append(argument)
        if not equals and rest and not rest[0].startswith("--"):
            dotted.append(rest.pop(0))
    return others, dotted


def parse(
    arguments: Sequence[str],
    config: Any,
    *,
    prog: str,
    ignore_unknown: bool = False,
    others: Sequence[str] = (),
) -> dict[str, Any]:
    """Parse options made from a configuration.

    Args:
        arguments: the options and their values, as typed.
        config: the configuration that the options are made from.
        prog: name of the program in error messages.
        ignore_unknown: whether unknown options are ignored instead of refused.
        others: further options of the command, which a message may suggest.

    Returns:
        The values of the options that are given, by path, such as {"model.num_latents": 64}.

    Raises:
        ValueError: an option does not exist; the message suggests the nearest one.
    """
    parser = Parser(prog=prog, add_help=False, allow_abbrev=False)
    add_options(parser, config)
    namespace, rest = parser.parse_known_args(arguments)
    if not ignore_unknown:
        reject_unknown(rest, config, others, prog=prog)
    return vars(namespace)


def reject_unknown(
    arguments: Sequence[str], config: Any, others: Sequence[str] = (), *, prog: str
) -> None:
    """Raise an error if any arguments are left after all known options were parsed.

    Args:
        arguments: the arguments that are left.
        config: the configuration that the known options are made from.
        others: further known options.
        prog: name of the program in error messages.

    Raises:
        ValueError: there are such arguments; for an option the message suggests the nearest one.
    """
    known = [*(f"--{path}" for path, *_ in _option_fields(config)), *others]
    for argument in arguments:
        if argument.startswith("--"):
            raise unknown("option", argument.split("=")[0], known, f"see {prog} --help")
    if arguments:
        raise ValueError(
            f"unexpected argument {arguments[0]!r}; expected options such as --name VALUE"
        )


def _sections(config: Any) -> list[dataclasses.Field[Any]]:
    """Return the fields whose values are configurations."""
    return [
        f for f in dataclasses.fields(config) if dataclasses.is_dataclass(getattr(config, f.name))
    ]


def _option_fields(config: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any, str]]:
    """Yield (path, type, value, docstring) of each field of a configuration and those within it.

    Fields that are configurations themselves are left out, and so are the fields at the top level,
    such as the name of a recipe.
    """
    hints, texts = typing.get_type_hints(type(config)), _field_docstrings(config.__class__)
    # The fields of the class itself come first: inherited ones are more general.
    own = type(config).__annotations__
    for field in sorted(dataclasses.fields(config), key=lambda f: f.name not in own):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _option_fields(value, f"{prefix}{field.name}.")
        elif isinstance(value, dict) and _plain_value_type(hints[field.name]) is None:
            for name, item in value.items():
                yield from _option_fields(item, f"{prefix}{field.name}.{name}.")
        elif prefix:
            yield f"{prefix}{field.name}", hints[field.name], value, texts.get(field.name, "")


@functools.cache  # parsing the source takes most of the time of reading a command line
def _field_docstrings(cls: type) -> dict[str, str]:
    """Return the string literal below each field of a dataclass, including inherited fields."""
    bases = [base for base in cls.__bases__ if dataclasses.is_dataclass(base)]
    texts = {name: text for base in bases for name, text in _field_docstrings(base).items()}
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


def _value_parser(hint: Any) -> Callable[[str], Any]:
    """Return a function that parses the text of an option to a value of a type."""

    def parse(text: str) -> Any:
        return _parse(hint, text.strip())

    parse.__name__ = _describe_type(hint)  # argparse: "invalid <name> value: <text>"
    return parse


def _parse(hint: Any, text: str) -> Any:
    """Parse a text to a value of a type; ValueError if it is not one."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if text.lower() == "none" and type(None) in arguments:
            return None
        return _parse(next(a for a in arguments if a is not type(None)), text)
    if origin is Literal:
        if text not in arguments:
            raise ValueError(text)
        return text
    if (value_type := _plain_value_type(hint)) is not None:
        pairs = [part.partition("=") for part in text.split(",") if part]
        if not all(equals for _, equals, _ in pairs):
            raise ValueError(text)
        return {name.strip(): _parse(value_type, value.strip()) for name, _, value in pairs}
    if origin is tuple:
        return tuple(_parse(arguments[0], part.strip()) for part in text.split(",") if part)
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    return hint(text)


def _describe_type(hint: Any) -> str:
    """Describe what an option of a type takes, such as "int|none" or "NAME=float,…"."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return "|".join("none" if a is type(None) else _describe_type(a) for a in arguments)
    if origin is Literal:
        return "|".join(arguments)
    if (value_type := _plain_value_type(hint)) is not None:
        return f"NAME={_describe_type(value_type)},…"
    if origin is tuple:
        return f"{_describe_type(arguments[0])},…"
    return "true|false" if hint is bool else hint.__name__


def _plain_value_type(hint: Any) -> Any:
    """Return the type of the values of a dictionary type; None if they are configurations.

    Also None if the type is not a dictionary type.
    """
    arguments = typing.get_args(hint)
    is_dict = typing.get_origin(hint) is dict
    return arguments[1] if is_dict and not dataclasses.is_dataclass(arguments[1]) else None


def shown_value(value: Any) -> str:
    """Format a default value for the help: as it is typed, without the middle of a long one."""
    text = option_text(value)
    if len(text) <= MAX_SHOWN:
        return text
    count = f" ({len(value):,} in all)" if isinstance(value, tuple | dict) else ""
    return f"{text[: MAX_SHOWN // 2]}…{count}"
