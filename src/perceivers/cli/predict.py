"""The command `perceivers predict`."""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from .options import add_limits
from .parser import Add, add_clips

SECONDS_BETWEEN_LINES = 5  # of progress


def add(command: Add) -> None:
    """Add the command `predict` to the command line."""
    sub = command("predict", _predict, "Predict the classes, labels or numbers of files.")
    sub.add_argument(
        "model", metavar="RUN_DIR",
        help="directory of a run or saved model, or name of a model on the Hugging Face hub",
    )  # fmt: skip
    sub.add_argument(
        "files", nargs="+", type=Path, metavar="FILE",
        help="file of the kind that the model reads; if it was trained on a table, also a table, "
        "of which each row is predicted",
    )  # fmt: skip
    sub.add_argument(
        "--top-k", type=int, default=5, metavar="K",
        help="number of classes or labels to print for each file, most probable first; "
        "for numbers to predict, all are printed [5]",
    )  # fmt: skip
    sub.add_argument("--json", action="store_true", help="print the predictions as JSON")
    add_clips(sub)
    sub.add_argument(
        "--own-size", action="store_true",
        help="read each file whole (images and point clouds at their own size, sounds and videos "
        "to their end), in parts if it is large; only for models with Fourier positions or none, "
        "and not for models trained on a table",
    )  # fmt: skip
    add_limits(sub)


def _predict(options: argparse.Namespace, rest: list[str]) -> int:
    from ..predict import Predictor

    results, failed = [], 0
    predictor = Predictor(
        options.model, own_size=options.own_size, clips=options.clips, progress=_progress_printer()
    )
    for file, outcome in predictor.predict_files(options.files, top_k=options.top_k):
        if isinstance(outcome, ValueError):
            if options.debug:
                traceback.print_exception(outcome)
            print(f"perceivers: {outcome}", file=sys.stderr)
            failed += 1
        elif options.json:
            results.append({"file": str(file), "predictions": predictor.as_json(outcome)})
        else:
            print(f"{file}: {predictor.as_text(outcome)}")
    if options.json:
        print(json.dumps(results, indent=1))
    return 1 if failed else 0


def _progress_printer() -> Callable[[float], None]:
    """Return a function that prints the progress of a file and the remaining time to stderr.

    It prints at most once in `SECONDS_BETWEEN_LINES`.
    """
    start = last_line = time.monotonic()

    def print_progress(fraction: float) -> None:
        nonlocal start, last_line
        now = time.monotonic()
        if now - last_line > SECONDS_BETWEEN_LINES:
            remaining = (now - start) * (1 - fraction) / fraction
            print(f"perceivers: {fraction:.0%} read, {remaining:.0f} s left", file=sys.stderr)
            last_line = now
        if fraction >= 1:
            start = last_line = now  # the next call is about the next file

    return print_progress
