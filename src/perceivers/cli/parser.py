"""An argparse parser with one-line errors, and helpers for adding commands to it."""

import argparse
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from ..printing import printable

Run = Callable[[argparse.Namespace, list[str]], int]
"""A command: it takes its options and the remaining arguments and returns the exit status."""


class Parser(argparse.ArgumentParser):
    """Argument parser that prints an error as one line."""

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
        return sub

    return add


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
