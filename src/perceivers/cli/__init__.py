"""The command line, a file a command. Imports torch only inside a command that needs it."""

import logging
import os
import sys
from collections.abc import Sequence

from .. import __version__
from . import convert, cost, evaluate, listing, predict, train
from .parser import Parser, adder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 if all went well.

    What a user can mend is one line on stderr; `PERCEIVERS_DEBUG=1` shows where it came from.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        options, rest = build_parser(arguments).parse_known_args(arguments)
        if rest and options.command != "train":
            raise ValueError(
                f"unexpected argument {rest[0]!r}; see perceivers {options.command} -h"
            )
        status = options.run(options, rest)
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


def build_parser(arguments: list[str]) -> Parser:
    """The parser of a command line; which options `train` has depends on what else it says."""
    parser = Parser(
        prog="perceivers", description="Train and use Perceivers, on any input.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=__version__)
    command = adder(parser)
    listing.add(command)
    train.add(command, arguments)
    evaluate.add(command)
    predict.add(command)
    convert.add(command)
    cost.add(command)
    return parser
