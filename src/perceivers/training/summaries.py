"""The scores of a split, read from its metrics: their averages, by label, and the baseline's."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import MetricCollection

from .metrics import ClassCounts, EndPointErrors, LabelCounts, SquaredErrors
from .scores import ALL_SCORES
from .targets_base import BASELINE

# Metrics with scores of their own baseline.
Counts = ClassCounts | LabelCounts | SquaredErrors | EndPointErrors


def summary(collection: MetricCollection) -> dict[str, float]:
    """Return the scores since the last reset, by name.

    Scores of several classes, labels or numbers are averaged; those that are undefined, as
    `training.metrics` says, are left out of the average.

    Args:
        collection: metrics from `Targets.collection`.
    """
    values = collection.compute()
    return {name: float(value.nanmean()) for name, value in values.items() if name in ALL_SCORES}


def by_label(collection: MetricCollection, labels: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return the scores of each class, label or number since the last reset, by label and name.

    Args:
        collection: metrics from `Targets.collection`.
        labels: names of the model's outputs.

    Returns:
        Of each class of elements also its "iou" and, for "support", the number of "elements". Of
        each class or label its "precision", "recall", "f1" and "support" (the number of
        examples that have it) and, of a label, the average precision "map". Of each number its
        "mae", "rmse" and "r2", and the "baseline_mae" and "baseline_rmse" of predicting the mean;
        none for a single number. Of each part of a reconstruction its "psnr" and "baseline_psnr".
        Undefined scores are left out.
    """
    values: dict[str, Tensor] = {
        name: metric.compute()
        for name, metric in collection.items()
        if not isinstance(metric, Counts)
    }
    counts = _counts(collection)
    values |= counts.by_label() if counts else {}
    values = {name: value for name, value in values.items() if value.numel() > 1}
    return {
        label: {
            name: int(v[i]) if name in ("support", "elements") else float(v[i])
            for name, v in values.items()
            if not torch.isnan(v[i])
        }
        for i, label in enumerate(labels)
        if values
    }


def baseline(collection: MetricCollection, labels: tuple[str, ...]) -> dict[str, Any]:
    """Return the scores of a prediction that is the same for every example, since the last reset.

    Args:
        collection: metrics from `Targets.collection`.
        labels: names of the model's outputs.

    Returns:
        For classification: the most frequent class "label", and "top1", "macro_f1" and
        "balanced_accuracy" of always predicting it. For multilabel: "map", "macro_f1" and "f1" of
        predicting the labels that at least half of the examples have. For regression: "mae" and
        "rmse" of predicting the mean of the training split. For reconstruction: "psnr" of
        predicting the mean of the scored examples. For flow: "epe" and "over_1px" if nothing moved.
    """
    counts = _counts(collection)
    if isinstance(counts, ClassCounts):
        index, scores = counts.baseline()
        return {"label": labels[index], **scores}
    if counts is not None:
        return counts.baseline()
    return {
        name.removeprefix(BASELINE): float(metric.compute().mean())
        for name, metric in collection.items()
        if name.startswith(BASELINE)
    }


def _counts(collection: MetricCollection) -> Counts | None:
    counts = [m for m in collection.values() if isinstance(m, Counts)]
    return counts[0] if counts else None
