"""argparse with one line an error, and what a command adds to it."""

import argparse
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

Run = Callable[[argparse.Namespace, list[str]], int]
"""What a command does with its options and what none of them took: the exit status."""


class Parser(argparse.ArgumentParser):
    """argparse with one line an error."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave with status 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


class Add(Protocol):
    """Adds a command; gives the parser of its options."""

    def __call__(self, name: str, run: Run, text: str) -> Parser:
        """`text` is its line in the help."""


def adder(parser: Parser) -> Add:
    """What adds commands to a parser."""
    commands: Any = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )

    def add(name: str, run: Run, text: str) -> Parser:
        sub: Parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        sub.set_defaults(run=run)
        return sub

    return add


def add_clips(parser: Parser) -> None:
    """The option of the commands that read files, not to train on them."""
    text = "sound and videos: parts of each file to average over [1, its middle]"
    parser.add_argument("--clips", type=int, default=1, metavar="K", help=text)
