"""Write the report of a run, and its predictions."""

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

from ..data.config import EXAMPLE_TASKS, Task
from ..data.identity import hash_bytes
from ..files import write_atomically, write_csv
from ..models.base import PerceiverModel
from ..models.config import task_of
from ..places import check_place, make_directory
from ..training.recipe import Recipe
from ..training.recipe_data import absolute_path, read_recipe
from ..training.scores import LAST, LOSS, scores_of
from ..training.scoring import Scored
from .card import metrics_of, model_card
from .elements import SEGMENTATION
from .examples import EXAMPLES
from .figures import curve_pictures, read_curves
from .flows import FLOW
from .forecasts import FORECASTING
from .language import LANGUAGE
from .masked import MASKING
from .outcome import Outcome, TaskReport
from .page import Safe, Section, element, joined, page, paragraph
from .predictions import PREDICTIONS
from .solids import OCCUPANCY
from .values import RECONSTRUCTION

log = logging.getLogger(__name__)

REPORT = "report.html"
FILES = (PREDICTIONS, REPORT)
REPORTS: dict[Task, TaskReport] = {
    **dict.fromkeys(EXAMPLE_TASKS, EXAMPLES),
    "language": LANGUAGE,
    "segmentation": SEGMENTATION,
    "reconstruction": RECONSTRUCTION,
    "forecasting": FORECASTING,
    "masking": MASKING,
    "flow": FLOW,
    "occupancy": OCCUPANCY,
}


def place_of(run_dir: Path, data: str | None, out: Path | None) -> Path:
    """Return the directory for the report of an evaluation, before it begins.

    Args:
        run_dir: the run directory.
        data: other data that is scored, or None for the run's own.
        out: the directory that the user chose, or None.

    Returns:
        `out`, or the run directory; for other data a directory in `RUN_DIR/evaluations` with the
        name of the data and a hash of its path, so that no other report is replaced.

    Raises:
        FileExistsError: `out` has a report already, or is a file.
        OSError: `out` cannot be written.
    """
    if out is not None:
        for path in (out / name for name in FILES):
            if path.exists():
                raise FileExistsError(f"{path} exists already; choose another --out, or remove it")
        if out.exists() and not out.is_dir():
            raise FileExistsError(f"{out} is a file; choose another --out")
        check_place(out)
        return out
    if data is None:
        return run_dir
    whole = absolute_path(data) or data
    name = re.sub(r"[^\w.-]+", "-", Path(whole).name).strip(".-")[:60] or "data"
    return run_dir / "evaluations" / f"{name}-{hash_bytes(os.fsencode(whole))[:8]}"


def write(
    run_dir: Path,
    model: PerceiverModel,
    recipe: Recipe,
    scored: Scored,
    *,
    out: Path | None = None,
) -> list[Path]:
    """Write `report.html` and `predictions.csv` of what a model was scored on.

    No error is raised, because the scores are worth more than their report: what cannot be drawn
    or written is logged as a warning, and said on the page.

    Args:
        run_dir: the run directory.
        model: its model.
        recipe: its recipe, with the data that was scored.
        scored: what scoring the model gave.
        out: directory to write to, which is created; None: the run directory.

    Returns:
        The files that were written.
    """
    directory = out or run_dir
    written = []

    outcome = Outcome(model.eval(), scored, recipe.data.path)

    def predictions(file: Path) -> None:
        write_csv(file, report_of(model).rows(outcome))

    def report(file: Path) -> None:
        content = report_page(run_dir, recipe, outcome).encode()
        write_atomically(file, lambda part: part.write_bytes(content))

    for name, make in zip(FILES, (predictions, report), strict=True):
        try:
            make_directory(directory)
            make(directory / name)
            written.append(directory / name)
        except OSError as error:  # the scores are saved: nothing else is lost
            log.warning("%s", error)
        except Exception as error:
            log.warning("%s is not written: %s", directory / name, error)
    return written


def report_of(model: PerceiverModel) -> TaskReport:
    """Return what the report of a model consists of, which follows from its task."""
    return REPORTS[task_of(model.config)]


def report_page(run_dir: Path, recipe: Recipe, outcome: Outcome) -> str:
    """Return the report as one page of HTML.

    Args:
        run_dir: the run directory.
        recipe: its recipe, with the data that was scored.
        outcome: the model, and what scoring it gave.
    """
    model, scores = outcome.model, outcome.scored.scores
    kind = report_of(model)
    data = recipe.data.path or recipe.data.name
    what = kind.scope.format(count=scores["examples"], split=outcome.scored.split, data=data)
    clips = scores.get("clips")
    averaged = f", {clips} clips of each averaged" if clips else ""
    top = paragraph(f"Scored on {what}{averaged}.")
    makers = kind.sections(outcome)
    makers.insert(1, ("Training", lambda: _training(run_dir, model)))
    made = [Section(title, _or_reason(title, make)) for title, make in makers]
    return page(f"{recipe.name}: {run_dir.name or run_dir}", top, made)


def _or_reason(title: str, make: Callable[[], Safe]) -> Safe:
    """Return a section, or why it could not be made."""
    try:
        return make()
    except Exception as error:  # the rest of the page is worth having
        log.warning("report, %s: %s", title.lower(), error)
        return paragraph(f"Not drawn: {error}", dim=True)


def _training(run_dir: Path, model: PerceiverModel) -> Safe:
    """Return the model card and the curves."""
    recipe = read_recipe(run_dir)
    parts = [model_card(run_dir, recipe, model)]
    if rows := read_curves(run_dir):
        last = recipe.trainer.monitor == LAST
        best = 0 if last else (metrics_of(run_dir).get("best") or {}).get("epoch", 0)
        scores = [LOSS, *scores_of(task_of(model.config), model.labels)[:2]]
        parts += [element("h3", "Curves"), curve_pictures({"": rows}, scores, best)]
    return joined(*parts)
