"""The result of a run as lines of text: scores, those of the baseline, and a table by class."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data.config import Task
from ..printing import formatted
from .scores import LAST, NEAREST, format_scores

MAX_ROWS = 30  # of a table by class, label or number
MAX_NAME = 30  # characters of a name in it
UNEQUAL = 1.5  # times as many examples of one class as of another from which on a table is shown
COLUMNS = {
    "precision": ("precision", ".2%"),
    "recall": ("recall", ".2%"),
    "f1": ("F1", ".2%"),
    "iou": ("IoU", ".2%"),
    "map": ("average precision", ".2%"),
    "mase": ("MASE", ".4f"),
    "baseline_mase": ("of the baseline", ".4f"),
    "mae": ("MAE", ".4g"),
    "baseline_mae": ("of the baseline", ".4g"),
    "rmse": ("RMSE", ".4g"),
    "baseline_rmse": ("of the baseline", ".4g"),
    "coverage": ("80% interval covers", ".1%"),
    "r2": ("R²", ".4f"),
    "psnr": ("PSNR, dB", ".2f"),
    "baseline_psnr": ("of the mean", ".2f"),
    "support": ("examples", ",d"),
    "elements": ("elements", ",d"),
}


def result_lines(
    result: Mapping[str, Any], task: Task, labels: Sequence[str], run_dir: Path
) -> list[str]:
    """Describe the result of a run.

    Args:
        result: the content of `metrics.json`, from `training.engine.train` or `resume`.
        task: task of the model.
        labels: names of the model's outputs.
        run_dir: the run directory.
    """
    lines = []
    if result["interrupted"]:
        lines.append(f"stopped by {result['interrupted']} after epoch {result['epochs']}")
    best = result["best"]
    if best and "val_loss" in best:
        which = "last" if result.get("best_by") == LAST else "best"
        scores = format_scores(task, labels, best, "val_")
        lines.append(f"{which} epoch {best['epoch']}: validation {scores}")
    for split in ("test", "validation"):
        if split in result:
            lines += score_lines(split, result[split], task, labels)
    return [*lines, f"run: {run_dir}"]


def score_lines(
    split: str, scores: Mapping[str, Any], task: Task, labels: Sequence[str]
) -> list[str]:
    """Describe the scores of a split.

    The baseline and the table by class are left out for classes with about the same numbers of
    examples, where they say little.

    Args:
        split: name of the split.
        scores: result of `training.evaluation.score`.
        task: task of the model.
        labels: names of the model's outputs.
    """
    text, count = format_scores(task, labels, scores), scores["examples"]
    lines = [f"{split} {text}, loss {scores['loss']:.4f} on {count:,} examples"]
    each = scores.get("by_label", {})
    if task == "classification" and not _unequal(each):
        return lines
    base = scores["baseline"]
    if task in ("language", "masking"):
        rivals = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in base.items())
        return [*lines, f"the same text in bits per byte: {rivals}"]
    constant = {
        "classification": f"always {base.get('label')!r}",
        "multilabel": "the labels that most examples have, for every example",
        "regression": "the mean of the training examples",
        "reconstruction": "the mean of the scored examples",
        "segmentation": f"always {base.get('label')!r}",
        "forecasting": "the value one season earlier",
        "flow": "nothing moves",
        "occupancy": "every place inside",
    }[task]
    lines.append(f"baseline ({constant}): {format_scores(task, labels, base)}")
    if rival := format_scores(task, labels, base, NEAREST):
        lines.append(f"rival (the side of the nearest point of the surface): {rival}")
    return lines + table(each)


def table(each: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return a table of the scores of each class, label or number, at most `MAX_ROWS` of them.

    Args:
        each: scores by label and name, as from `training.summaries.by_label`.
    """
    shown = list(each)
    if len(shown) > MAX_ROWS:
        shown = sorted(shown, key=lambda label: each[label].get("f1", 2.0))[:MAX_ROWS]
    names = [name for name in COLUMNS if any(name in scores for scores in each.values())]
    rows = [["", *(COLUMNS[name][0] for name in names)]]
    for label in shown:
        cells = [
            formatted(each[label][name], COLUMNS[name][1]) if name in each[label] else "-"
            for name in names
        ]
        rows.append([label if len(label) <= MAX_NAME else label[: MAX_NAME - 1] + "…", *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if each else []
    lines = [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
        if each
    ]
    if len(each) > MAX_ROWS:
        which = "lowest F1" if "f1" in names else "first"
        lines.append(f"(the {MAX_ROWS} {which} of {len(each)}; metrics.json has them all)")
    return lines


def _unequal(each: Mapping[str, Mapping[str, float]]) -> bool:
    """Return whether one class has far more examples than another; absent classes do not count."""
    counts = [scores["support"] for scores in each.values() if scores.get("support")]
    return bool(counts) and max(counts) > UNEQUAL * min(counts)
