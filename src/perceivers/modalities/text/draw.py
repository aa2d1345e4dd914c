"""Draw a text with shaded characters."""

import re
from typing import Any

import numpy as np

from ..drawing import empty_axes, relative
from ..palette import coloured
from .decode import OFFSET, PAD

COLUMNS = 40  # characters of a line
LETTER = 1.8  # height of the box of a character, as a multiple of its width
MAX_LINES = 16
MARGIN = 0.04  # above and below all lines, as a multiple of the width of the drawing
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
    colours = [colormaps[SHADES](0.8 * shade) for shade in shades]
    _write(figure, characters, ["none"] * len(colours) if values is None else colours)


def draw_classes(figure: Any, ids: np.ndarray, classes: np.ndarray, count: int) -> None:
    """Draw the characters of a text on the colours of their classes, those of their first bytes.

    Args:
        figure: matplotlib figure or part of one.
        ids: ids of the bytes, (L,); padding is left out.
        classes: (L,) or more, below 0 where there is no class.
        count: number of classes.
    """
    ids = ids[ids != PAD]
    characters, starts = _by_character(ids, np.arange(len(ids), dtype=float), first=True)
    colours = coloured(classes[starts.astype(int)], count) / 255
    _write(figure, characters, [(*colour, 0.5) for colour in colours.tolist()])


def _write(figure: Any, characters: list[str], colours: list[Any]) -> None:
    """Write characters, each on a background of its colour; a long text ends in an ellipsis."""
    places = _places(characters)
    if len(places) < len(characters):
        characters = [*characters[: len(places) - 1], "…"]
    [axes] = empty_axes(figure)
    lines = places[-1][0] + 1 if places else 1
    axes.set(xlim=(0, COLUMNS), ylim=(lines, 0), aspect=LETTER, anchor="N")
    for index, (character, (line, column)) in enumerate(zip(characters, places, strict=True)):
        axes.add_patch(_rectangle(column, line, colours[index]))
        shown = character if character.isprintable() and character != "$" else " "
        axes.text(
            column + 0.5, line + 0.5, r"\$" if character == "$" else shown,
            family="monospace", fontsize=8, ha="center", va="center",
        )  # fmt: skip


def aspect(ids: np.ndarray) -> float:
    """Return the height of a drawing as a multiple of its width."""
    places = _places(list(words(ids)))
    return MARGIN + LETTER * (places[-1][0] + 1 if places else 1) / COLUMNS


def words(ids: np.ndarray) -> str:
    """Return the text of ids of bytes, without the padding."""
    return "".join(_by_character(ids[ids != PAD], np.zeros(int((ids != PAD).sum())))[0])


def _places(characters: list[str]) -> list[tuple[int, int]]:
    """Return the line and the column of each character up to the last line that is drawn.

    Words that fit into a line are not broken.
    """
    places: list[tuple[int, int]] = []
    line = column = 0
    for word in re.findall(r"\s|\S+", "".join(characters)):
        if column + len(word) > COLUMNS >= len(word):
            line, column = line + 1, 0
        for _ in word:
            if column == COLUMNS:
                line, column = line + 1, 0
            if line == MAX_LINES:
                return places
            places.append((line, column))
            column += 1
    return places


def _by_character(
    ids: np.ndarray, values: np.ndarray, *, first: bool = False
) -> tuple[list[str], np.ndarray]:
    """Return the characters of UTF-8 bytes, and the sum of the values of the bytes of each.

    With `first` it is the value of the first byte.
    """
    text = bytes((np.asarray(ids) - OFFSET).clip(0, 255).astype(np.uint8)).decode(errors="replace")
    lengths = [len(character.encode()) if character != "�" else 1 for character in text]
    starts = np.cumsum([0, *lengths[:-1]]) if lengths else np.zeros(0, int)
    starts = starts[starts < len(values)]
    if first:
        return list(text)[: len(starts)], values[starts]
    return list(text)[: len(starts)], np.add.reduceat(values, starts) if len(starts) else starts


def _rectangle(column: int, line: int, colour: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column, line), 1, 1, facecolor=colour, edgecolor="none")
