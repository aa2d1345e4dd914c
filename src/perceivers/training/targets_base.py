"""What the outputs of a model are compared with: the base class of the targets of each task."""

import abc
from typing import Any, ClassVar

from torch import Tensor
from torchmetrics import MeanMetric, Metric, MetricCollection

from ..data.examples import ExampleSet
from ..modalities import AugmentationConfig, modality_of
from ..models.base import PerceiverModel
from ..models.config import task_of
from .scores import LOSS, scores_of

BASELINE = "baseline_"  # prefix of the metrics of a prediction that is the same for every example


class Targets(abc.ABC):
    """The loss and the scores of a task, for the outputs of one model.

    Outputs are what `PerceiverModel.respond` returns: (B, K) of a classifier, (B, O, K) of a model
    of Perceiver IO. The truth that they are compared with comes from the labels of the data, or
    from the examples themselves; see `truth`.

    Args:
        model: model of this task.
    """

    uses_label_smoothing: ClassVar[bool] = False
    """Whether the loss uses label smoothing."""
    labels_move: ClassVar[bool] = False
    """Whether labels belong to elements, with which augmentation moves or drops them."""

    def __init__(self, model: PerceiverModel) -> None:
        self.model = model
        self.task = task_of(model.config)
        self.num_outputs = len(model.labels)
        self.scores = (LOSS, *scores_of(self.task, model.labels))

    def measure(self, examples: ExampleSet) -> None:  # noqa: B027
        """Set the constants of the model that depend on the targets; most tasks have none.

        Args:
            examples: the training split.

        Raises:
            ValueError: nothing can be learnt from the labels.
        """

    def augment(
        self, examples: Any, labels: Tensor, augmentation: AugmentationConfig
    ) -> tuple[Any, Tensor]:
        """Augment a batch for training, and its labels where they move with the examples.

        Args:
            examples: raw batch.
            labels: labels as in the data, (B, …).
            augmentation: which augmentations, and how strong.
        """
        inputs = self.model.config.input
        modality = modality_of(inputs)
        if self.labels_move:
            moved: tuple[Any, Tensor]
            moved = modality.augment_labelled(examples, labels, inputs, augmentation)
            return moved
        return modality.augment(examples, inputs, augmentation), labels

    def hide(self, examples: Any, labels: Tensor, seed: int) -> tuple[Any, Tensor]:
        """Hide what the model has to find in a batch, in training and in scores; default: nothing.

        Args:
            examples: raw batch, after augmentation.
            labels: labels as in the data, (B, …).
            seed: decides what is hidden.

        Returns:
            The examples as the model reads them, and the labels.
        """
        return examples, labels

    def truth(self, examples: Any, labels: Tensor) -> Any:
        """Return what the outputs for a batch are compared with: its labels.

        A task whose targets are part of the inputs makes them here.

        Args:
            examples: raw batch as the model reads it, after augmentation.
            labels: labels as in the data, (B, …).
        """
        return labels

    def as_floats(self, truth: Any) -> Any:
        """Return the truth in a form of which weighted sums are targets too.

        Args:
            truth: result of `truth`.
        """
        return truth

    def draw(self, truth: Any) -> Any:
        """Draw the outputs that a training step computes; None: all of them.

        Args:
            truth: result of `truth`.
        """
        return None

    def at(self, truth: Any, at: Any) -> Any:
        """Return the truth of the outputs that were drawn.

        Args:
            truth: result of `truth` or `as_floats`.
            at: result of `draw`.
        """
        return truth

    def asked(self, truth: Any, at: Any) -> Any:
        """Return what the model is asked for: see `PerceiverIOModel.respond`; None: all outputs.

        Args:
            truth: result of `at`.
            at: result of `draw`.
        """
        return at

    @property
    def names(self) -> tuple[str, ...]:
        """Names of what has scores of its own: the outputs, or parts of the outputs."""
        return self.model.labels

    @abc.abstractmethod
    def loss(self, outputs: Any, targets: Any, smoothing: float = 0.0) -> Tensor:
        """Return the mean loss of a batch.

        Args:
            outputs: outputs of the model.
            targets: result of `truth` or `as_floats`.
            smoothing: label smoothing; ignored unless `uses_label_smoothing`.
        """

    def over_clips(self, outputs: Any, count: int) -> Any:
        """Average the outputs of several clips of each example.

        Args:
            outputs: outputs for B examples, or for the clips of B examples, B·clips.
            count: B.

        Returns:
            Outputs for B examples.
        """
        return outputs

    @abc.abstractmethod
    def metrics(self) -> dict[str, Metric]:
        """Return new metrics, by name, that compute the scores (but the loss) and the baseline."""

    @abc.abstractmethod
    def metric_inputs(self, name: str, outputs: Any, truth: Any) -> tuple[Tensor, Tensor]:
        """Return predictions and targets in the form that a metric expects.

        Args:
            name: name of the metric.
            outputs: outputs of the model.
            truth: result of `truth`.
        """

    def collection(self) -> MetricCollection:
        """Return new metrics for the loss and all scores of a split."""
        loss = MeanMetric(nan_strategy="ignore")
        return MetricCollection({"loss": loss, **self.metrics()}, compute_groups=False)

    def weight(self, truth: Any) -> int:
        """Return the weight of the loss of a batch in the mean over a split: its examples."""
        return len(truth)

    def kept(self, outputs: Any, truth: Any) -> tuple[Any, Any]:
        """Return what is kept of the outputs and the truth of a scored batch, for its report.

        Args:
            outputs: outputs of the model.
            truth: result of `truth`.

        Returns:
            Two tensors (B, …), or lists of B tensors.
        """
        return outputs.cpu(), truth.cpu()

    def rivals(self, examples: ExampleSet) -> dict[str, float]:
        """Return scores of other predictions, by name, that the model is compared with.

        Args:
            examples: the examples that the model is scored on.
        """
        return {}

    def update(self, collection: MetricCollection, outputs: Any, truth: Any, loss: Tensor) -> None:
        """Add a batch to the metrics of a split.

        Args:
            collection: metrics from `collection`.
            outputs: outputs of the model, detached.
            truth: result of `truth`.
            loss: mean loss of the batch.
        """
        collection["loss"].update(loss.detach(), weight=self.weight(truth))
        for name, metric in collection.items():
            if name != "loss":
                metric.update(*self.metric_inputs(name, outputs, truth))
