"""The command line, one file for each command. Imports torch only inside commands that need it."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from .. import __version__
from ..errors import unknown
from ..places import system_message
from ..reading import overriding
from . import (
    compare,
    console,
    convert,
    cost,
    evaluate,
    explain,
    export,
    generate,
    listing,
    options,
    predict,
    serve,
    train,
)
from .parser import Parser, add_debug, adder, named_as_options, unexpected

HELP = "help"  # the same as --help


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command of the command line.

    Any error is printed to stderr as one line. With the option --debug, or if the environment
    variable PERCEIVERS_DEBUG is set, its traceback is printed before.

    Args:
        arguments: the arguments after the name of the program; None: those of this process.

    Returns:
        The exit status: 0 for success, 1 for an error, 130 after Ctrl-C, 143 after SIGTERM.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments or bool(os.environ.get("PERCEIVERS_DEBUG"))
    arguments = [argument for argument in arguments if argument != "--debug"]
    console.prepare()
    status = 1
    try:
        namespace, rest = parse(arguments)
        namespace.debug = debug
        with overriding(namespace.limits):
            status = namespace.run(namespace, rest)
    except KeyboardInterrupt:
        console.complain("interrupted")
        status = 130
    except SystemExit:  # after the help, the version or a wrong command line
        console.finish()
        raise
    except console.OutputError as error:
        console.drop_output(error.reason)
    except Exception as error:
        if debug:
            traceback.print_exception(error)
        console.complain(named_as_options(_describe(error), arguments))
    return status if console.finish() else max(status, 1)


def _describe(error: Exception) -> str:
    """Return a message about an error; one that users cannot mend asks for a report."""
    message = str(error).strip()
    if isinstance(error, OSError) and error.errno is not None:
        return system_message(error)
    if isinstance(error, ValueError | OSError | ImportError):
        return message or type(error).__name__
    if isinstance(error, MemoryError):
        return f"out of memory ({message or 'no more is free'}); close other programs"
    return (
        f"unexpected {type(error).__name__}{f': {message}' if message else ''}; this is a fault of "
        "perceivers: please report it with the traceback that --debug prints"
    )


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse a command line, without reading files.

    Args:
        arguments: the arguments after the name of the program.

    Returns:
        The options of the command with the `limits` that they set, by name, and the arguments that
        are left. These are options of a recipe, which `train` parses once it knows the recipe.

    Raises:
        ValueError: the command does not take one of the arguments.
    """
    parser = build_parser()
    fixed, recipe_options = options.split(_with_command(list(arguments), parser))
    namespace, rest = parser.parse_known_args(fixed)
    prog = f"perceivers {namespace.command}"
    namespace.limits, others = options.parse_limits(recipe_options, prog=prog)
    if namespace.command == "train":
        return namespace, rest + recipe_options
    if rest + others:
        known = parser.commands[namespace.command].long_options
        raise unexpected((rest + others)[0], known, prog)
    return namespace, rest


def _with_command(arguments: list[str], parser: Parser) -> list[str]:
    """Return the arguments with a command: `help` and no arguments at all ask for the help.

    Raises:
        ValueError: the command does not exist; the message suggests the nearest one.
    """
    if arguments[:1] in ([], [HELP]):
        arguments = [*arguments[1:], "--help"]
    first = arguments[0]
    if first.startswith("-"):
        if first not in parser._option_string_actions:
            raise unexpected(first, parser.long_options, parser.prog)
    elif first not in parser.commands:
        raise unknown("command", first, [*parser.commands, HELP])
    return arguments


def build_parser() -> Parser:
    """Build the parser of the whole command line."""
    parser = Parser(
        prog="perceivers",
        description="Train and use Perceiver models on any kind of input.",
        epilog="perceivers COMMAND --help describes a command. The exit status is 0 after success, "
        "1 after an error, also if one of several files could not be predicted, 130 after Ctrl-C "
        "and 143 after SIGTERM.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=__version__, help="print the version and exit"
    )
    add_debug(parser)
    command = adder(parser)
    listing.add(command)
    train.add(command)
    evaluate.add(command)
    predict.add(command)
    compare.add(command)
    explain.add(command)
    export.add(command)
    serve.add(command)
    generate.add(command)
    convert.add(command)
    cost.add(command)
    return parser
