"""The command `perceivers export`."""

import argparse
from pathlib import Path

from .console import say
from .options import add_limits
from .parser import Add


def add(command: Add) -> None:
    """Add the command `export` to the command line."""
    sub = command(
        "export",
        _export,
        "Write the model of a run as one file that needs no Python: ONNX, or an archive of "
        "torch.export; or as a web page that classifies files in the browser. The file is checked "
        "on examples of the run's data.",
    )
    sub.add_argument(
        "run_dir", type=Path, metavar="RUN_DIR", help="directory of the run, or of a saved model"
    )
    target = sub.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--out", type=Path, metavar="FILE",
        help="file to write: model.onnx, with a description of its inputs and labels in "
        "model.json beside it; or model.pt2 with --format torch",
    )  # fmt: skip
    target.add_argument(
        "--web", type=Path, metavar="DIR",
        help="folder to write: a page that runs the model on files that are dropped on it, for "
        "images, sounds, point clouds and texts; open it with python -m http.server -d DIR",
    )  # fmt: skip
    sub.add_argument(
        "--onnxruntime-web", type=Path, metavar="FOLDER", dest="runtime",
        help="with --web: the unpacked npm package onnxruntime-web [npm downloads it]",
    )  # fmt: skip
    sub.add_argument(
        "--format", choices=("onnx", "torch"), dest="kind",
        help="format of the file [that of the suffix of FILE]",
    )  # fmt: skip
    sub.add_argument(
        "--int8", action="store_true",
        help="quantise the weights to 8 bits, and print the scores on the validation split before "
        "and after; only for ONNX",
    )  # fmt: skip
    add_limits(sub)


def _export(options: argparse.Namespace, rest: list[str]) -> int:
    if options.web is None:
        from ..export.run import export_run

        if options.runtime is not None:
            raise ValueError("--onnxruntime-web needs --web DIR")
        exported = export_run(options.run_dir, options.out, kind=options.kind, int8=options.int8)
    else:
        from ..export.page import export_page

        if options.kind == "torch":
            raise ValueError("--web needs an ONNX model; leave out --format torch")
        exported = export_page(
            options.run_dir, options.web, runtime=options.runtime, int8=options.int8
        )
    for line in exported.lines():
        say(line)
    if options.web is not None:
        say(f"wrote {options.web}; open it with python -m http.server -d {options.web}")
    return 0
