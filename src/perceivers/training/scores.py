"""The scores of each task: how they are called, written and compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..data.config import Task
from ..data.labels import split_unit


@dataclass(frozen=True)
class Score:
    """A score by which models are judged."""

    name: str
    """In files, after the split: val_top1."""
    title: str
    """In what people read."""
    form: str
    """Its format; with % it is a share of 1."""
    higher_is_better: bool = True
    """Whether more is better."""
    unit: str = ""
    """Of the number, if it has one."""

    def say(self, value: float) -> str:
        """Such as "top-1 98.61%"."""
        return f"{self.title} {value:{self.form}} {self.unit}".rstrip()

    @property
    def axis(self) -> str:
        """The label of an axis."""
        unit = "%" if self.form.endswith("%") else self.unit
        return f"{self.title}, {unit}" if unit else self.title


LOSS = Score("loss", "loss", ".4f", higher_is_better=False)
MAE = Score("mae", "MAE", ".4g", higher_is_better=False)
OF_TASK: dict[Task, tuple[Score, ...]] = {
    "classification": (Score("top1", "top-1", ".2%"), Score("top5", "top-5", ".2%")),
    "multilabel": (Score("map", "mAP", ".2%"), Score("f1", "micro F1", ".2%")),
    "regression": (MAE, Score("r2", "R²", ".4f")),
}


def scores_of(task: Task, labels: Sequence[str]) -> tuple[Score, ...]:
    """The scores of a task, the most telling one first.

    Args:
        task: classification: top-1 and top-5; multilabel: mAP and F1; regression: MAE and R².
        labels: names of the outputs; where all are in the same unit, so is the MAE.
    """
    units = {split_unit(label)[1] for label in labels}
    scores = OF_TASK[task]
    if task == "regression" and len(units) == 1:
        scores = (Score("mae", "MAE", ".4g", higher_is_better=False, unit=units.pop()), *scores[1:])
    return scores


def mode_of(monitor: str) -> str:
    """Whether the "min" or the "max" of a score such as "val_loss" is the best."""
    every = (LOSS, *(score for scores in OF_TASK.values() for score in scores))
    return (
        "max"
        if {f"val_{score.name}": score for score in every}[monitor].higher_is_better
        else "min"
    )


def check_monitor(monitor: str, task: Task) -> None:
    """ValueError if a score such as "val_top1" is not one of the task's."""
    known = [f"val_{score.name}" for score in (LOSS, *OF_TASK[task])]
    if monitor not in known:
        raise ValueError(
            f"trainer.monitor={monitor} is no score of {task}; expected {', '.join(known)}"
        )


def format_scores(
    task: Task, labels: Sequence[str], values: Mapping[str, float], prefix: str = ""
) -> str:
    """Such as "top-1 98.61%, top-5 100.00%".

    Args:
        task: which scores.
        labels: see `scores_of`.
        values: the scores by name.
        prefix: of the names among the values, such as "val_".
    """
    return ", ".join(score.say(values[prefix + score.name]) for score in scores_of(task, labels))
