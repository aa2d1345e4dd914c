"""The command `perceivers export`."""

import argparse
from pathlib import Path

from .console import say
from .parser import Add


def add(command: Add) -> None:
    """Add the command `export` to the command line."""
    sub = command(
        "export",
        _export,
        "Write the model of a run as one file that needs no Python: ONNX, or an archive of "
        "torch.export. The file is checked on examples of the run's data.",
    )
    sub.add_argument(
        "run_dir", type=Path, metavar="RUN_DIR", help="directory of the run, or of a saved model"
    )
    sub.add_argument(
        "--out", type=Path, required=True, metavar="FILE",
        help="file to write: model.onnx, with a description of its inputs and labels in "
        "model.json beside it; or model.pt2 with --format torch",
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


def _export(options: argparse.Namespace, rest: list[str]) -> int:
    from ..export.run import export_run

    exported = export_run(options.run_dir, options.out, kind=options.kind, int8=options.int8)
    for line in exported.lines():
        say(line)
    return 0
