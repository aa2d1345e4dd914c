"""`perceivers convert`."""

import argparse
import ast
from pathlib import Path
from typing import Any

from .parser import Add


def add(command: Add) -> None:
    """See `Add`."""
    sub = command(
        "convert", _convert, "Weights of the Keras example or perceiver-pytorch to our format."
    )
    sub.add_argument("source", type=Path, metavar="SOURCE", help="the other library's file")
    sub.add_argument("dest", type=Path, metavar="DEST", help="a new directory")
    sub.add_argument(
        "--arguments", nargs="+", default=[], metavar="NAME=VALUE",
        help="what the file does not tell, such as depth=6 max_freq=10 num_freq_bands=6",
    )  # fmt: skip
    sub.add_argument(
        "--input-shape", type=int, nargs="+", metavar="SIZE", help="such as 32 32 for images"
    )
    sub.add_argument("--labels", nargs="+", metavar="NAME", help="class names in output order")
    for name, text in (("mean", "subtracted from"), ("std", "then divided into")):
        sub.add_argument(
            f"--{name}", type=float, nargs="+", metavar="X",
            help=f"{text} each channel of images in [0, 1], as the model was trained with",
        )  # fmt: skip


def _convert(options: argparse.Namespace, rest: list[str]) -> int:
    if options.dest.exists() and (not options.dest.is_dir() or any(options.dest.iterdir())):
        raise FileExistsError(f"{options.dest} exists already; choose another DEST")
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
    if converted.difference is None:
        print(f"not compared with {converted.library}: {converted.why_not}")
    else:
        print(
            f"largest difference to {converted.library} on a random batch: "
            f"{converted.difference:.2g}"
        )
    print(f"model: {options.dest}")
    return 0


def _literal(text: str) -> Any:
    """A number, truth value or tuple as Python writes it; anything else is a string."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text.lower(), text)
