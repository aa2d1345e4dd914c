"""An argparse parser with one-line errors, and helpers for adding commands to it."""

import argparse
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, Protocol

from typing_extensions import override

from ..errors import unknown
from ..printing import printable

MAX_WIDTH = 100  # characters of a line of help
# In messages: a name and its value, a unit in the name, and fields of recipes.
SETTING = re.compile(r"(?<![\w.-])(?P<name>[a-z][\w.]*)=(?P<value>'[^']*'|[^\s;,()\[\]]+)")
UNIT = re.compile("_(ms|mb)$")
RECIPE_FIELD = re.compile(r"(model|data|optimizer|trainer|limits)\.")

Run = Callable[[argparse.Namespace, list[str]], int]
"""A command: it takes its options and the remaining arguments and returns the exit status."""


class HelpFormatter(argparse.HelpFormatter):
    """Formatter of help texts that are as wide as the terminal, but at most `MAX_WIDTH`."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns - 2, MAX_WIDTH)
        super().__init__(prog, width=width)


class Parser(argparse.ArgumentParser):
    """Argument parser that prints an error as one line, and help without control characters.

    Args:
        **options: arguments of `argparse.ArgumentParser`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=HelpFormatter, **options)
        self.commands: dict[str, Parser] = {}

    @property
    def long_options(self) -> list[str]:
        """The options that begin with two dashes."""
        return [name for name in self._option_string_actions if name.startswith("--")]

    @override
    def _print_message(self, message: str, file: Any = None) -> None:
        lines = message.split("\n")  # the help names columns and values of the user's data
        super()._print_message("\n".join(map(printable, lines)), file)

    @override
    def error(self, message: str) -> NoReturn:
        """Print the error as one line, without the usage, and exit with status 1."""
        self.exit(1, f"{self.prog}: {printable(message)}; see {self.prog} --help\n")


class Add(Protocol):
    """A function that adds a command to the command line."""

    def __call__(self, name: str, run: Run, text: str, *, add_help: bool = True) -> Parser:
        """Add a command and return the parser of its options.

        Args:
            name: name of the command.
            run: function that runs the command.
            text: one line that describes the command, for the help.
            add_help: whether argparse handles --help for the command.
        """


def adder(parser: Parser) -> Add:
    """Return a function that adds commands to a parser of the whole command line."""
    commands: Any = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )

    def add(name: str, run: Run, text: str, *, add_help: bool = True) -> Parser:
        sub: Parser = commands.add_parser(
            name, help=text, description=text, allow_abbrev=False, add_help=add_help
        )
        if add_help:
            add_debug(sub)
        sub.set_defaults(run=run)
        parser.commands[name] = sub
        return sub

    return add


def unexpected(argument: str, known: Iterable[str], prog: str) -> ValueError:
    """Return the error for an argument that a command does not take.

    Args:
        argument: the argument.
        known: the options of the command; the message suggests the nearest one.
        prog: the command.
    """
    if argument.startswith("-"):
        return unknown("option", argument.split("=")[0], known, f"see {prog} --help")
    return ValueError(f"unexpected argument {argument!r}; see {prog} --help")


def named_as_options(message: str, arguments: Sequence[str]) -> str:
    """Name options in a message as they are typed: --top-k 0, not top_k=0.

    Args:
        message: message of an error. A name with a value is an option if both were typed, and, as
            an option of `train`, if it names a field of a recipe (optimizer.warmup_epochs=2).
        arguments: the arguments of the command line.
    """
    typed = _typed(arguments)

    def spelled(found: re.Match[str]) -> str:
        name, value = found["name"], found["value"].strip("'")
        for option, given in typed:
            path = option.replace("-", "_")
            if f".{path}".endswith((f".{name}", f".{UNIT.sub('', name)}")) and _same(given, value):
                return f"--{option} {given}"
        if arguments[:1] == ["train"] and RECIPE_FIELD.match(name):
            return f"--{name} {value}"
        return found[0]

    return SETTING.sub(spelled, message)


def _typed(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """Return each option of a command line, without its dashes, with each of its values."""
    typed, option = [], ""
    for argument in arguments:
        if argument.startswith("--"):
            option, equals, value = argument[2:].partition("=")
            typed += [(option, value)] if equals else []
        elif option:
            typed.append((option, argument))
    return typed


def _same(given: str, value: str) -> bool:
    """Return whether a typed value and one in a message are equal, as numbers or as texts."""
    try:
        return given == value or float(given) == float(value)
    except ValueError:
        return False


def add_debug(parser: argparse.ArgumentParser) -> None:
    """Add the option --debug, which `cli.main` takes out of any command line, to the help."""
    text = "print the traceback of an error too (also if PERCEIVERS_DEBUG is set)"
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=text)


def add_clips(parser: Parser) -> None:
    """Add the option --clips, which `eval` and `predict` share."""
    text = (
        "number of clips, spread evenly over each sound or video, whose predictions are averaged "
        "[1: the middle of the file]"
    )
    parser.add_argument("--clips", type=int, default=1, metavar="K", help=text)
