"""What a model's outputs are compared with: the loss and the scores of each task."""

import abc
import math
import warnings
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MeanAbsoluteError, MeanMetric, Metric, MetricCollection, R2Score
from torchmetrics.classification import (
    MulticlassAccuracy,
    MultilabelAveragePrecision,
    MultilabelF1Score,
)
from torchmetrics.utilities import dim_zero_cat

from ..data.config import Task
from ..models.classifier import PerceiverClassifier, TargetScale
from .scores import LOSS, scores_of

# B batch · K num_classes: classes, labels or numbers


class Targets(abc.ABC):
    """The targets of a task.

    Args:
        model: whose outputs (B, K) they are compared with.
    """

    smoothed: ClassVar[bool] = False
    """Whether label smoothing means anything."""

    def __init__(self, model: PerceiverClassifier) -> None:
        self.model = model
        self.width = model.config.num_classes
        self.scores = (LOSS, *scores_of(model.config.task, model.labels))

    def measure(self, labels: Tensor) -> None:  # noqa: B027
        """Give the model the constants of the training split's labels, if it has any."""

    @abc.abstractmethod
    def as_floats(self, labels: Tensor) -> Tensor:
        """A batch's labels as float (B, K), of which weighted sums are targets too."""

    @abc.abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """Mean over the batch, of targets as they are in the data or `mixable`."""

    @abc.abstractmethod
    def metrics(self) -> dict[str, Metric]:
        """Empty metrics by the names of the scores, without the loss."""

    @abc.abstractmethod
    def metric_inputs(self, name: str, outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """What the metric of that name compares."""

    def collection(self) -> MetricCollection:
        """Empty metrics of a split."""
        loss = MeanMetric(nan_strategy="ignore")
        return MetricCollection({"loss": loss, **self.metrics()}, compute_groups=False)

    def update(
        self, collection: MetricCollection, outputs: Tensor, labels: Tensor, loss: Tensor
    ) -> None:
        """Count a batch in, its labels as they are in the data."""
        collection["loss"].update(loss.detach(), weight=len(labels))
        for score in self.scores[1:]:
            metric_inputs = self.metric_inputs(score.name, outputs.detach(), labels)
            collection[score.name].update(*metric_inputs)


class ClassTargets(Targets):
    """Labels int64 (B,): cross-entropy, top-1 and top-5."""

    smoothed = True

    def as_floats(self, labels: Tensor) -> Tensor:
        """One-hot."""
        return F.one_hot(labels, self.width).float()

    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """Cross-entropy, `smoothing` of it with the even distribution over all classes."""
        return F.cross_entropy(outputs, targets, label_smoothing=smoothing)

    def metrics(self) -> dict[str, Metric]:
        """Shares of examples whose class is the likeliest, or among the five likeliest."""
        top = {"top1": 1, "top5": min(5, self.width)}
        return {
            name: MulticlassAccuracy(self.width, top_k=k, average="micro")
            for name, k in top.items()
        }

    def metric_inputs(self, name: str, outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and classes."""
        return outputs, labels


class LabelTargets(Targets):
    """Labels (B, K) of 0 and 1: binary cross-entropy, mAP and micro F1."""

    def as_floats(self, labels: Tensor) -> Tensor:
        """As they are."""
        return labels.float()

    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """Binary cross-entropy of every label, its mean."""
        return F.binary_cross_entropy_with_logits(outputs, targets.float())

    def metrics(self) -> dict[str, Metric]:
        """Mean over labels of the average precision; F1 of all decisions at a probability of ½."""
        return {
            "map": AveragePrecisions(self.width, average=None),
            "f1": MultilabelF1Score(self.width, average="micro"),
        }

    def metric_inputs(self, name: str, outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (torchmetrics would take logits within [0, 1] for such) and labels."""
        return outputs.sigmoid(), labels.long()


class NumberTargets(Targets):
    """Labels (B,) or (B, K) in the data's units: squared error of what is standardised; MAE, R²."""

    def __init__(self, model: PerceiverClassifier) -> None:
        super().__init__(model)
        assert isinstance(model.target_scale, TargetScale)
        self.scale = model.target_scale

    def measure(self, labels: Tensor) -> None:
        """Mean and standard deviation; ValueError if a number never varies."""
        targets = self.as_floats(labels)
        for name, column in zip(self.model.labels, targets.T, strict=True):
            if (column == column[0]).all():
                raise ValueError(
                    f"label {name!r} is {column[0].item():g} for every training example; there is "
                    "nothing to learn: leave it out"
                )
        self.scale.measure(targets)

    def as_floats(self, labels: Tensor) -> Tensor:
        """As they are, (B, K)."""
        return labels.float().view(-1, self.width)

    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """Mean squared error in standard deviations of the training split."""
        return ((outputs - self.as_floats(targets)) / self.scale.std).square().mean()

    def metrics(self) -> dict[str, Metric]:
        """Mean absolute error and the share of variance explained, of each number."""
        return {
            "mae": MeanAbsoluteError(num_outputs=self.width),
            "r2": R2Score(multioutput="raw_values"),
        }

    def metric_inputs(self, name: str, outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers in their units; of R², whose sums of squares lose digits, standardised ones."""
        targets = self.as_floats(labels)
        if name == "r2":
            mean, std = self.scale.mean, self.scale.std
            return (outputs - mean) / std, (targets - mean) / std
        return outputs, targets


class AveragePrecisions(MultilabelAveragePrecision):
    """Of each label; NaN where no example has it (torchmetrics: 0, with a warning)."""

    def compute(self) -> Tensor:  # type: ignore[override]
        """(K,)."""
        there = dim_zero_cat(self.target).sum(0) > 0
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No positive samples")
            values: Tensor = super().compute()
        return values.where(there, math.nan)


TARGETS: dict[Task, type[Targets]] = {
    "classification": ClassTargets,
    "multilabel": LabelTargets,
    "regression": NumberTargets,
}


def targets_of(model: PerceiverClassifier) -> Targets:
    """What the outputs of a model are compared with."""
    return TARGETS[model.config.task](model)


def summary(collection: MetricCollection) -> dict[str, float]:
    """The scores gathered since the last reset, those of several labels or numbers averaged.

    Labels that no example has are left out of the average.
    """
    return {name: float(value.nanmean()) for name, value in collection.compute().items()}


def by_label(collection: MetricCollection, labels: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """The scores of each label or number; of one that no example has, none."""
    values = {name: value for name, value in collection.compute().items() if value.numel() > 1}
    return {
        label: {name: float(v[i]) for name, v in values.items() if not torch.isnan(v[i])}
        for i, label in enumerate(labels)
        if values
    }
