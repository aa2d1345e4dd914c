"""The scores of each task: their names, formats and directions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..data.config import Task
from ..data.labels import split_unit


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

    def format(self, value: float) -> str:
        """Return the title, the value and the unit, such as "top-1 98.61%"."""
        return f"{self.title} {value:{self.format_spec}} {self.unit}".rstrip()

    @property
    def axis(self) -> str:
        """The axis label of a plot: the title and the unit."""
        unit = "%" if self.format_spec.endswith("%") else self.unit
        return f"{self.title}, {unit}" if unit else self.title


LOSS = Score("loss", "loss", ".4f", higher_is_better=False)
MAE = Score("mae", "MAE", ".4g", higher_is_better=False)
TASK_SCORES: dict[Task, tuple[Score, ...]] = {
    "classification": (Score("top1", "top-1", ".2%"), Score("top5", "top-5", ".2%")),
    "multilabel": (Score("map", "mAP", ".2%"), Score("f1", "micro F1", ".2%")),
    "regression": (MAE, Score("r2", "R²", ".4f")),
}


def scores_of(task: Task, labels: Sequence[str]) -> tuple[Score, ...]:
    """Return the scores of a task without the loss, the main score first.

    Args:
        task: classification has top-1 and top-5, multilabel has mAP and micro F1, regression has
            MAE and R².
        labels: names of the model's outputs. If all of them have the same unit, the MAE has it too.
    """
    units = {split_unit(label)[1] for label in labels}
    scores = TASK_SCORES[task]
    if task == "regression" and len(units) == 1:
        scores = (replace(MAE, unit=units.pop()), *scores[1:])
    return scores


def monitor_mode(monitor: str) -> str:
    """Return "min" or "max": which value of a monitored score such as "val_loss" is the best."""
    scores = (LOSS, *(score for scores in TASK_SCORES.values() for score in scores))
    by_monitor = {f"val_{score.name}": score for score in scores}
    return "max" if by_monitor[monitor].higher_is_better else "min"


def check_monitor(monitor: str, task: Task) -> None:
    """Check that a task has the monitored score.

    Args:
        monitor: name of the score with its split, such as "val_top1".
        task: task of the model.

    Raises:
        ValueError: the score is not one of the task's.
    """
    known = [f"val_{score.name}" for score in (LOSS, *TASK_SCORES[task])]
    if monitor not in known:
        raise ValueError(
            f"trainer.monitor={monitor} is not a score of {task}; expected {', '.join(known)}"
        )


def format_scores(
    task: Task, labels: Sequence[str], values: Mapping[str, float], prefix: str = ""
) -> str:
    """Format the scores of a task for people, such as "top-1 98.61%, top-5 100.00%".

    Args:
        task: task of the model.
        labels: names of the model's outputs.
        values: values of the scores by name.
        prefix: prefix of the names in `values`, such as "val_".
    """
    scores = scores_of(task, labels)
    return ", ".join(score.format(values[prefix + score.name]) for score in scores)
