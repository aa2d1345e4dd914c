"""What a column of a table holds, and its cells as numbers."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

import numpy as np

from .columns import Columns

# Read as an empty cell among numbers; elsewhere they may be names (NA is Namibia).
NO_NUMBER = frozenset({"na", "n/a", "nan", "null", "none", "?", "-"})
MAX_CATEGORIES = 10_000

Cells = Sequence[str | None]


@dataclass(frozen=True)
class Kind:
    """What the cells of a column are."""

    what: Literal["numeric", "categorical", "text", "file", "empty"]
    modality: str | None = None
    """Of files: what they hold."""


def infer_kinds(columns: Columns, suffixes: Mapping[str, Collection[str]]) -> dict[str, Kind]:
    """The kind of each column, by the first rule that fits all its cells but the empty ones:

    1. empty: there are none.
    2. file: names that end in a suffix of one modality. Where more than half of the cells are names
       of files and the others are not, or not of the same modality, it is an error.
    3. numeric: numbers, however few; among them "NA", "N/A", "NaN", "null", "None", "?" and "-", in
       any case, are empty cells. Categories that are written as numbers have to be called so.
    4. categorical: at most `MAX_CATEGORIES` values, each there twice on average.
    5. text: all else. In a table of few rows categories may look like it.

    Args:
        columns: see `read_columns`.
        suffixes: of the files of each modality, with their dot and in small letters; a suffix that
            several have is the first one's.

    Raises:
        ValueError: files and other cells in one column; the message names the column.
    """
    of_suffix = {
        suffix: modality for modality in reversed(list(suffixes)) for suffix in suffixes[modality]
    }
    kinds = {}
    for name, cells in columns.items():
        try:
            kinds[name] = _infer(cells, of_suffix)
        except ValueError as error:
            raise ValueError(f"column {name!r}: {error}") from None
    return kinds


def numbers(cells: Cells) -> np.ndarray:
    """A numeric column as float64, NaN where there is no number.

    Raises:
        ValueError: a cell that is no number, or an infinite one; the message says which row.
    """
    values = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            values[row] = number(cell)
        except ValueError as error:
            raise ValueError(f"row {row + 1}: {error}") from None
    return values


def number(cell: str | None) -> float:
    """A numeric cell, NaN where there is no number; errors as of `numbers`, without the row."""
    if cell is None or cell.lower() in NO_NUMBER:
        return math.nan
    value = _number(cell)
    if value is None or not math.isfinite(value):
        raise ValueError(f"{cell!r} is not a finite number; leave it empty")
    return value


def categories_of(cells: Cells) -> tuple[str, ...]:
    """The distinct values of a categorical column, sorted."""
    return tuple(sorted({cell for cell in cells if cell is not None}))


def _infer(cells: Cells, of_suffix: Mapping[str, str]) -> Kind:
    filled = [cell for cell in cells if cell is not None]
    if not filled:
        return Kind("empty")
    modalities = [None if cell is None else of_suffix.get(_suffix(cell)) for cell in cells]
    files = [modality for modality in modalities if modality is not None]
    if 2 * len(files) > len(filled):
        modality = files[0]
        for row, cell in enumerate(cells):
            if cell is not None and modalities[row] != modality:
                raise ValueError(
                    f"row {row + 1} holds {cell!r}, others name {modality} files; expected files "
                    "of one modality, or empty cells"
                )
        return Kind("file", modality)
    values = [_number(cell) for cell in filled if cell.lower() not in NO_NUMBER]
    if values and None not in values:
        return Kind("numeric")
    distinct = len(set(filled))
    if distinct <= MAX_CATEGORIES and 2 * distinct <= len(filled):
        return Kind("categorical")
    return Kind("text")


def _suffix(cell: str) -> str:
    return PurePath(cell).suffix.lower()


def _number(text: str) -> float | None:
    if "_" in text:  # Python's own digits grouping, in data a name
        return None
    try:
        return float(text)
    except ValueError:
        return None
