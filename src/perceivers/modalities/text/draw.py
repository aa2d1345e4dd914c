"""Draw a text with shaded characters."""

from typing import Any

import numpy as np

from ..drawing import empty_axes, relative
from .decode import OFFSET, PAD

COLUMNS = 48  # characters of a line
MAX_LINES = 16
SHADES = "OrRd"


def draw(figure: Any, ids: np.ndarray, values: np.ndarray | None, config: Any) -> None:
    """Draw the characters of a text, each on a background that shows its value.

    The value of a character is the sum of those of its bytes. A long text ends in an ellipsis.

    Args:
        figure: matplotlib figure or part of one.
        ids: ids of the bytes, (L,); padding is left out.
        values: (L,) or fewer, without the padding; None: the text alone.
        config: the input configuration of the model.
    """
    from matplotlib import colormaps

    ids = ids[ids != PAD]
    characters, sums = _by_character(ids, np.zeros(len(ids)) if values is None else values)
    shades = relative(sums) if len(sums) else sums
    limit = COLUMNS * MAX_LINES
    if len(characters) > limit:
        characters = [*characters[: limit - 1], "…"]
    lines = max(4, -(-len(characters) // COLUMNS))
    [axes] = empty_axes(figure)
    axes.set(xlim=(0, COLUMNS), ylim=(lines, 0))
    for index, character in enumerate(characters):
        line, column = divmod(index, COLUMNS)
        shade = colormaps[SHADES](0.8 * shades[index])
        axes.add_patch(_rectangle(column, line, shade if values is not None else "none"))
        shown = character if character.isprintable() and character != "$" else " "
        axes.text(
            column + 0.5, line + 0.5, r"\$" if character == "$" else shown,
            family="monospace", fontsize=6, ha="center", va="center",
        )  # fmt: skip


def words(ids: np.ndarray) -> str:
    """Return the text of ids of bytes, without the padding."""
    return "".join(_by_character(ids[ids != PAD], np.zeros(int((ids != PAD).sum())))[0])


def _by_character(ids: np.ndarray, values: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the characters of UTF-8 bytes, and the sum of the values of the bytes of each."""
    text = bytes((np.asarray(ids) - OFFSET).clip(0, 255).astype(np.uint8)).decode(errors="replace")
    lengths = [len(character.encode()) if character != "�" else 1 for character in text]
    starts = np.cumsum([0, *lengths[:-1]]) if lengths else np.zeros(0, int)
    starts = starts[starts < len(values)]
    return list(text)[: len(starts)], np.add.reduceat(values, starts) if len(starts) else starts


def _rectangle(column: int, line: int, colour: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column, line), 1, 1, facecolor=colour, edgecolor="none")
