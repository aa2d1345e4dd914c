"""`perceivers eval`, and how scores are said."""

import argparse
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .parser import Add, add_clips


def add(command: Add) -> None:
    """See `Add`."""
    sub = command("eval", _eval, "Score a run on its test split; writes metrics.json.")
    sub.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    sub.add_argument("--data", metavar="PATH|HUB_NAME", help="other data with the same classes")
    add_clips(sub)


def _eval(options: argparse.Namespace, rest: list[str]) -> int:
    from ..training.engine import evaluate

    scores = evaluate(options.run_dir, options.data, clips=options.clips)
    print(test_line(scores, scores_formatter(options.run_dir)))
    return 0


def scores_formatter(run_dir: Path) -> Callable[..., str]:
    """Writes scores as a run's task calls them; see `training.scores.say_scores`."""
    from ..checkpoint import read_config
    from ..models.config import ModelConfig, from_dict
    from ..training.scores import format_scores

    config = read_config(run_dir)
    task = from_dict(ModelConfig, config["model"], "model").task
    return functools.partial(format_scores, task, config["labels"])


def test_line(scores: dict[str, Any], say: Callable[..., str]) -> str:
    """A line of `evaluate`'s scores."""
    return f"test {say(scores)}, loss {scores['loss']:.4f} on {scores['examples']:,} examples"
