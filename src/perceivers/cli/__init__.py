"""The command line, one file for each command. Imports torch only inside commands that need it."""

import argparse
import os
import sys
from collections.abc import Sequence

from .. import __version__
from . import console, convert, cost, evaluate, listing, options, predict, train
from .parser import Parser, adder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command of the command line.

    An error that the user can fix is printed to stderr as one line. If the environment variable
    PERCEIVERS_DEBUG is set, it is raised instead, with its traceback.

    Args:
        arguments: the arguments after the name of the program; None: those of this process.

    Returns:
        The exit status: 0 for success, 1 for an error, 130 after Ctrl-C, 143 after SIGTERM.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    console.prepare()
    status = 1
    try:
        namespace, rest = parse(arguments)
        status = namespace.run(namespace, rest)
    except KeyboardInterrupt:
        console.complain("interrupted")
        status = 130
    except SystemExit:  # after the help, the version or a wrong command line
        console.finish()
        raise
    except console.OutputError as error:
        console.drop_output(error.reason)
    except (ValueError, OSError, ImportError) as error:
        if os.environ.get("PERCEIVERS_DEBUG"):
            raise
        console.complain(str(error).strip() or type(error).__name__)
    return status if console.finish() else max(status, 1)


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse a command line, without reading files.

    Args:
        arguments: the arguments after the name of the program.

    Returns:
        The options of the command, and the arguments that are left. These are options of a recipe,
        which `train` parses once it knows the recipe.

    Raises:
        ValueError: the command does not take one of the arguments.
    """
    fixed, recipe_options = options.split(arguments)
    namespace, rest = build_parser().parse_known_args(fixed)
    rest += recipe_options
    if rest and namespace.command != "train":
        raise ValueError(f"unexpected argument {rest[0]!r}; see perceivers {namespace.command} -h")
    return namespace, rest


def build_parser() -> Parser:
    """Build the parser of the whole command line."""
    parser = Parser(
        prog="perceivers",
        description="Train and use Perceiver models on any kind of input.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=__version__, help="print the version and exit"
    )
    command = adder(parser)
    listing.add(command)
    train.add(command)
    evaluate.add(command)
    predict.add(command)
    convert.add(command)
    cost.add(command)
    return parser
