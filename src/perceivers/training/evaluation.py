"""Score a model, and evaluate a run directory."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from ..checkpoint import load
from ..data.saved_splits import SPLITS_FILE, SavedSplits
from ..data.splits import EVALUATED, Splits
from ..files import read_json, write_json
from ..models.classifier import PerceiverClassifier
from .batches import batches
from .loop import make_trainer, progress_bars, quiet_lightning
from .recipe import Recipe
from .recipe_data import (
    absolute_path,
    check_labels,
    read_recipe,
    read_recipe_splits,
    read_saved_splits,
    renumber_labels,
)
from .targets import baseline, by_label, summary
from .task import Learner

log = logging.getLogger(__name__)

METRICS_FILE = "metrics.json"


def evaluate(run_dir: Path, data_path: str | None = None, *, clips: int = 1) -> dict[str, Any]:
    """Score a run's best weights on its test split and add the scores to its `metrics.json`.

    Args:
        run_dir: run directory that `train` wrote.
        data_path: other data to score, with the labels of the model or, except for regression,
            some of them. The first of its test, validation and train splits that exists is scored;
            data without splits is scored whole. None: the test split of the run's own data.
        clips: number of parts of each sound or video whose predictions are averaged; 1: the
            middle, as in training.

    Returns:
        A dictionary with "loss", "examples" (their number), "data" (its path or name), "clips" if
        there are several, and the scores of the task: "top1", "top5" (of more than five classes),
        "macro_f1" and "balanced_accuracy"; "map", "macro_f1" and "f1"; or "mae" and "rmse", in the
        data's units, and "r2". Shares are of 1. Scores of several labels or numbers are averages,
        and "by_label" has those of each class, label or number. "baseline" has the scores of a
        prediction that is the same for every example (`training.targets.baseline`). "not_saved" is
        the reason if `metrics.json` could not be written.

    Raises:
        ValueError: the data does not fit the model, or it cannot be read in clips.
        OSError: the run or the data cannot be read.
    """
    recipe = read_recipe(run_dir)
    model = load(run_dir)
    if data_path is not None:
        data = dataclasses.replace(recipe.data, path=absolute_path(data_path))
        recipe = dataclasses.replace(recipe, data=data)
    other, saved = data_path is not None, None
    if not other or (run_dir / SPLITS_FILE).exists():
        saved = read_saved_splits(run_dir)
    splits = read_recipe_splits(
        recipe,
        hold_out=not other,
        saved=None if other else saved,
        scored=True,
        identify=other and saved is not None,
        clips=clips,
    )
    check_labels(model, splits)
    renumber_labels(model.labels, splits)
    scores = score(model, recipe, splits)
    scores["data"] = recipe.data.path or recipe.data.name
    if clips > 1:
        scores["clips"] = clips
    if other and saved and splits.record:
        scores["trained_on"] = _count_trained_on(saved, splits.record)
    path = run_dir / METRICS_FILE
    try:
        write_json(path, {**(read_json(path) if path.exists() else {}), "eval": scores})
    except (OSError, ValueError) as error:
        log.warning("the scores are not saved: %s", error)
        scores["not_saved"] = str(error)
    return scores


def _count_trained_on(run: SavedSplits, scored: SavedSplits) -> int:
    """Count, and log, the examples whose content the run was trained on."""
    trained, [examples] = run.contents("train"), scored.examples.values()
    names = [name for content, name in examples if content in trained]
    if names:
        log.warning(
            "the run was trained on %d of these %d examples (such as %s), so their scores say "
            "nothing about new data",
            len(names),
            len(examples),
            names[0],
        )
    return len(names)


def score(model: PerceiverClassifier, recipe: Recipe, splits: Splits) -> dict[str, Any]:
    """Score a model on the first of the `EVALUATED` splits that exists.

    Args:
        model: the model.
        recipe: the recipe of its run.
        splits: the data.

    Returns:
        The loss, the scores of the task, their values by label, those of the baseline, and the
        number of examples.
    """
    examples = next(splits.examples[name] for name in EVALUATED if name in splits.examples)
    learner = Learner(model, recipe)
    with quiet_lightning():
        trainer = make_trainer(recipe.trainer, callbacks=progress_bars(), logger=False)
        loader = batches(examples, recipe.data, pin_memory=uses_gpu(trainer))
        trainer.test(learner, loader, verbose=False)
    each = by_label(learner.test_scores, model.labels)
    return {
        **summary(learner.test_scores),
        **({"by_label": each} if each else {}),
        "baseline": baseline(learner.test_scores, model.labels),
        "examples": examples.num_readable,
    }


def uses_gpu(trainer: pl.Trainer) -> bool:
    """Return whether batches are copied to a GPU, for which they should be in pinned memory."""
    return trainer.strategy.root_device.type == "cuda"
