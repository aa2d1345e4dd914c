"""Draw the cells of a row as bars."""

from typing import Any

import numpy as np

from ...printing import formatted
from ..drawing import COLOURS, empty_axes, relative, shortened
from .config import TabularConfig
from .dates import DateFormat, date_text, format_of

MAX_BARS = 20
MAX_NAME = 24  # characters of a column's name
MAX_CELL = 20  # characters of a cell


def draw(figure: Any, row: np.ndarray, values: np.ndarray | None, config: TabularConfig) -> None:
    """Draw a bar for each column, the longest first, with the content of its cell.

    Args:
        figure: matplotlib figure or part of one.
        row: a row as `CellReader.decode` returns it, (n + k,).
        values: (n + k,) or, with a linear model, (n + k + 1,), not negative; None: the cells alone.
        config: the input configuration of the model.
    """
    from matplotlib import colormaps

    names = [*config.numeric, *config.categorical, *["linear model"] * (config.linear != "none")]
    lengths = np.zeros(len(names)) if values is None else values
    order = np.argsort(-lengths, kind="stable")[:MAX_BARS]
    places = np.arange(len(order))
    texts = [_text(shortened(names[index], MAX_NAME), row, index, config) for index in order]
    [axes] = empty_axes(figure)
    axes.set_ylim(len(order) - 0.5, -0.5)
    if values is None:
        for place, content in zip(places, texts, strict=True):
            axes.text(0.02, place, content, fontsize=7, va="center", parse_math=False)
        return
    colours = colormaps[COLOURS](0.15 + 0.7 * relative(lengths)[order])
    axes.barh(places, lengths[order], height=0.7, color=colours)
    axes.set_xlim(0, 1.25 * max(float(lengths.max()), 1e-9))  # room for the numbers
    axes.set_yticks(places, texts, fontsize=7, parse_math=False)
    axes.tick_params(axis="y", length=0)
    for place, length in zip(places, lengths[order], strict=True):
        axes.text(length, place, f" {length:.1%}", fontsize=7, va="center")


def aspect(config: TabularConfig) -> float:
    """Return the height of a drawing as a multiple of its width."""
    return 0.04 + 0.045 * min(MAX_BARS, len(config.numeric) + len(config.categorical))


def words(row: np.ndarray, config: TabularConfig) -> str:
    """Return a row as text: a line for each column."""
    names = [*config.numeric, *config.categorical]
    return "\n".join(f"{name} = {_cell(row, i, config)}" for i, name in enumerate(names))


def _text(name: str, row: np.ndarray, index: int, config: TabularConfig) -> str:
    """Return the name of an element with its cell; the linear model has none."""
    return f"{name} = {_cell(row, index, config)}" if index < len(row) else name


def _cell(row: np.ndarray, index: int, config: TabularConfig) -> str:
    """Return a cell as text, at most `MAX_CELL` characters of it."""
    value = row[index]
    if np.isnan(value):
        return "missing"
    if index < len(config.numeric):
        example = config.number_formats.get(config.numeric[index])
        is_date = example is not None and isinstance(format_of(example), DateFormat)
        return date_text(value) if is_date else formatted(value, ".4g")
    names = config.categories[index - len(config.numeric)]
    return (
        shortened(names[int(value)], MAX_CELL)
        if 0 <= value < len(names)
        else "not seen in training"
    )
