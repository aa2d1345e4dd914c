"""Metrics of each class, label or number, which add up over batches and devices.

Classes or labels that a split lacks: precision, recall and F1 of one that no example has and that
is predicted for none are undefined (NaN) and left out of the averages. If it is predicted for some,
its F1 is 0 and counts, and its recall is left out. The precision of a class that is never predicted
is 0. Macro F1 is thereby scikit-learn's `f1_score(average="macro")`, for several labels with
`zero_division=nan`, and balanced accuracy is its `balanced_accuracy_score`.
"""

import math
import warnings
from collections.abc import Mapping

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import (
    MulticlassStatScores,
    MultilabelAveragePrecision,
    MultilabelStatScores,
)
from torchmetrics.utilities import dim_zero_cat
from typing_extensions import override

# Shapes: K classes or labels.


class ClassCounts(MulticlassStatScores):
    """Macro F1 and balanced accuracy of K classes, from the numbers of right and wrong predictions.

    `compute` returns the F1 ("macro_f1") and the recall ("balanced_accuracy") of each class, (K,);
    their means over the classes that are not NaN are the scores.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average=None, validate_args=False)

    @override
    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        each = self.by_label()
        return {"macro_f1": each["f1"], "balanced_accuracy": each["recall"]}

    def by_label(self) -> dict[str, Tensor]:
        """Return precision, recall, F1 and the number of examples ("support"), (K,) each."""
        return _by_label(*self._final_state())

    def baseline(self) -> tuple[int, dict[str, float]]:
        """Return the most frequent class and the scores of always predicting it."""
        support = _by_label(*self._final_state())["support"]
        share = float(support.max() / support.sum())
        classes = int((support > 0).sum())
        macro_f1 = 2 * share / (1 + share) / classes
        scores = {"top1": share, "macro_f1": macro_f1, "balanced_accuracy": 1 / classes}
        return int(support.argmax()), scores


class ElementCounts(ClassCounts):
    """Mean IoU, macro F1 and accuracy of the classes of elements; those of -1 do not count.

    `compute` returns the IoU ("miou") and the F1 ("macro_f1") of each class, (K,), and the share of
    elements whose class is right ("accuracy"). The IoU of a class is NaN if no element has it and
    it is said of none.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int) -> None:
        MulticlassStatScores.__init__(
            self, num_classes, average=None, validate_args=False, ignore_index=-1
        )

    @override
    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        tp, _, _, fn = (count.double().sum() for count in self._final_state())
        each = self.by_label()
        return {"miou": each["iou"], "macro_f1": each["f1"], "accuracy": tp / (tp + fn)}

    @override
    def by_label(self) -> dict[str, Tensor]:
        """Return precision, recall, F1, IoU and the number of elements, (K,) each."""
        tp, fp, _, fn = (count.double() for count in self._final_state())
        found = super().by_label()
        elements = found.pop("support")
        return {**found, "iou": tp / (tp + fp + fn), "elements": elements}

    @override
    def baseline(self) -> tuple[int, dict[str, float]]:
        index, scores = super().baseline()
        share, classes = scores["top1"], round(1 / scores["balanced_accuracy"])
        return index, {
            "miou": share / classes, "macro_f1": scores["macro_f1"], "accuracy": share,
        }  # fmt: skip


class LabelCounts(MultilabelStatScores):
    """Micro and macro F1 of K labels at a probability of ½, from the numbers of right decisions.

    `compute` returns the F1 of all decisions together ("f1") and that of each label, (K,)
    ("macro_f1"), whose mean over the labels that are not NaN is the score.

    Args:
        num_labels: K.
    """

    def __init__(self, num_labels: int) -> None:
        super().__init__(num_labels, average=None, validate_args=False)

    @override
    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        tp, fp, _, fn = (count.double().sum() for count in self._final_state())
        return {"f1": (2 * tp / (2 * tp + fp + fn)).nan_to_num(0), **self._macro()}

    def by_label(self) -> dict[str, Tensor]:
        """Return precision, recall, F1 and the number of examples ("support"), (K,) each."""
        return _by_label(*self._final_state())

    def baseline(self) -> dict[str, float]:
        """Return the scores of predictions that are the same for every example.

        For F1 these are the labels that at least half of the examples have. A constant score of a
        label has its share of the examples as average precision.
        """
        tp, fp, tn, fn = (count.double() for count in self._final_state())
        support, count = tp + fn, tp + fp + tn + fn
        share = support / count
        f1 = torch.where(share >= 0.5, 2 * share / (1 + share), 0.0)
        chosen = share >= 0.5
        hits, predicted = support[chosen].sum(), count[chosen].sum()
        return {
            "map": float(share[support > 0].mean()),
            "macro_f1": float(f1[support > 0].mean()),
            "f1": float(2 * hits / (predicted + support.sum())),
        }

    def _macro(self) -> dict[str, Tensor]:
        return {"macro_f1": self.by_label()["f1"]}


class AveragePrecisions(MultilabelAveragePrecision):
    """The average precision of each label, (K,); NaN for a label that no example has.

    torchmetrics has 0 for such a label, with a warning.
    """

    @override
    def compute(self) -> Tensor:  # type: ignore[override]
        present = dim_zero_cat(self.target).sum(0) > 0
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No positive samples")
            values: Tensor = super().compute()
        return values.where(present, math.nan)


class SquaredErrors(Metric):
    """The peak signal-to-noise ratio of the parts of reconstructions, with a peak of 1.

    `compute` returns it in dB, (parts,) ("psnr"), from the mean squared error of all examples. The
    baseline predicts the mean of these examples, value by value.

    Args:
        shapes: queries and values of each part, by name.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, int]]) -> None:
        super().__init__()
        self.shapes = dict(shapes)
        for index, shape in enumerate(self.shapes.values()):
            zero = torch.zeros((), dtype=torch.float64)
            sums = torch.zeros(shape, dtype=torch.float64)
            for name, state in (("error", zero), ("count", zero), ("examples", zero)):
                self.add_state(f"{name}{index}", state.clone(), dist_reduce_fx="sum")
            self.add_state(f"sum{index}", sums, dist_reduce_fx="sum")
            self.add_state(f"squares{index}", zero.clone(), dist_reduce_fx="sum")

    @override
    def update(self, outputs: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> None:
        """Add the values of a batch, (B, O, K) by part; of some queries, without the baseline."""
        for index, (name, shape) in enumerate(self.shapes.items()):
            said, right = outputs[name].double(), truth[name].double()
            self._add(f"error{index}", (said - right).square().sum())
            self._add(f"count{index}", torch.tensor(right.numel(), device=right.device))
            if tuple(right.shape[1:]) == tuple(shape):
                self._add(f"examples{index}", torch.tensor(len(right), device=right.device))
                self._add(f"sum{index}", right.sum(0))
                self._add(f"squares{index}", right.square().sum())

    @override
    def compute(self) -> dict[str, Tensor]:
        parts = range(len(self.shapes))
        each = [getattr(self, f"error{i}") / getattr(self, f"count{i}") for i in parts]
        return {"psnr": psnr(torch.stack(each))}

    def baselines(self) -> Tensor:
        """Return the PSNR of the mean of the examples, (parts,); NaN of fewer than two."""
        found = []
        for index, shape in enumerate(self.shapes.values()):
            count, total = getattr(self, f"examples{index}"), getattr(self, f"sum{index}")
            scatter = getattr(self, f"squares{index}") - total.square().sum() / count
            error = scatter / (count * math.prod(shape))
            found.append(error.where(count > 1, math.nan))
        return psnr(torch.stack(found))

    def baseline(self) -> dict[str, float]:
        """Return the mean of `baselines`."""
        return {"psnr": float(self.baselines().nanmean())}

    def by_label(self) -> dict[str, Tensor]:
        """Return the PSNR and its baseline of each part, (parts,) each."""
        return {"psnr": self.compute()["psnr"], "baseline_psnr": self.baselines()}

    def _add(self, name: str, value: Tensor) -> None:
        setattr(self, name, getattr(self, name) + value)


class EndPointErrors(Metric):
    """The mean end-point error of a flow in pixels, and the share of pixels where it is above 1.

    `compute` returns both ("epe", "over_1px"). The baseline is the same if nothing moved. Pixels
    whose true motion is NaN do not count.
    """

    def __init__(self) -> None:
        super().__init__()
        for name in ("pixels", *(f"{kind}{part}" for kind in ("said", "still") for part in "01")):
            zero = torch.zeros((), dtype=torch.float64)
            self.add_state(name, zero, dist_reduce_fx="sum")

    @override
    def update(self, outputs: Tensor, truth: Tensor) -> None:
        """Add motions in pixels, (…, 2) each."""
        errors = {"said": (outputs - truth).norm(dim=-1), "still": truth.norm(dim=-1)}
        known = ~errors["still"].isnan()
        self.pixels += known.sum()
        for kind, error in errors.items():
            for part, values in enumerate((error, error > 1)):
                state = f"{kind}{part}"
                total = values.double().masked_fill(~known, 0.0).sum()
                setattr(self, state, getattr(self, state) + total)

    @override
    def compute(self) -> dict[str, Tensor]:
        return self._scores("said")

    def baseline(self) -> dict[str, float]:
        """Return the scores if nothing moved."""
        return {name: float(value) for name, value in self._scores("still").items()}

    def by_label(self) -> dict[str, Tensor]:
        """Return no scores: there is one output."""
        return {}

    def _scores(self, kind: str) -> dict[str, Tensor]:
        names = ("epe", "over_1px")
        return {n: getattr(self, f"{kind}{part}") / self.pixels for part, n in enumerate(names)}


def psnr(error: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of a mean squared error, in dB, with a peak of 1."""
    return -10 * error.clamp(min=1e-10).log10()


def _by_label(tp: Tensor, fp: Tensor, tn: Tensor, fn: Tensor) -> dict[str, Tensor]:
    """Return the scores of each class or label from its counts, (K,) each."""
    tp, predicted, support = tp.double(), (tp + fp).double(), (tp + fn).double()
    precision = (tp / predicted).where(predicted > 0, 0.0)
    return {
        "precision": precision.where(predicted + support > 0, math.nan),
        "recall": tp / support,
        "f1": 2 * tp / (predicted + support),
        "support": support,
    }
