"""What a report is made of: a scored model, and what the report of a task shows of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..models.base import PerceiverModel
from ..training.scoring import Scored
from .page import Safe
from .pictures import Pictures
from .predictions import example_names, file_names

Makers = list[tuple[str, Callable[[], Safe]]]
"""The sections of a report: their titles, and functions that make them."""


@dataclass(frozen=True)
class Outcome:
    """What scoring a model gave."""

    model: PerceiverModel
    """The model, in eval mode."""
    scored: Scored
    """Its outputs and scores."""
    path: str | None
    """Path of the data; None: it has none."""

    @cached_property
    def names(self) -> list[str]:
        """Names of the examples on the page."""
        return example_names(self.scored, self.path)

    @cached_property
    def file_names(self) -> list[str]:
        """Names of the examples in predictions.csv."""
        return file_names(self.scored, self.path)

    @cached_property
    def pictures(self) -> Pictures:
        """Shows the examples."""
        return Pictures(self.model, self.scored.examples)


@dataclass(frozen=True)
class TaskReport:
    """What the report of a task consists of."""

    rows: Callable[[Outcome], Iterable[Sequence[object]]]
    """Returns the rows of predictions.csv, the names of the columns first."""
    sections: Callable[[Outcome], Makers]
    """Returns the sections of report.html, the scores first."""
    scope: str = "{count:,} examples of the {split} split of {data}"
    """What was scored, for the first sentence of the page."""
