"""Write the report of a run, and its predictions."""

import logging
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ..data.identity import hash_bytes
from ..files import write_atomically
from ..models.base import PerceiverModel
from ..models.config import task_of
from ..places import check_place, make_directory
from ..training.recipe import Recipe
from ..training.recipe_data import absolute_path, read_recipe
from ..training.scores import LOSS, scores_of
from ..training.scoring import Scored
from . import sections
from .card import metrics_of, model_card
from .elements import Makers, element_sections, write_element_predictions
from .figures import curve_pictures, read_curves
from .forecasts import forecast_sections, write_forecasts
from .judge import judge
from .language import language_sections, write_language_predictions
from .masked import masked_sections, write_filled
from .page import Safe, Section, element, joined, page, paragraph
from .pictures import Pictures
from .predictions import PREDICTIONS, example_names, file_names, write_predictions
from .sections import Subject
from .values import value_sections, write_value_predictions

log = logging.getLogger(__name__)

REPORT = "report.html"
FILES = (PREDICTIONS, REPORT)


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

    def predictions(file: Path) -> None:
        named = file_names(scored, recipe.data.path)
        if model.config.task == "language":
            write_language_predictions(file, scored)
        elif model.config.task == "segmentation":
            write_element_predictions(file, scored, named, model.labels)
        elif model.config.task == "reconstruction":
            write_value_predictions(file, model, scored, named)
        elif model.config.task == "forecasting":
            write_forecasts(file, scored, named, model.labels)
        elif model.config.task == "masking":
            write_filled(file, scored, named)
        else:
            write_predictions(file, judge(model, scored.outputs, scored.labels), named)

    def report(file: Path) -> None:
        content = report_page(run_dir, model, recipe, scored).encode()
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


def report_page(run_dir: Path, model: PerceiverModel, recipe: Recipe, scored: Scored) -> str:
    """Return the report as one page of HTML; the arguments are those of `write`."""
    model = model.eval()
    if model.config.task == "language":
        return _language_page(run_dir, model, recipe, scored)
    names = example_names(scored, recipe.data.path)
    pictures = Pictures(model, scored.examples)
    count = scored.scores["examples"]
    data = recipe.data.path or recipe.data.name
    clips = scored.scores.get("clips")
    averaged = f", {clips} clips of each averaged" if clips else ""
    top = joined(
        paragraph(f"Scored on {count:,} examples of the {scored.split} split of {data}{averaged}.")
    )
    if model.config.task == "segmentation":
        makers = element_sections(model, scored, names, pictures)
    elif model.config.task == "reconstruction":
        makers = value_sections(model, scored, names, pictures)
    elif model.config.task == "forecasting":
        makers = forecast_sections(model, scored, names)
    elif model.config.task == "masking":
        makers = masked_sections(scored, names)
    else:
        makers = _example_sections(model, scored, names, pictures)
    makers.insert(1, ("Training", lambda: _training(run_dir, model)))
    made = [Section(title, _or_reason(title, make)) for title, make in makers]
    return page(f"{recipe.name}: {run_dir.name or run_dir}", top, made)


def _example_sections(
    model: PerceiverModel, scored: Scored, names: Sequence[str], pictures: Pictures
) -> Makers:
    """Return the sections about models with one row of outputs for each example."""
    judged = judge(model, scored.outputs, scored.labels)
    subject = Subject(judged, names, scored.indices.tolist(), scored.scores, pictures)
    scores = scored.scores
    makers: Makers = [
        ("Scores", lambda: sections.score_table(judged.task, judged.names, scores)),
    ]
    if judged.task == "classification":
        makers.append(("Confusion", lambda: sections.confusion(subject)))
    if scored.scores.get("by_label"):
        noun = {"classification": "class", "multilabel": "label", "regression": "number"}
        places = sections.numbers_of(judged)
        makers.append((f"By {noun[judged.task]}", lambda: sections.by_label(scores, places)))
    if judged.task == "regression":
        makers.append(("Predictions", lambda: sections.numbers(subject)))
    else:
        makers.append(("Calibration", lambda: sections.calibration_section(subject)))
    makers.append(("Worst mistakes", lambda: sections.mistakes(subject)))
    if judged.task != "regression":
        makers.append(("Labels to check", lambda: sections.doubtful(subject)))
    makers.append(("What it looked at", lambda: sections.attention(subject)))
    return makers


def _language_page(run_dir: Path, model: PerceiverModel, recipe: Recipe, scored: Scored) -> str:
    """Return the page of a model that continues texts."""
    data = recipe.data.path or recipe.data.name
    top = paragraph(f"Scored on the {scored.split} text of {data}, each byte once.")
    scores, *others = language_sections(model, scored)
    makers = [scores, ("Training", lambda: _training(run_dir, model)), *others]
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
        best = (metrics_of(run_dir).get("best") or {}).get("epoch", 0)
        scores = [LOSS, *scores_of(task_of(model.config), model.labels)[:2]]
        parts += [element("h3", "Curves"), curve_pictures({"": rows}, scores, best)]
    return joined(*parts)
