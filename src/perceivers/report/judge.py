"""What the outputs of a model say: probabilities, calibration, mistakes and doubtful labels."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.config import Task
from ..models.base import PerceiverModel
from ..models.classifier import PerceiverClassifier, TargetScale
from ..models.config import task_of
from ..models.outputs import values_of

# n examples · K outputs

BINS = 15  # of a calibration plot (arXiv 1706.04599)
LIKELY = 0.5  # a label is predicted from this probability on


@dataclass(frozen=True)
class Judged:
    """The predictions of a model for the examples of a split, beside the truth."""

    task: Task
    """Task of the model."""
    names: tuple[str, ...]
    """Names of the outputs."""
    truth: Tensor
    """Classes (n,), labels (n, K) of 0 and 1, or numbers (n, K)."""
    values: Tensor
    """Probabilities, or numbers in their units, (n, K)."""
    loss: Tensor
    """How wrong each prediction is, (n,): the loss of the example, for numbers the mean absolute
    error in standard deviations of the training data."""
    wrong: Tensor
    """Whether each prediction is wrong, boolean (n,); numbers are all counted as wrong."""

    @property
    def predicted(self) -> Tensor:
        """The predicted class (n,), labels (n, K) of 0 and 1, or numbers (n, K)."""
        if self.task == "classification":
            return self.values.argmax(1)
        return (self.values >= LIKELY).long() if self.task == "multilabel" else self.values

    def worst(self, count: int) -> list[int]:
        """Return the wrong predictions, the worst first."""
        order = self.loss.argsort(descending=True, stable=True)
        return order[self.wrong[order]][:count].tolist()

    def samples(self, count: int) -> list[int]:
        """Return some right predictions, evenly spaced; of numbers the best."""
        if self.task == "regression":
            return self.loss.argsort(stable=True)[:count].tolist()
        right = (~self.wrong).nonzero()[:, 0]
        places = torch.linspace(0, max(0, len(right) - 1), count + 2)[1:-1].round().long()
        return list(dict.fromkeys(right[places].tolist())) if len(right) else []


def judge(model: PerceiverModel, outputs: Tensor, labels: Tensor) -> Judged:
    """Compare outputs with labels.

    Args:
        model: the model that they come from.
        outputs: logits or numbers, (n, K).
        labels: labels as in the data, (n, …).
    """
    task, names = task_of(model.config), model.labels
    values = values_of(outputs.double(), task)
    if task == "classification":
        loss = F.cross_entropy(outputs.double(), labels, reduction="none")
        return Judged(task, names, labels, values, loss, values.argmax(1) != labels)
    if task == "multilabel":
        truth = labels.long()
        each = F.binary_cross_entropy_with_logits(
            outputs.double(), truth.double(), reduction="none"
        )
        wrong = ((values >= LIKELY).long() != truth).any(1)
        return Judged(task, names, truth, values, each.mean(1), wrong)
    truth = labels.double().view(len(values), -1)
    assert isinstance(model, PerceiverClassifier)
    assert isinstance(model.target_scale, TargetScale)
    loss = ((values - truth).abs() / model.target_scale.std.cpu()).mean(1)
    return Judged(task, names, truth, values, loss, torch.ones(len(values), dtype=torch.bool))


@dataclass(frozen=True)
class Calibration:
    """How often predictions of some confidence are right."""

    confidence: Tensor
    """Mean probability of the predictions in each bin, (BINS,); NaN for an empty bin."""
    share: Tensor
    """Share of them that is right (of labels: present), (BINS,); NaN for an empty bin."""
    counts: Tensor
    """Number of them, (BINS,)."""

    @property
    def error(self) -> float:
        """The expected calibration error: the mean gap between both, weighted by the counts."""
        gaps = (self.confidence - self.share).abs().nan_to_num()
        return float((gaps * self.counts).sum() / self.counts.sum())


def calibration(judged: Judged) -> Calibration:
    """Group predictions by confidence in bins of one width (arXiv 1706.04599).

    For classification the confidence is the probability of the predicted class; for labels, each
    probability of each label counts.
    """
    if judged.task == "classification":
        confidence, right = judged.values.max(1).values, ~judged.wrong
    else:
        confidence, right = judged.values.flatten(), judged.truth.flatten() == 1
    bins = (confidence * BINS).long().clamp(max=BINS - 1)
    counts = torch.bincount(bins, minlength=BINS)
    sums = torch.zeros(2, BINS, dtype=torch.float64)
    sums[0].index_add_(0, bins, confidence)
    sums[1].index_add_(0, bins, right.double())
    return Calibration(sums[0] / counts, sums[1] / counts, counts)


@dataclass(frozen=True)
class Pair:
    """Two classes, and how often one was said for the other."""

    truth: int
    said: int
    count: int


def confused(judged: Judged, count: int) -> list[Pair]:
    """Return the pairs of classes that are confused most often."""
    classes = len(judged.names)
    codes = judged.truth[judged.wrong] * classes + judged.predicted[judged.wrong]
    found, counts = codes.unique(return_counts=True)
    order = counts.argsort(descending=True, stable=True)[:count]
    pairs = zip(found[order].tolist(), counts[order].tolist(), strict=True)
    return [Pair(code // classes, code % classes, number) for code, number in pairs]


@dataclass(frozen=True)
class Doubt:
    """A label that is probably wrong."""

    index: int
    """The example."""
    output: int
    """The class that is probably right, or the label that is probably missing or too many."""
    margin: float
    """Probability of what is probably right, less that of the label given."""


def doubtful_labels(judged: Judged) -> list[Doubt]:
    """Return the labels that are probably wrong, the most doubtful first.

    As in confident learning (arXiv 1911.00068): the threshold of a class is the mean probability
    of the class over the examples that are labelled with it. A label is doubtful if another class
    is more probable and reaches its threshold. For several labels, the presence and the absence of
    each are two such classes. Numbers have none.
    """
    values, truth = judged.values, judged.truth
    if judged.task == "classification":
        given = F.one_hot(truth, values.shape[1]).bool()
        counts = given.sum(0)
        thresholds = (values * given).sum(0) / counts
        reached = values.where((values >= thresholds) & (counts > 0), -1.0)
        best, other = reached.max(1)
        own = values.gather(1, truth[:, None])[:, 0]
        chosen = (best > own).nonzero()[:, 0]
        found = [Doubt(i, int(other[i]), float(best[i] - own[i])) for i in chosen.tolist()]
    elif judged.task == "multilabel":
        present = truth == 1
        mean = torch.where(present, values, 0).sum(0) / present.sum(0)
        mean_absent = torch.where(present, 0, 1 - values).sum(0) / (~present).sum(0)
        flipped = torch.where(present, 1 - values, values)
        limits = torch.where(present, mean_absent, mean)
        rows, columns = ((flipped >= limits) & (flipped > LIKELY)).nonzero(as_tuple=True)
        found = [
            Doubt(i, k, float(2 * flipped[i, k] - 1))
            for i, k in zip(rows.tolist(), columns.tolist(), strict=True)
        ]
    else:
        return []
    return sorted(found, key=lambda doubt: -doubt.margin)
