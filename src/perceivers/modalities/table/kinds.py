"""Find out what the columns of a table hold, and parse their numbers."""

import contextlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

import numpy as np

from .columns import Columns
from .dates import find_dates, format_of
from .numbers import CODE, PLAIN, NumberFormat, find_format, parse_number
from .spelling import distinct

MAX_CATEGORIES = 10_000

Cells = Sequence[str | None]


@dataclass(frozen=True)
class ColumnKind:
    """What the cells of a column hold."""

    what: Literal["numeric", "categorical", "text", "file", "empty"]
    modality: str | None = None
    """Name of the modality of the files; None if the cells are not names of files."""
    number_format: NumberFormat = PLAIN
    """How the numbers of a numeric column are written."""


def infer_kinds(columns: Columns, suffixes: Mapping[str, Collection[str]]) -> dict[str, ColumnKind]:
    """Infer what each column of a table holds from its cells.

    The first of these rules that all non-empty cells of a column follow decides:

    1. empty: there are no non-empty cells.
    2. file: the cells are names that end in a suffix of one modality. It is an error if more than
       half of the cells name files and the others do not, or name files of another modality.
    3. numeric: the cells are numbers in one format, however few there are, or nearly all are
       (`find_format`). "NA", "N/A", "NaN", "null", "None", "?" and "-", in upper or lower case,
       count as empty. Codes (`are_codes`) that follow rule 4 are not numeric; other categories
       that are written as numbers have to be declared as categorical. Dates are numbers too, if
       all cells are (`dates.find_dates`).
    4. categorical: there are at most `MAX_CATEGORIES` distinct values, and each occurs at least
       twice on average.
    5. text: any other cells. In a table of few rows, categories may be taken for text.

    Args:
        columns: the cells of each column, as `read_columns` returns them.
        suffixes: the file suffixes of each modality by its name, in lower case with their dot. A
            suffix of several modalities belongs to the one that most files of the column can be
            of, and else to the first.

    Returns:
        The kind of each column by its name.

    Raises:
        ValueError: a column has files of one modality and other cells, or numbers whose commas can
            be read in two ways; the message names the column.
    """
    kinds = {}
    for name, cells in columns.items():
        try:
            kinds[name] = _infer_kind(cells, suffixes)
        except ValueError as error:
            raise ValueError(f"column {name!r}: {error}") from None
    return kinds


def plain_numbers(cells: Sequence[str | None]) -> np.ndarray | None:
    """Parse a column quickly if all its cells are finite numbers in plain digits, or empty.

    Args:
        cells: the text of each cell; None for an empty one.

    Returns:
        The numbers, float64 (rows,), NaN for an empty cell; None if there is any other cell.
    """
    try:
        values = np.array([math.nan if cell is None else float(cell) for cell in cells])
    except ValueError:
        return None
    if np.isinf(values).any() or "_" in "".join(filter(None, cells)):
        return None
    return values


def parse_numbers(cells: Cells, number_format: NumberFormat = PLAIN) -> np.ndarray:
    """Parse the cells of a numeric column.

    Args:
        cells: the text of each cell; None for an empty one.
        number_format: how the numbers are written.

    Returns:
        The numbers, float64 (rows,); NaN for an empty cell and for the texts in `MISSING_NUMBERS`.

    Raises:
        ValueError: a cell is not a number, or is infinite; the message gives the row, from 1.
    """
    if number_format == PLAIN and (plain := plain_numbers(cells)) is not None:
        return plain
    values = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            values[row] = parse_number(cell, number_format)
        except ValueError as error:
            raise ValueError(f"row {row + 1}: {error}") from None
    return values


def read_numbers(
    cells: Cells,
    known: str | None = None,
    find: Callable[[Cells], NumberFormat | None] = find_format,
) -> tuple[np.ndarray, NumberFormat] | None:
    """Parse the cells of a numeric column whose format may be known from training.

    Args:
        cells: the text of each cell; None for an empty one.
        known: example of the format of the training data (`NumberFormat.example`). It is used if
            all cells can be read in it, and else, or if it is None, the one that the cells show.
        find: finds this format, such as `numbers.find_format`; None: there is none.

    Returns:
        The numbers, float64 (rows,), NaN where they are missing, and their format; None if no
        format is found.

    Raises:
        ValueError: a cell is not a number, or is infinite; the message gives the row, from 1.
    """
    if known is not None:
        with contextlib.suppress(ValueError):
            return parse_numbers(cells, format_of(known)), format_of(known)
    found = find(cells)
    return None if found is None else (parse_numbers(cells, found), found)


def readable_numbers(cells: Cells, number_format: NumberFormat = PLAIN) -> np.ndarray:
    """Parse the cells of a mostly numeric column; NaN for all cells that are not numbers.

    Args:
        cells: the text of each cell; None for an empty one.
        number_format: how the numbers are written.
    """
    if number_format == PLAIN and (plain := plain_numbers(cells)) is not None:
        return plain
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        with contextlib.suppress(ValueError):
            values[row] = parse_number(cell, number_format)
    return values


def categories_of(cells: Cells) -> tuple[str, ...]:
    """Return the distinct values of a categorical column, sorted, without empty cells.

    Values that are the same in another spelling (`spelling.speller`) are one category.

    Args:
        cells: the text of each cell; None for an empty one.
    """
    return tuple(sorted(distinct({cell for cell in cells if cell is not None}).values()))


def are_codes(texts: Sequence[str]) -> bool:
    """Return whether texts are codes such as postal ones: digits, equally many, some with 0 first.

    Args:
        texts: the cells of a column that are not empty.
    """
    return (
        any(map(CODE.fullmatch, texts))
        and len(set(map(len, texts))) == 1
        and all(text.isdecimal() for text in texts)
    )


def _infer_kind(cells: Cells, suffixes: Mapping[str, Collection[str]]) -> ColumnKind:
    filled = [cell for cell in cells if cell is not None]
    if not filled:
        return ColumnKind("empty")
    endings = [_suffix(cell) if cell and "." in cell else "" for cell in cells]
    counts = {
        modality: sum(ending in own for ending in endings) for modality, own in suffixes.items()
    }
    named = [any(ending in own for own in suffixes.values()) for ending in endings]
    if 2 * sum(named) > len(filled):
        modality = max(counts, key=lambda name: counts[name])
        _check_one_modality(cells, endings, modality, suffixes[modality])
        return ColumnKind("file", modality)
    count = len(set(filled))
    repeated = count <= MAX_CATEGORIES and 2 * count <= len(filled)
    if repeated and are_codes(filled):
        return ColumnKind("categorical")
    if number_format := find_format(filled) or find_dates(filled):
        return ColumnKind("numeric", number_format=number_format)
    if repeated:
        return ColumnKind("categorical")
    return ColumnKind("text")


def _suffix(cell: str) -> str:
    return PurePath(cell).suffix.lower()


def _check_one_modality(
    cells: Cells, endings: Sequence[str], expected: str, suffixes: Collection[str]
) -> None:
    """Raise a `ValueError` unless all non-empty cells name files of the expected modality."""
    for row, (cell, ending) in enumerate(zip(cells, endings, strict=True), 1):
        if cell is not None and ending not in suffixes:
            raise ValueError(
                f"row {row} holds {cell!r}, but other rows name {expected} files; expected files "
                "of one modality, or empty cells"
            )
