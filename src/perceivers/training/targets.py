"""Loss and scores of each task."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import (
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    R2Score,
)
from torchmetrics.classification import MulticlassAccuracy
from typing_extensions import override

from ..data.config import Task
from ..data.examples import ExampleSet
from ..models.base import PerceiverModel
from ..models.classifier import PerceiverClassifier, TargetScale
from ..models.config import task_of
from ..models.outputs import average_clips
from ..models.perceiver_ar_forecast import PerceiverARForecaster
from .element_targets import ElementTargets
from .flow_targets import FlowTargets
from .forecast_targets import ForecastTargets
from .language import LanguageTargets
from .masking import MaskingTargets
from .metrics import AveragePrecisions, ClassCounts, LabelCounts
from .occupancy_targets import OccupancyTargets
from .path_targets import PathTargets
from .targets_base import BASELINE, Targets
from .value_targets import ValueTargets

# Shapes: B examples in a batch, K outputs (`num_classes`: classes, labels or numbers).


class ExampleTargets(Targets):
    """Tasks with one row of outputs (B, K) and one row of labels for each example."""

    @override
    def over_clips(self, outputs: Tensor, count: int) -> Tensor:
        clips = len(outputs) // count
        if clips == 1:
            return outputs
        return average_clips(outputs.unflatten(0, (-1, clips)), self.task)


class ClassTargets(ExampleTargets):
    """Classification, with labels int64 (B,).

    The loss is the cross-entropy with label smoothing. The scores are the shares of examples whose
    class is the likeliest (top-1) or among the five likeliest (top-5, of more than five classes),
    and the means over classes of the F1 score (macro F1) and of the recall (balanced accuracy).
    """

    uses_label_smoothing = True

    @override
    def as_floats(self, truth: Tensor) -> Tensor:
        return F.one_hot(truth, self.num_outputs).float()

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
    def metric_inputs(self, name: str, outputs: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        return outputs, truth


class LabelTargets(ExampleTargets):
    """Multi-label classification, with labels (B, K) of 0 and 1.

    The loss is the mean binary cross-entropy of all labels. The scores are the mean over labels of
    the average precision (mAP) and of the F1 score at a probability of ½ (macro F1), and the F1
    score of all decisions (micro F1).
    """

    @override
    def as_floats(self, truth: Tensor) -> Tensor:
        return truth.float()

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
    def metric_inputs(self, name: str, outputs: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        # torchmetrics takes logits for probabilities if all of them lie in [0, 1].
        return outputs.sigmoid(), truth.long()


class NumberTargets(ExampleTargets):
    """Regression, with labels (B,) or (B, K) in the units of the data, in float64.

    The loss is the mean squared error in standard deviations of the training split. The scores are
    the mean absolute error and the root of the mean squared error in the units of the data (MAE,
    RMSE), and the explained share of the variance (R²), of each number. The baseline predicts the
    mean of the training split.
    """

    def __init__(self, model: PerceiverModel) -> None:
        super().__init__(model)
        assert isinstance(model, PerceiverClassifier)
        assert isinstance(model.target_scale, TargetScale)
        self.scale = model.target_scale

    @override
    def measure(self, examples: ExampleSet) -> None:
        targets = self.as_floats(examples.labels)
        for name, column in zip(self.model.labels, targets.T, strict=True):
            if (column == column[0]).all():
                raise ValueError(
                    f"label {name!r} is {column[0].item():g} for every training example, so there "
                    "is nothing to learn; leave the label out"
                )
        self.scale.measure(targets)

    @override
    def as_floats(self, truth: Tensor) -> Tensor:
        return truth.double().view(-1, self.num_outputs)

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
    def metric_inputs(self, name: str, outputs: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        targets = self.as_floats(truth)
        mean, std = self.scale.mean, self.scale.std
        if name == "r2":  # standardised, because its sums of squares would lose digits
            return ((outputs - mean) / std).float(), ((targets - mean) / std).float()
        if name.startswith(BASELINE):
            outputs = mean.expand_as(targets)
        # Differences of float64 are exact enough for float32, in which the metrics add up.
        return (outputs - targets).float(), torch.zeros_like(targets, dtype=torch.float32)


def _forecast_targets(model: PerceiverModel) -> Targets:
    kind = PathTargets if isinstance(model, PerceiverARForecaster) else ForecastTargets
    return kind(model)


TARGETS: dict[Task, Callable[[PerceiverModel], Targets]] = {
    "classification": ClassTargets,
    "multilabel": LabelTargets,
    "regression": NumberTargets,
    "language": LanguageTargets,
    "segmentation": ElementTargets,
    "reconstruction": ValueTargets,
    "forecasting": _forecast_targets,
    "masking": MaskingTargets,
    "flow": FlowTargets,
    "occupancy": OccupancyTargets,
}


def targets_of(model: PerceiverModel) -> Targets:
    """Return the loss and the scores of a model's task.

    Raises:
        ValueError: the model has no task that it can be trained for.
    """
    return TARGETS[task_of(model.config)](model)
