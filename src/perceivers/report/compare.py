"""Several runs side by side: a table, and their curves over each other."""

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checkpoint import read_config
from ..data.config import Task
from ..files import write_atomically
from ..models.config import task_of
from ..places import check_place, make_directory
from ..printing import option_text
from ..training.curves import Row, curves
from ..training.recipe import Recipe
from ..training.recipe_data import read_recipe
from ..training.scores import LOSS, Score, scores_of
from .card import facts, metrics_of
from .figures import curve_pictures, png, read_curves
from .page import Safe, Section, element, joined, page, paragraph, table

log = logging.getLogger(__name__)

SUFFIXES = (".html", ".png")
FACTS = (
    "recipe", "data", "outputs", "examples", "parameters", "FLOPs of an example", "epochs",
    "stopped early", "interrupted", "training time", "machine",
)  # fmt: skip
IN_FACTS = ("name", "data.path", "model.num_classes", "model.task")  # options shown there already
MAX_CELL = 40  # characters of a cell in a terminal


@dataclass(frozen=True)
class Run:
    """A training run, as its directory tells it."""

    path: str
    """The directory as it was given."""
    recipe: Recipe
    """Its recipe."""
    labels: tuple[str, ...]
    """Names of its outputs."""
    metrics: Mapping[str, Any]
    """The content of its metrics.json; empty while it has none."""
    rows: list[Row]
    """The rows of its metrics.csv."""

    @classmethod
    def read(cls, path: Path) -> "Run":
        """Read a run directory.

        Raises:
            OSError, ValueError: it is no run.
        """
        recipe, labels = read_recipe(path), tuple(read_config(path)["labels"])
        return cls(str(path), recipe, labels, metrics_of(path), read_curves(path))

    @property
    def scored(self) -> Mapping[str, Any]:
        """The scores at the end of training; empty before."""
        found = self.metrics.get("test") or self.metrics.get("validation") or {}
        return found if isinstance(found, dict) else {}

    def options(self) -> dict[str, str]:
        """Return the values of all options, but of those that the facts have already."""
        return dict(_flat(self.recipe, ""))


@dataclass(frozen=True)
class Group:
    """Runs of one task."""

    task: Task
    """The task."""
    runs: Sequence[Run]
    """The runs."""

    @property
    def scores(self) -> tuple[Score, ...]:
        """The scores that the task has, of any of the runs."""
        each = (score for run in self.runs for score in scores_of(self.task, run.labels))
        return tuple({score.name: score for score in each}.values())

    def rows(self) -> list[list[str]]:
        """Return the table: the name of each row, and its cell for each run."""
        known = [facts(Path(r.path), r.recipe, r.metrics) for r in self.runs]
        rows = [[name, *(f.get(name, "-") for f in known)] for name in FACTS]
        for score in (*self.scores, LOSS):
            rows.append(
                [
                    f"best validation {score.title}",
                    *(_cell(score, r.metrics.get("best") or {}, "val_") for r in self.runs),
                ]
            )
        for score in (*self.scores, LOSS):
            rows.append([f"test {score.title}", *(_cell(score, r.scored) for r in self.runs)])
        for score in self.scores[:2]:
            base = [_cell(score, r.scored.get("baseline") or {}) for r in self.runs]
            rows.append([f"baseline {score.title}", *base])
        options = [r.options() for r in self.runs]
        names = dict.fromkeys(name for each in options for name in each)
        different = [n for n in names if len({each.get(n, "-") for each in options}) > 1]
        rows += [[name, *(each.get(name, "-") for each in options)] for name in different]
        return [row for row in rows if set(row[1:]) != {"-"}]

    def curves(self) -> dict[str, list[Row]]:
        """Return the rows of metrics.csv of each run by its directory."""
        return {run.path: run.rows for run in self.runs}

    def remark(self) -> str:
        """Return a warning if the scores of the runs are not of the same data."""
        data = {(r.recipe.data.path or r.recipe.data.name, r.labels) for r in self.runs}
        counts = {r.scored.get("examples") for r in self.runs if r.scored}
        if len(data) > 1 or len(counts) > 1:
            return "the runs are scored on different data, so their scores cannot be compared"
        return ""


def _cell(score: Score, values: Mapping[str, Any], prefix: str = "") -> str:
    value = values.get(prefix + score.name)
    if not isinstance(value, int | float):
        return "-"
    return score.text(value)


def _flat(config: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the options of a configuration and their values, spelled as on the command line.

    The kinds of configurations, which no option sets, are yielded without dashes.
    """
    if isinstance(config, dict):
        for name, part in config.items():
            yield from _flat(part, f"{path}.{name}")
        return
    if hasattr(config, "kind"):
        yield f"{path}.kind", config.kind
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), f"{path}.{field.name}".removeprefix(".")
        items = value.values() if isinstance(value, dict) else [value]
        if items and all(map(dataclasses.is_dataclass, items)):
            yield from _flat(value, name)
        elif name not in IN_FACTS:
            yield f"--{name}", option_text(value)


def compare(paths: Sequence[Path]) -> list[Group]:
    """Read runs, and group them by task.

    Args:
        paths: at least two run directories.

    Raises:
        OSError, ValueError: one of them is no run, or there are too few.
    """
    if len(paths) < 2:
        raise ValueError(f"got {len(paths)} run; expected at least two to compare")
    if len({path.resolve() for path in paths}) < len(paths):
        raise ValueError("a run is given twice; give different runs")
    runs = [Run.read(path) for path in paths]
    tasks = dict.fromkeys(task_of(run.recipe.model) for run in runs)
    return [Group(task, [r for r in runs if r.recipe.model.task == task]) for task in tasks]


def text_lines(group: Group) -> list[str]:
    """Return the table of a group for a terminal, a line for each row."""
    rows = [
        [cell if len(cell) <= MAX_CELL else f"{cell[: MAX_CELL - 1]}…" for cell in row]
        for row in group.rows()
    ]
    cut = [["", *(run.path for run in group.runs)], *rows]  # paths are needed whole
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cut]


def check_out(out: Path) -> None:
    """Check that a comparison can be written to a file, before anything is read.

    Raises:
        FileExistsError: it exists.
        FileNotFoundError: its directory does not exist.
        OSError: its directory cannot be written to.
        ValueError: its name does not end in `.html` or `.png`.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--out {out}: expected a file name that ends in .html or .png")
    if out.exists():
        raise FileExistsError(f"{out} exists already; choose another --out, or remove it")
    check_place(out)


def write_comparison(groups: Sequence[Group], out: Path) -> None:
    """Write tables and curves to an HTML file, or the curves of one task to a PNG file.

    Raises:
        OSError: the file cannot be written.
        ValueError: a PNG file for several tasks.
    """
    if out.suffix.lower() == ".png":
        if len(groups) > 1:
            raise ValueError(
                f"--out {out}: the runs have {len(groups)} tasks, whose curves are not drawn in "
                "one picture; write an .html file"
            )
        content = png(curves(groups[0].curves(), (LOSS, *groups[0].scores[:2])))
    else:
        several = len(groups) > 1
        sections = [Section(g.task if several else "Runs", _section(g)) for g in groups]
        note = paragraph("Runs of different tasks are shown apart.", dim=True)
        content = page("Comparison of runs", note if several else Safe(""), sections).encode()
    make_directory(out.parent)
    write_atomically(out, lambda part: part.write_bytes(content))


def _section(group: Group) -> Safe:
    rows = group.rows()
    remark = group.remark()
    return joined(
        paragraph(f"{remark.capitalize()}." if remark else ""),
        table(("", *(run.path for run in group.runs)), rows, left=True),
        element("h3", "Curves"),
        curve_pictures(group.curves(), (LOSS, *group.scores[:2])),
        paragraph("Dotted: training; lines: validation.", dim=True),
    )
