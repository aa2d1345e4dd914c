"""Evaluate a run directory."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

from ..checkpoint import METRICS_FILE, load_trained
from ..data.saved_splits import SPLITS_FILE, SavedSplits
from ..files import read_json, write_json
from .fine_tuning import ancestors
from .recipe_data import (
    absolute_path,
    check_labels,
    read_recipe,
    read_recipe_splits,
    read_saved_splits,
    renumber_labels,
)
from .scoring import Report, score

log = logging.getLogger(__name__)


def evaluate(
    run_dir: Path,
    data_path: str | None = None,
    *,
    clips: int = 1,
    report: Report | None = None,
) -> dict[str, Any]:
    """Score a run's best weights on its test split and add the scores to its `metrics.json`.

    Args:
        run_dir: run directory that `train` wrote.
        data_path: other data to score, with the labels of the model or, except for regression,
            some of them. The first of its test, validation and train splits that exists is scored;
            data without splits is scored whole. None: the test split of the run's own data.
        clips: number of parts of each sound or video whose predictions are averaged; 1: the
            middle, as in training.
        report: function that is called with what was scored, after the scores are saved.

    Returns:
        A dictionary with "loss", "examples" (their number), "split" ("test", "validation", "train",
        or "all" for other data without splits), "data" (its path or name), "clips" if there are
        several, and the scores of the task: "top1", "top5" (of more than five classes),
        "macro_f1" and "balanced_accuracy"; "map", "macro_f1" and "f1"; or "mae" and "rmse", in the
        data's units, and "r2". Shares are of 1. Scores of several labels or numbers are averages,
        and "by_label" has those of each class, label or number. "baseline" has the scores of a
        prediction that is the same for every example (`training.summaries.baseline`). "not_saved"
        is the reason if `metrics.json` could not be written.

    Raises:
        ValueError: the data does not fit the model, or it cannot be read in clips.
        OSError: the run or the data cannot be read.
    """
    recipe = read_recipe(run_dir)
    model = load_trained(run_dir)
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
        classes=model.labels,
    )
    check_labels(model, splits)
    renumber_labels(model.labels, splits)
    scored = score(model, recipe, splits)
    scores = scored.scores
    scores["split"] = "all" if other and scored.split == "train" else scored.split
    scores["data"] = recipe.data.path or recipe.data.name
    if clips > 1:
        scores["clips"] = clips
    if other and saved and splits.record:
        scores["trained_on"] = _count_trained_on("the run", saved, splits.record)
        for source in ancestors(recipe.trainer.init, begun=True):
            if isinstance(source, str):
                log.warning("%s", source)
            else:
                _count_trained_on(*source, splits.record)
    path = run_dir / METRICS_FILE
    try:
        write_json(path, {**(read_json(path) if path.exists() else {}), "eval": scores})
    except (OSError, ValueError) as error:
        log.warning("the scores are not saved: %s", error)
        scores["not_saved"] = str(error)
    if report is not None:
        report(run_dir, model, recipe, scored)
    return scores


def _count_trained_on(whose: str, run: SavedSplits, scored: SavedSplits) -> int:
    """Count, and log, the examples whose content a run was trained on."""
    trained, [examples] = run.contents("train"), scored.examples.values()
    names = [name for content, name in examples if content in trained]
    if names:
        log.warning(
            "%s was trained on %d of these %d examples (such as %s), so their scores say nothing "
            "about new data",
            whose,
            len(names),
            len(examples),
            names[0],
        )
    return len(names)
