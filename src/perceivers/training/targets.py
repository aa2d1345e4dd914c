"""Loss and scores of each task."""

import abc
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import (
    MeanAbsoluteError,
    MeanMetric,
    MeanSquaredError,
    Metric,
    MetricCollection,
    R2Score,
)
from torchmetrics.classification import MulticlassAccuracy
from typing_extensions import override

from ..data.config import Task
from ..models.classifier import PerceiverClassifier, TargetScale
from .metrics import AveragePrecisions, ClassCounts, LabelCounts
from .scores import LOSS, scores_of

# Shapes: B examples in a batch, K outputs (`num_classes`: classes, labels or numbers).

BASELINE = "baseline_"  # prefix of the metrics of a prediction that is the same for every example


class Targets(abc.ABC):
    """The loss and the scores of a task, for the outputs of one model.

    Args:
        model: model with outputs (B, K).
    """

    uses_label_smoothing: ClassVar[bool] = False
    """Whether the loss uses label smoothing."""

    def __init__(self, model: PerceiverClassifier) -> None:
        self.model = model
        self.num_outputs = model.config.num_classes
        self.scores = (LOSS, *scores_of(model.config.task, model.labels))

    def measure(self, labels: Tensor) -> None:  # noqa: B027
        """Set the constants of the model that depend on the labels; most tasks have none.

        Args:
            labels: labels of the training split, (examples, …).

        Raises:
            ValueError: nothing can be learnt from the labels.
        """

    @abc.abstractmethod
    def as_floats(self, labels: Tensor) -> Tensor:
        """Return labels as float targets (B, K), of which weighted sums are targets too.

        Args:
            labels: labels of a batch, as in the data.
        """

    @abc.abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """Return the mean loss of a batch.

        Args:
            outputs: outputs of the model, (B, K).
            targets: labels as in the data, or targets (B, K) made from them by `as_floats`.
            smoothing: label smoothing; ignored unless `uses_label_smoothing`.
        """

    @abc.abstractmethod
    def metrics(self) -> dict[str, Metric]:
        """Return new metrics, by name, that compute the scores (but the loss) and the baseline."""

    @abc.abstractmethod
    def metric_inputs(self, name: str, outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return predictions and targets in the form that a metric expects.

        Args:
            name: name of the metric.
            outputs: outputs of the model, (B, K).
            labels: labels as in the data.
        """

    def collection(self) -> MetricCollection:
        """Return new metrics for the loss and all scores of a split."""
        loss = MeanMetric(nan_strategy="ignore")
        return MetricCollection({"loss": loss, **self.metrics()}, compute_groups=False)

    def update(
        self, collection: MetricCollection, outputs: Tensor, labels: Tensor, loss: Tensor
    ) -> None:
        """Add a batch to the metrics of a split.

        Args:
            collection: metrics from `collection`.
            outputs: outputs of the model, (B, K).
            labels: labels as in the data.
            loss: mean loss of the batch.
        """
        collection["loss"].update(loss.detach(), weight=len(labels))
        for name, metric in collection.items():
            if name != "loss":
                metric.update(*self.metric_inputs(name, outputs.detach(), labels))


class ClassTargets(Targets):
    """Classification, with labels int64 (B,).

    The loss is the cross-entropy with label smoothing. The scores are the shares of examples whose
    class is the likeliest (top-1) or among the five likeliest (top-5, of more than five classes),
    and the means over classes of the F1 score (macro F1) and of the recall (balanced accuracy).
    """

    uses_label_smoothing = True

    @override
    def as_floats(self, labels: Tensor) -> Tensor:
        return F.one_hot(labels, self.num_outputs).float()

    @override
    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        return F.cross_entropy(outputs, targets, label_smoothing=smoothing)

    @override
    def metrics(self) -> dict[str, Metric]:
        top = {"top1": 1, **({"top5": 5} if self.num_outputs > 5 else {})}
        shares = {
            name: MulticlassAccuracy(
                self.num_outputs, top_k=k, average="micro", validate_args=False
            )
            for name, k in top.items()
        }
        return {**shares, "counts": ClassCounts(self.num_outputs)}

    @override
    def metric_inputs(self, name: str, outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return outputs, labels


class LabelTargets(Targets):
    """Multi-label classification, with labels (B, K) of 0 and 1.

    The loss is the mean binary cross-entropy of all labels. The scores are the mean over labels of
    the average precision (mAP) and of the F1 score at a probability of ½ (macro F1), and the F1
    score of all decisions (micro F1).
    """

    @override
    def as_floats(self, labels: Tensor) -> Tensor:
        return labels.float()

    @override
    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs, targets.float())

    @override
    def metrics(self) -> dict[str, Metric]:
        return {
            "map": AveragePrecisions(self.num_outputs, average=None),
            "counts": LabelCounts(self.num_outputs),
        }

    @override
    def metric_inputs(self, name: str, outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        # torchmetrics takes logits for probabilities if all of them lie in [0, 1].
        return outputs.sigmoid(), labels.long()


class NumberTargets(Targets):
    """Regression, with labels (B,) or (B, K) in the units of the data, in float64.

    The loss is the mean squared error in standard deviations of the training split. The scores are
    the mean absolute error and the root of the mean squared error in the units of the data (MAE,
    RMSE), and the explained share of the variance (R²), of each number. The baseline predicts the
    mean of the training split.
    """

    def __init__(self, model: PerceiverClassifier) -> None:
        super().__init__(model)
        assert isinstance(model.target_scale, TargetScale)
        self.scale = model.target_scale

    @override
    def measure(self, labels: Tensor) -> None:
        targets = self.as_floats(labels)
        for name, column in zip(self.model.labels, targets.T, strict=True):
            if (column == column[0]).all():
                raise ValueError(
                    f"label {name!r} is {column[0].item():g} for every training example, so there "
                    "is nothing to learn; leave the label out"
                )
        self.scale.measure(targets)

    @override
    def as_floats(self, labels: Tensor) -> Tensor:
        return labels.double().view(-1, self.num_outputs)

    @override
    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        errors = (outputs - self.as_floats(targets)) / self.scale.std
        return errors.float().square().mean()

    @override
    def metrics(self) -> dict[str, Metric]:
        return {
            **{
                f"{prefix}{name}": metric
                for prefix in ("", BASELINE)
                for name, metric in (
                    ("mae", MeanAbsoluteError(num_outputs=self.num_outputs)),
                    ("rmse", MeanSquaredError(squared=False, num_outputs=self.num_outputs)),
                )
            },
            "r2": R2Score(multioutput="raw_values"),
        }

    @override
    def metric_inputs(self, name: str, outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        targets = self.as_floats(labels)
        mean, std = self.scale.mean, self.scale.std
        if name == "r2":  # standardised, because its sums of squares would lose digits
            return ((outputs - mean) / std).float(), ((targets - mean) / std).float()
        if name.startswith(BASELINE):
            outputs = mean.expand_as(targets)
        # Differences of float64 are exact enough for float32, in which the metrics add up.
        return (outputs - targets).float(), torch.zeros_like(targets, dtype=torch.float32)


TARGETS: dict[Task, type[Targets]] = {
    "classification": ClassTargets,
    "multilabel": LabelTargets,
    "regression": NumberTargets,
}


def targets_of(model: PerceiverClassifier) -> Targets:
    """Return the loss and the scores of a model's task."""
    return TARGETS[model.config.task](model)
