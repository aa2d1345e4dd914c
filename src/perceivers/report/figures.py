"""The plots of a report: curves, confusion, calibration, numbers against the truth."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..modalities.drawing import new_figure, quiet_fonts
from ..training.curves import BLUE, Row, curves
from ..training.scores import Score
from .judge import BINS, Calibration, Judged
from .page import Safe, element, joined, picture

MAX_NUMBERS = 6  # outputs of a regression that are plotted
MAX_POINTS = 5000  # of a scatter plot
MAX_CLASSES = 500  # of a picture of a confusion matrix


def png(figure: Any) -> bytes:
    """Return a figure as a PNG file."""
    file = io.BytesIO()
    with quiet_fonts():
        figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def read_curves(run_dir: Path) -> list[Row]:
    """Return the rows of a run's metrics.csv, without cells that are no numbers; [] if none."""
    try:
        with (run_dir / "metrics.csv").open(encoding="utf-8", newline="") as file:
            rows = [_numbers(row) for row in csv.DictReader(file)]
    except (OSError, ValueError, csv.Error):
        return []
    return [row for row in rows if "epoch" in row]


def _numbers(row: Mapping[Any, Any]) -> Row:
    numbers: Row = {}
    for name, cell in row.items():
        try:
            numbers[str(name)] = float(cell)
        except (TypeError, ValueError):
            continue
    return numbers


def curve_pictures(
    runs: Mapping[str, Sequence[Row]], scores: Sequence[Score], best: float = 0
) -> Safe:
    """Return the plot of each score as a picture of its own; the arguments are those of `curves`.

    Scores that the rows lack, as in the records of an earlier version, are left out.
    """
    names = {name for rows in runs.values() for row in rows for name in row}
    shown = [x for x in scores if names & {f"train_{x.name}", f"val_{x.name}"}]
    pictures = (
        picture(png(curves(runs, [score], best)), f"{score.title} of each epoch") for score in shown
    )
    return element("div", joined(*pictures), class_="row")


def calibration_plot(found: Calibration) -> Any:
    """Plot how often predictions are right against their confidence."""
    figure = new_figure(4.6, 4.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    edges = np.arange(BINS) / BINS
    filled = found.counts.numpy() > 0
    share, confidence = found.share.numpy()[filled], found.confidence.numpy()[filled]
    above.plot([0, 1], [0, 1], c="0.6", lw=1, ls="--", label="as often as said")
    above.bar(edges[filled], share, 1 / BINS, align="edge", color=BLUE, alpha=0.35)
    above.plot(confidence, share, "o-", ms=4, c=BLUE, label="this model")
    above.set(ylabel="share that is right", ylim=(0, 1.02), xlim=(0, 1))
    above.legend(fontsize=8, loc="upper left")
    below.bar(edges, found.counts.numpy(), 1 / BINS, align="edge", color="0.6")
    below.set(xlabel="confidence", ylabel="predictions")
    for axes in (above, below):
        axes.grid(alpha=0.3)
    return figure


def confusion_counts(judged: Judged) -> np.ndarray:
    """Return how often each class (columns) was said for each true class (rows)."""
    classes = len(judged.names)
    codes = (judged.truth * classes + judged.predicted).numpy()
    return np.bincount(codes, minlength=classes * classes).reshape(classes, classes)


def confusion_picture(counts: np.ndarray) -> Any:
    """Draw a confusion matrix of many classes; each row adds up to 1."""
    from matplotlib.colors import PowerNorm

    figure = new_figure(5.6, 5.0)
    axes = figure.subplots()
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.4, 0, 1), interpolation="nearest")
    axes.set(xlabel="class that was said", ylabel="true class")
    figure.colorbar(image, shrink=0.8, label="share of the true class")
    return figure


def numbers_plots(judged: Judged) -> Any:
    """Plot predictions against the truth, and a histogram of the errors, for each number."""
    names = judged.names[:MAX_NUMBERS]
    figure = new_figure(8.6, 3.4 * len(names))
    every = max(1, math.ceil(len(judged.truth) / MAX_POINTS))
    truth, said = judged.truth.numpy(), judged.values.numpy()
    panels = figure.subplots(len(names), 2, squeeze=False)
    for index, (name, (left, right)) in enumerate(zip(names, panels, strict=True)):
        x, y = truth[:, index], said[:, index]
        ends = [min(x.min(), y.min()), max(x.max(), y.max())]
        left.plot(ends, ends, c="0.6", lw=1, ls="--")
        left.scatter(x[::every], y[::every], s=10, alpha=0.5, c=BLUE, linewidths=0)
        right.hist(y - x, bins=min(40, max(8, round(math.sqrt(len(x))))), color=BLUE, alpha=0.7)
        right.axvline(0, c="0.4", lw=1)
        left.set_xlabel(f"true {name}", parse_math=False)
        left.set_ylabel("predicted")
        right.set_xlabel(f"predicted − true {name}", parse_math=False)
        right.set_ylabel("examples")
        for axes in (left, right):
            axes.grid(alpha=0.3)
            axes.locator_params(axis="x", nbins=5)  # large numbers are wide
    return figure
