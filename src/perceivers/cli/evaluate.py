"""The command `perceivers eval`."""

import argparse
from pathlib import Path
from typing import Any

from ..data.config import Task
from .console import say
from .options import add_limits
from .parser import Add, add_clips


def add(command: Add) -> None:
    """Add the command `eval` to the command line."""
    sub = command(
        "eval",
        _eval,
        "Score a trained run on its test split, or its validation split if it has none, or on "
        "other data; metrics.json, report.html and predictions.csv are written.",
    )
    sub.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="directory of the run")
    sub.add_argument(
        "--data", metavar="PATH|hf://OWNER/NAME",
        help="other data with the same classes or labels, a path or a data set of the Hugging Face "
        "hub: its test split, or all of it if it has none [the test split of the run's own data]",
    )  # fmt: skip
    sub.add_argument(
        "--out", type=Path, metavar="DIR",
        help="directory for report.html and predictions.csv [RUN_DIR; with --data, a directory of "
        "its own in RUN_DIR/evaluations]",
    )  # fmt: skip
    add_clips(sub)
    add_limits(sub)


def _eval(options: argparse.Namespace, rest: list[str]) -> int:
    from ..report.write import FILES, place_of, write
    from ..training.evaluation import evaluate
    from ..training.results import score_lines

    out = place_of(options.run_dir, options.data, options.out)
    written: list[Path] = []

    def report(*scored: Any) -> None:
        written.extend(write(*scored, out=out))

    scores = evaluate(options.run_dir, options.data, clips=options.clips, report=report)
    split = "all data:" if scores["split"] == "all" else scores["split"]
    for line in score_lines(split, scores, *task_and_labels(options.run_dir)):
        say(line)
    for path in written:
        say(f"wrote {path}")
    return int("not_saved" in scores or len(written) < len(FILES))


def task_and_labels(run_dir: Path) -> tuple[Task, list[str]]:
    """Return the task of a run and the names of its outputs."""
    from ..checkpoint import read_model_config
    from ..models.config import task_of

    config, labels = read_model_config(run_dir)
    return task_of(config), list(labels)
