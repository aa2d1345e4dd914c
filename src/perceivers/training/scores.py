"""The scores of each task: their names, formats and directions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..data.config import NUMBER_TASKS, Task
from ..data.labels import split_unit
from ..printing import formatted


@dataclass(frozen=True)
class Score:
    """A score by which models are judged."""

    name: str
    """Name in files, there after the split: top1 in val_top1."""
    title: str
    """Name in text and plots."""
    format_spec: str
    """Python format specification of the value; one that ends in % is for a share of 1."""
    higher_is_better: bool = True
    """Whether a higher value is better."""
    unit: str = ""
    """Unit of the value, if it has one."""
    short: str = ""
    """Name where there is little room; empty: the title."""

    def format(self, value: float) -> str:
        """Return the title, the value and the unit, such as "top-1 98.61%"."""
        return f"{self.title} {self.text(value)}"

    def text(self, value: float) -> str:
        """Return the value and the unit, such as "98.61%"."""
        return f"{formatted(value, self.format_spec)} {self.unit}".rstrip()

    def brief(self, value: float) -> str:
        """Return a short form with fewer digits, such as "F1 98.6%"."""
        share = self.format_spec.endswith("%")
        text = (
            f"{value:.1%}".replace("100.0%", "100%")
            if share
            else formatted(value, "#.3g").rstrip(".")
        )
        return f"{self.short or self.title} {text} {self.unit}".rstrip()

    @property
    def axis(self) -> str:
        """The axis label of a plot: the title and the unit."""
        unit = "%" if self.format_spec.endswith("%") else self.unit
        return f"{self.title}, {unit}" if unit else self.title


NEAREST = "nearest_"  # prefix of the scores of a rival of models of solids
LOSS = Score("loss", "loss", ".4f", higher_is_better=False)
MAE = Score("mae", "MAE", ".4g", higher_is_better=False)
RMSE = Score("rmse", "RMSE", ".4g", higher_is_better=False)
MACRO_F1 = Score("macro_f1", "macro F1", ".2%", short="F1")
ACCURACY = Score("accuracy", "accuracy", ".2%")
BITS = Score("bits_per_byte", "bits per byte", ".4f", higher_is_better=False)
HIDDEN_BITS = replace(BITS, title="bits per hidden byte", short="bits")
TOP5 = Score("top5", "top-5", ".2%")
COVERAGE = Score("coverage", "80% interval covers", ".1%", short="covers")
"""Of forecasts that are drawn; the other models of the task do not have it."""
TASK_SCORES: dict[Task, tuple[Score, ...]] = {
    "classification": (
        Score("top1", "top-1", ".2%"),
        MACRO_F1,
        TOP5,
        Score("balanced_accuracy", "balanced accuracy", ".2%", short="balanced"),
    ),
    "multilabel": (Score("map", "mAP", ".2%"), MACRO_F1, Score("f1", "micro F1", ".2%")),
    "regression": (MAE, RMSE, Score("r2", "R²", ".4f")),
    "language": (BITS,),
    "reconstruction": (Score("psnr", "PSNR", ".2f", unit="dB"),),
    "segmentation": (Score("miou", "mIoU", ".2%"), MACRO_F1, ACCURACY),
    "forecasting": (Score("mase", "MASE", ".4f", higher_is_better=False), MAE, RMSE),
    "masking": (HIDDEN_BITS, ACCURACY),
    "flow": (
        Score("epe", "end-point error", ".3f", higher_is_better=False, unit="px", short="EPE"),
        Score("over_1px", "over 1 px", ".2%", higher_is_better=False),
    ),
    "occupancy": (
        Score("iou", "IoU", ".2%"),
        ACCURACY,
        Score("kl", "KL divergence", ".4f", higher_is_better=False, short="KL"),
    ),
}
ALL_SCORES = {
    s.name: s for s in (LOSS, COVERAGE, *(s for scores in TASK_SCORES.values() for s in scores))
}


def scores_of(task: Task, labels: Sequence[str]) -> tuple[Score, ...]:
    """Return the scores of a task without the loss, the main score first.

    Args:
        task: classification has top-1, top-5 (of more than five classes: of five or fewer it is
            always 100%), macro F1 and balanced accuracy; multilabel has mAP, macro F1 and micro F1;
            regression has MAE, RMSE and R²; language has the bits per byte; segmentation has mIoU,
            macro F1 and accuracy; reconstruction has PSNR; forecasting has MASE, MAE and RMSE;
            masking has the bits per hidden byte, and the share of hidden bytes that are found; flow
            has the mean end-point error in pixels, and the share of pixels where it is above 1;
            occupancy has the IoU of the solids, the share of places near their surface that are
            told right, and the divergence of their codes.
        labels: names of the model's outputs. If all of them have the same unit, MAE and RMSE have
            it too.
    """
    scores = TASK_SCORES[task]
    if task == "classification" and len(labels) <= 5:
        return tuple(score for score in scores if score is not TOP5)
    units = {split_unit(label)[1] for label in labels}
    if task in NUMBER_TASKS and len(units) == 1:
        unit = units.pop()
        return tuple(replace(x, unit=unit) if x in (MAE, RMSE) else x for x in scores)
    return scores


LAST = "last"  # instead of a score to monitor: the weights of the last epoch are kept


def resolve_monitor(monitor: str, task: Task, validated: bool = True) -> str:
    """Return what "auto" stands for: macro F1, mIoU, IoU, the loss or `LAST`; others unchanged.

    The loss of a classifier on few validation examples is lowest long before its weights are the
    best: a few examples that it is wrongly sure of decide it (docs/log.md, 2026-11-26).

    Args:
        monitor: name of the score with its split, or "auto".
        task: task of the model.
        validated: whether there are validation examples.

    Raises:
        ValueError: a score is to be monitored, and there are no validation examples.
    """
    if not validated and monitor not in ("auto", LAST):
        raise ValueError(
            f"trainer.monitor={monitor} needs validation examples, and data.validation=0 holds out "
            f"none; set trainer.monitor to {LAST} to keep the weights of the last epoch"
        )
    if monitor != "auto":
        return monitor
    if not validated:
        return LAST
    own_first: tuple[Task, ...] = ("segmentation", "occupancy")
    main = {"classification": MACRO_F1, **{name: TASK_SCORES[name][0] for name in own_first}}
    return f"val_{main.get(task, LOSS).name}"


def monitored(monitor: str) -> Score:
    """Return the score of a name such as "val_loss"."""
    return ALL_SCORES[monitor.removeprefix("val_")]


def monitor_mode(monitor: str) -> str:
    """Return "min" or "max": which value of a monitored score such as "val_loss" is the best."""
    return "max" if monitored(monitor).higher_is_better else "min"


def check_monitor(monitor: str, task: Task, labels: Sequence[str]) -> None:
    """Check that a task has the monitored score.

    Args:
        monitor: name of the score with its split, such as "val_top1", or `LAST`.
        task: task of the model.
        labels: names of the model's outputs.

    Raises:
        ValueError: the score is not one of the task's.
    """
    known = [LAST, *(f"val_{score.name}" for score in (LOSS, *scores_of(task, labels)))]
    if monitor not in known:
        few = f" of {len(labels)} classes" if monitor == f"val_{TOP5.name}" else ""
        raise ValueError(
            f"trainer.monitor={monitor} is not a score of {task}{few}; expected {', '.join(known)}"
        )


def format_scores(
    task: Task, labels: Sequence[str], values: Mapping[str, float], prefix: str = ""
) -> str:
    """Format the scores of a task for people, such as "top-1 98.61%, macro F1 98.44%".

    Args:
        task: task of the model.
        labels: names of the model's outputs.
        values: values of the scores by name. Scores that are not there, as in the records of an
            earlier version, are left out.
        prefix: prefix of the names in `values`, such as "val_".
    """
    scores = [s for s in (*scores_of(task, labels), COVERAGE) if prefix + s.name in values]
    return ", ".join(score.format(values[prefix + score.name]) for score in scores)
