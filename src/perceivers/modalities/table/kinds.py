"""Find out what the columns of a table hold, and parse their numbers."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

import numpy as np

from .columns import Columns

# Lower-case texts that count as empty cells in a numeric column. In other columns they may be
# values: "NA" is Namibia.
MISSING_NUMBERS = frozenset({"na", "n/a", "nan", "null", "none", "?", "-"})
MAX_CATEGORIES = 10_000

Cells = Sequence[str | None]


@dataclass(frozen=True)
class ColumnKind:
    """What the cells of a column hold."""

    what: Literal["numeric", "categorical", "text", "file", "empty"]
    modality: str | None = None
    """Name of the modality of the files; None if the cells are not names of files."""


def infer_kinds(columns: Columns, suffixes: Mapping[str, Collection[str]]) -> dict[str, ColumnKind]:
    """Infer what each column of a table holds from its cells.

    The first of these rules that all non-empty cells of a column follow decides:

    1. empty: there are no non-empty cells.
    2. file: the cells are names that end in a suffix of one modality. It is an error if more than
       half of the cells name files and the others do not, or name files of another modality.
    3. numeric: the cells are numbers, however few there are. "NA", "N/A", "NaN", "null", "None",
       "?" and "-", in upper or lower case, count as empty. Categories that are written as numbers
       have to be declared as categorical.
    4. categorical: there are at most `MAX_CATEGORIES` distinct values, and each occurs at least
       twice on average.
    5. text: any other cells. In a table of few rows, categories may be taken for text.

    Args:
        columns: the cells of each column, as `read_columns` returns them.
        suffixes: the file suffixes of each modality by its name, in lower case with their dot. A
            suffix of several modalities belongs to the first of them.

    Returns:
        The kind of each column by its name.

    Raises:
        ValueError: a column has files of one modality and other cells; the message names the
            column.
    """
    modality_of_suffix = {
        suffix: modality for modality in reversed(list(suffixes)) for suffix in suffixes[modality]
    }
    kinds = {}
    for name, cells in columns.items():
        try:
            kinds[name] = _infer_kind(cells, modality_of_suffix)
        except ValueError as error:
            raise ValueError(f"column {name!r}: {error}") from None
    return kinds


def parse_numbers(cells: Cells) -> np.ndarray:
    """Parse the cells of a numeric column.

    Args:
        cells: the text of each cell; None for an empty one.

    Returns:
        The numbers, float64 (rows,); NaN for an empty cell and for the texts in `MISSING_NUMBERS`.

    Raises:
        ValueError: a cell is not a number, or is infinite; the message gives the row, from 1.
    """
    values = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            values[row] = parse_number(cell)
        except ValueError as error:
            raise ValueError(f"row {row + 1}: {error}") from None
    return values


def parse_number(cell: str | None) -> float:
    """Parse a cell of a numeric column.

    Args:
        cell: the text of the cell; None for an empty one.

    Returns:
        The number; NaN for an empty cell and for the texts in `MISSING_NUMBERS`.

    Raises:
        ValueError: the cell is not a number, or is infinite.
    """
    if cell is None or cell.lower() in MISSING_NUMBERS:
        return math.nan
    value = _to_float(cell)
    if value is None or not math.isfinite(value):
        raise ValueError(f"{cell!r} is not a finite number; correct it or leave the cell empty")
    return value


def categories_of(cells: Cells) -> tuple[str, ...]:
    """Return the distinct values of a categorical column, sorted, without empty cells.

    Args:
        cells: the text of each cell; None for an empty one.
    """
    return tuple(sorted({cell for cell in cells if cell is not None}))


def _infer_kind(cells: Cells, modality_of_suffix: Mapping[str, str]) -> ColumnKind:
    filled = [cell for cell in cells if cell is not None]
    if not filled:
        return ColumnKind("empty")
    modalities = [
        None if cell is None else modality_of_suffix.get(PurePath(cell).suffix.lower())
        for cell in cells
    ]
    file_modalities = [modality for modality in modalities if modality is not None]
    if 2 * len(file_modalities) > len(filled):
        _check_one_modality(cells, modalities, file_modalities[0])
        return ColumnKind("file", file_modalities[0])
    values = [_to_float(cell) for cell in filled if cell.lower() not in MISSING_NUMBERS]
    if values and None not in values:
        return ColumnKind("numeric")
    distinct = len(set(filled))
    if distinct <= MAX_CATEGORIES and 2 * distinct <= len(filled):
        return ColumnKind("categorical")
    return ColumnKind("text")


def _check_one_modality(cells: Cells, modalities: Sequence[str | None], expected: str) -> None:
    """Raise a `ValueError` unless all non-empty cells name files of the expected modality."""
    for row, (cell, modality) in enumerate(zip(cells, modalities, strict=True), 1):
        if cell is not None and modality != expected:
            raise ValueError(
                f"row {row} holds {cell!r}, but other rows name {expected} files; expected files "
                "of one modality, or empty cells"
            )


def _to_float(text: str) -> float | None:
    if "_" in text:  # float() accepts "1_000", which is more likely a name
        return None
    try:
        return float(text)
    except ValueError:
        return None
