"""The command `perceivers eval`, and the formatting of scores."""

import argparse
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .console import say
from .options import add_limits
from .parser import Add, add_clips


def add(command: Add) -> None:
    """Add the command `eval` to the command line."""
    sub = command(
        "eval",
        _eval,
        "Score a trained run on test data; the scores are also written to its metrics.json.",
    )
    sub.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="directory of the run")
    sub.add_argument(
        "--data", metavar="PATH|hf://OWNER/NAME",
        help="other data with the same classes or labels, a path or a data set of the Hugging Face "
        "hub: its test split, or all of it if it has none [the test split of the run's own data]",
    )  # fmt: skip
    add_clips(sub)
    add_limits(sub)


def _eval(options: argparse.Namespace, rest: list[str]) -> int:
    from ..training.evaluation import evaluate

    scores = evaluate(options.run_dir, options.data, clips=options.clips)
    say(test_line(scores, scores_formatter(options.run_dir)))
    return 0


def scores_formatter(run_dir: Path) -> Callable[..., str]:
    """Return a function that formats the scores of a run.

    It is `training.scores.format_scores` for the task and the labels of the run.
    """
    from ..checkpoint import read_config
    from ..models.config import ModelConfig, from_dict
    from ..training.scores import format_scores

    config = read_config(run_dir)
    task = from_dict(ModelConfig, config["model"], "model").task
    return functools.partial(format_scores, task, config["labels"])


def test_line(scores: dict[str, Any], format_scores: Callable[..., str]) -> str:
    """Format the result of `training.evaluation.evaluate` as one line.

    Args:
        scores: the scores of the test examples.
        format_scores: result of `scores_formatter`.
    """
    loss, count = scores["loss"], scores["examples"]
    return f"test {format_scores(scores)}, loss {loss:.4f} on {count:,} examples"
