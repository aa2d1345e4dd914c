"""The command line, a file a command. Imports torch only inside a command that needs it."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from .. import __version__
from . import convert, cost, evaluate, listing, options, predict, train
from .parser import Parser, adder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 if all went well.

    What a user can mend is one line on stderr; `PERCEIVERS_DEBUG=1` shows where it came from.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        namespace, rest = parse(arguments)
        status: int = namespace.run(namespace, rest)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # what reads our output has enough, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, ImportError) as error:
        if os.environ.get("PERCEIVERS_DEBUG"):
            raise
        message = " ".join(str(error).split())
        print(f"perceivers: {message or type(error).__name__}", file=sys.stderr)
        return 1


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse a command line, without reading files.

    Returns:
        The options, and the options of the recipe that `train` parses once it knows the recipe.

    Raises:
        ValueError: an argument that the command does not take.
    """
    fixed, of_recipe = options.split(arguments)
    namespace, rest = build_parser().parse_known_args(fixed)
    rest += of_recipe
    if rest and namespace.command != "train":
        raise ValueError(f"unexpected argument {rest[0]!r}; see perceivers {namespace.command} -h")
    return namespace, rest


def build_parser() -> Parser:
    """Build the parser of the whole command line."""
    parser = Parser(
        prog="perceivers", description="Train and use Perceivers, on any input.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=__version__)
    command = adder(parser)
    listing.add(command)
    train.add(command)
    evaluate.add(command)
    predict.add(command)
    convert.add(command)
    cost.add(command)
    return parser
