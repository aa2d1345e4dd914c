"""Draw the cells of a row as bars."""

from typing import Any

import numpy as np

from ..drawing import COLOURS, relative
from .config import TabularConfig

MAX_BARS = 20


def draw(figure: Any, row: np.ndarray, values: np.ndarray | None, config: TabularConfig) -> None:
    """Draw a bar for each column, the longest first, with the content of its cell.

    Args:
        figure: matplotlib figure or part of one.
        row: a row as `CellReader.decode` returns it, (n + k,).
        values: (n + k,), not negative; None: the cells alone.
        config: the input configuration of the model.
    """
    from matplotlib import colormaps

    names = [*config.numeric, *config.categorical]
    lengths = np.zeros(len(names)) if values is None else values
    order = np.argsort(-lengths, kind="stable")[:MAX_BARS]
    axes = figure.subplots()
    colours = colormaps[COLOURS](0.15 + 0.7 * relative(lengths)[order])
    axes.barh(np.arange(len(order)), lengths[order], color=colours)
    texts = [f"{names[index]} = {_cell(row, index, config)}" for index in order]
    axes.set_yticks(np.arange(len(order)), texts, fontsize=6, parse_math=False)
    axes.invert_yaxis()
    axes.tick_params(axis="x", labelsize=6)
    if values is None:
        axes.set_xticks([])
        axes.spines[:].set_visible(False)


def words(row: np.ndarray, config: TabularConfig) -> str:
    """Return a row as text: a line for each column."""
    names = [*config.numeric, *config.categorical]
    return "\n".join(f"{name} = {_cell(row, i, config)}" for i, name in enumerate(names))


def _cell(row: np.ndarray, index: int, config: TabularConfig) -> str:
    """Return a cell as text, at most 20 characters of it."""
    value = row[index]
    if np.isnan(value):
        return "missing"
    if index < len(config.numeric):
        return f"{value:.4g}"
    names = config.categories[index - len(config.numeric)]
    return names[int(value)][:20] if 0 <= value < len(names) else "not seen in training"
