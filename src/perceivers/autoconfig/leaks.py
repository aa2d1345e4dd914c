"""Find columns of a table that tell the label, such as a row number, or nothing. Imports no torch.

A column that alone tells the label is not wrong by itself: some tables have a feature that decides.
But it may also be a copy of the label, or an index of rows that were sorted by class before they
were shuffled, and the scores then say nothing about new examples.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..data.label_columns import Labels
from ..data.manifest import Manifest
from ..modalities.table.kinds import Cells, readable_numbers
from .findings import ColumnContents

MIN_ROWS = 20  # with fewer training rows, a column may tell the labels by chance
MIN_REPEATS = 20  # rows whose value occurs in an earlier row; others tell nothing
MIN_COUNTED = 3  # rows that are counted in order; by chance they rarely are
MIN_EQUAL = 5  # rows that are equal in a column
MIN_SHUFFLED = 10  # the same in any order


def find_leaks(
    manifest: Manifest, columns: Mapping[str, ColumnContents], labels: Labels
) -> Iterator[str]:
    """Yield the names of the columns that alone tell the label of every training row.

    Categories and texts do if all rows of the same value have the same label, and at least
    `MIN_REPEATS` rows repeat a value. Numbers do if each class has a range of its own, or if
    they lie on a line with the numbers to predict. A column that counts the rows does if nearly
    all neighbours in its order have the same class.

    Args:
        manifest: the table.
        columns: contents of its columns.
        labels: labels of all its rows.
    """
    rows = np.array(manifest.splits.get("train", []), np.int64)
    targets = np.asarray(labels.values.numpy()[rows])
    each = targets.T if targets.ndim == 2 else targets[None]
    if len(rows) < MIN_ROWS:
        return
    for name, column in columns.items():
        cells = [manifest.columns[name][row] for row in rows]
        if column.what == "numeric":
            values = readable_numbers(cells, column.number_format)
            if labels.task == "regression":
                tells = any(_follows(values, target) for target in each)
            else:
                tells = any(_separates(values, target, counts=column.is_id) for target in each)
            if tells:
                yield name
        elif labels.task != "regression" and any(_decides(cells, target) for target in each):
            yield name


def find_constant(manifest: Manifest, columns: Mapping[str, ColumnContents]) -> Iterator[str]:
    """Yield the names of the columns whose training rows all hold the same value.

    Args:
        manifest: the table.
        columns: contents of its columns.
    """
    rows = manifest.splits.get("train", [])
    if len(rows) < MIN_EQUAL:
        return
    for name, column in columns.items():
        cells = [manifest.columns[name][row] for row in rows]
        if column.what == "categorical":  # which may be spelled in several ways
            same = len(column.categories) == 1 and None not in cells
        elif column.what == "numeric":
            values = readable_numbers(cells, column.number_format)
            same = bool((values == values[0]).all())
        else:
            same = cells[0] is not None and len(set(cells)) == 1
        if same:
            yield name


def counts_rows(values: np.ndarray) -> bool:
    """Return whether numbers only number the rows.

    They do if they increase by one, or if they do so once they are sorted. Many whole numbers that
    increase with gaps do as well, like the row numbers of a table of which rows were left out.

    Args:
        values: numbers of a column; NaN for a missing one.
    """
    present = values[~np.isnan(values)]
    steps = np.diff(present)
    if len(present) >= MIN_ROWS and (steps > 0).all() and (present == present.round()).all():
        return True
    ordered = np.sort(present) if len(present) >= MIN_SHUFFLED else present
    return len(present) >= MIN_COUNTED and bool((np.diff(ordered) == 1).all())


def _separates(values: np.ndarray, classes: np.ndarray, *, counts: bool) -> bool:
    """Return whether each class has a range of the numbers of its own.

    Args:
        values: the numbers.
        classes: class of each row.
        counts: whether the numbers count the rows. Each class may then have a few ranges.
    """
    known = ~np.isnan(values)
    if known.sum() < max(MIN_ROWS, 0.9 * len(values)):
        return False
    values, classes = values[known], classes[known]
    order = np.lexsort((classes, values))
    values, classes = values[order], classes[order]
    change = classes[1:] != classes[:-1]
    if (change & (values[1:] == values[:-1])).any():
        return False
    distinct, examples = np.unique(classes, return_counts=True)
    if len(distinct) < 2 or examples.min() < 2:
        return False
    # An index of rows that were read file by file has a few runs of each class.
    allowed = len(values) // 10 if counts else 0
    return int(change.sum()) < max(len(distinct), allowed)


def _follows(values: np.ndarray, numbers: np.ndarray) -> bool:
    """Return whether numbers lie on a line with the numbers to predict."""
    known = ~np.isnan(values)
    if known.sum() < max(MIN_ROWS, 0.9 * len(values)):
        return False
    x, y = values[known] - values[known].mean(), numbers[known] - numbers[known].mean()
    spread = np.sqrt((x * x).sum() * (y * y).sum())
    return bool(spread > 0 and abs((x * y).sum()) > (1 - 1e-9) * spread)


def _decides(cells: Cells | Sequence[str | None], classes: np.ndarray) -> bool:
    """Return whether all rows with the same cell have the same class, and enough are the same."""
    class_of: dict[str | None, float] = {}
    repeats = 0
    for cell, label in zip(cells, classes.tolist(), strict=True):
        if cell is None:
            continue
        if cell in class_of:
            repeats += 1
            if class_of[cell] != label:
                return False
        class_of[cell] = label
    return repeats >= MIN_REPEATS and len(set(class_of.values())) > 1
