"""argparse with one-line errors, and what each command adds to it."""

import argparse
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

Run = Callable[[argparse.Namespace, list[str]], int]
"""A command: takes its options and the arguments left over, returns the exit status."""


class Parser(argparse.ArgumentParser):
    """An argument parser that prints an error as one line."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with status 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


class Add(Protocol):
    """Adds a command to the command line."""

    def __call__(self, name: str, run: Run, text: str, *, add_help: bool = True) -> Parser:
        """Add a command and return the parser of its options.

        Args:
            name: name of the command.
            run: function that runs it.
            text: one line for the help.
            add_help: whether argparse handles --help.
        """


def adder(parser: Parser) -> Add:
    """Return a function that adds commands to a parser."""
    commands: Any = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )

    def add(name: str, run: Run, text: str, *, add_help: bool = True) -> Parser:
        sub: Parser = commands.add_parser(
            name, help=text, description=text, allow_abbrev=False, add_help=add_help
        )
        sub.set_defaults(run=run)
        return sub

    return add


def add_clips(parser: Parser) -> None:
    """Add the option --clips of the commands that read files without training on them."""
    text = "number of clips of each sound or video to average predictions over [1, its middle]"
    parser.add_argument("--clips", type=int, default=1, metavar="K", help=text)
