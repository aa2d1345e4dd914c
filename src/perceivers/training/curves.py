"""The plot of the scores of runs over their epochs, for curves.png, reports and comparisons."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..modalities.drawing import new_figure
from .scores import Score

if TYPE_CHECKING:
    from matplotlib.figure import Figure  # importing it takes a second

Row = dict[str, float]
"""The record of an epoch, as in metrics.csv."""
BLUE, ORANGE = "#1f5fae", "#d1701f"
SPLITS = {"train": ("training", ":", ORANGE), "val": ("validation", "-", BLUE)}
MAX_MARKED = 3  # epochs whose values are marked as points: a line of fewer is hard to see


def curves(runs: Mapping[str, Sequence[Row]], scores: Sequence[Score], best: float = 0) -> "Figure":
    """Plot scores of training (dotted) and validation over the epochs.

    Args:
        runs: the rows of metrics.csv of each run, by its name.
        scores: the scores, a plot each.
        best: epoch whose weights are kept, of a single run; 0: none is marked.
    """
    figure: Figure = new_figure(4.4 * len(scores), 3.2)
    several = len(runs) > 1
    for axes, score in zip(figure.subplots(1, len(scores), squeeze=False)[0], scores, strict=True):
        scale = 100 if score.format_spec.endswith("%") else 1
        for number, (name, rows) in enumerate(runs.items()):
            keys = {split: f"{split}_{score.name}" for split in SPLITS}
            drawn = [x for x, key in keys.items() if any(key in row for row in rows)]
            for split in drawn:
                words, style, colour = SPLITS[split]
                key = keys[split]
                values = [(row["epoch"], scale * row[key]) for row in rows if key in row]
                run = name if split == drawn[-1] else None  # one entry of the legend for each
                shown = run if several else words
                axes.plot(
                    [x for x, _ in values], [y for _, y in values], style,
                    c=f"C{number % 10}" if several else colour,
                    marker="." if len(values) <= MAX_MARKED else "",
                    label=None if shown is None else _plain(shown),
                )  # fmt: skip
        if best:
            axes.axvline(best, color="0.5", lw=1, ls="--", label=f"best epoch: {best:.0f}")
        axes.set(xlabel="epoch", ylabel=score.axis)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[1]:
            # Where curves of learning leave room; "best" warns if it takes long.
            corner = "lower right" if score.higher_is_better else "upper right"
            axes.legend(fontsize=8, loc=corner)
    return figure


def _plain(name: str) -> str:
    r"""Return a text that matplotlib shows as it is, without formulas or hiding it."""
    return name.replace("$", r"\$").replace("_", "\u200a_", 1 if name.startswith("_") else 0)
