"""The command `perceivers convert`."""

import argparse
import ast
from pathlib import Path
from typing import Any

from ..places import check_place
from .console import say
from .options import add_limits
from .parser import Add


def add(command: Add) -> None:
    """Add the command `convert` to the command line."""
    sub = command(
        "convert",
        _convert,
        "Convert weights of transformers, perceiver-pytorch, the Keras example, or of a resampler "
        "inside of another model, to a saved model.",
    )
    sub.add_argument(
        "source", metavar="SOURCE",
        help="file of weights saved by the other library; for transformers a folder with its "
        "config.json, or the name of one on the Hugging Face hub, hf://owner/name",
    )  # fmt: skip
    sub.add_argument(
        "dest", type=Path, metavar="DEST", help="directory to create for the converted model"
    )
    sub.add_argument(
        "--arguments", nargs="+", default=[], metavar="NAME=VALUE",
        help="settings that the file does not store: for perceiver-pytorch, arguments of its "
        "constructor, such as depth=6 max_freq=10 num_freq_bands=6; for the Keras example, "
        "arguments of perceivers.interop.from_keras, such as num_iterations=2; for a resampler, "
        "num_heads=16, or prefix=image_proj. before the names of its weights",
    )  # fmt: skip
    sub.add_argument(
        "--input-shape", type=int, nargs="+", metavar="SIZE",
        help="for perceiver-pytorch, size of each axis of the input, such as 32 32 for images "
        "[1024, 224 224 or 16 224 224, by the number of axes]",
    )  # fmt: skip
    sub.add_argument(
        "--labels",
        nargs="+",
        metavar="NAME",
        help="class names in the order of the outputs [0 1 …]",
    )
    sub.add_argument(
        "--mean", type=float, nargs="+", metavar="X",
        help="mean that was subtracted from pixel values in [0, 1] when the model was trained: one "
        "number, or one for each channel [the file's own, if it stores one]",
    )  # fmt: skip
    sub.add_argument(
        "--std", type=float, nargs="+", metavar="X",
        help="standard deviation that pixel values were divided by after the mean was subtracted: "
        "one number, or one for each channel [the file's own, if it stores one]",
    )  # fmt: skip
    add_limits(sub)


def _convert(options: argparse.Namespace, rest: list[str]) -> int:
    if options.dest.exists() and (not options.dest.is_dir() or any(options.dest.iterdir())):
        raise FileExistsError(f"{options.dest} exists already; choose a new directory as DEST")
    check_place(options.dest)
    arguments = {}
    for text in options.arguments:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--arguments {text!r}: expected NAME=VALUE, such as depth=6")
        arguments[name] = _literal(value)

    from ..checkpoint import save
    from ..interop import convert

    converted = convert(
        options.source,
        input_shape=options.input_shape,
        labels=options.labels,
        mean=options.mean,
        std=options.std,
        **arguments,
    )
    save(converted.model, options.dest)
    if converted.difference is not None:
        say(
            f"largest difference between the outputs of {converted.library} and of the converted "
            f"model on a random batch: {converted.difference:.2g}"
        )
    elif converted.why_not:
        say(f"not compared with {converted.library}: {converted.why_not}")
    say(f"model: {options.dest}")
    return 0


def _literal(text: str) -> Any:
    """Parse a Python literal, or true or false; return any other text as it is."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text.lower(), text)
