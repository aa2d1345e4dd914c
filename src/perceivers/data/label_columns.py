"""Read the labels of a table from its columns, and infer the task from their cells."""

import logging
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..modalities.table.doubts import describe_format, doubts
from ..modalities.table.kinds import Cells, parse_numbers
from ..modalities.table.numbers import (
    CODE,
    MANY,
    MISSING_NUMBERS,
    PLAIN,
    find_format,
)
from ..modalities.table.spelling import distinct, speller
from .config import Task
from .labels import SEPARATOR, TaskOption, check_floats

log = logging.getLogger(__name__)

MAX_LIKELY_CLASSES = 20  # up to this many distinct values are likely to be classes
BINARY_CELLS = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}


@dataclass(frozen=True)
class Labels:
    """The labels of the rows of a table."""

    task: Task
    """The task that the labels are for."""
    values: Tensor
    """The labels, one row per row of the table; see the module `labels`."""
    names: tuple[str, ...]
    """Names of the classes, labels or numbers, in the order of the model's outputs."""


def read_labels(
    columns: Mapping[str, Cells],
    *,
    task: TaskOption = "auto",
    categorical: Set[str] = frozenset(),
) -> Labels:
    """Read one or more columns of a table as labels.

    The task "auto" is inferred. For one column: regression if the cells are numbers (in any of the
    formats of `find_format`), multilabel if some are like "dog|cat" ("|" alone: no label),
    classification otherwise. For several columns: multilabel if all cells are 0 or 1 (or true or
    false), regression if they are numbers.

    The names of classes, and of labels in one column, are sorted; if all are numbers, by value.
    Several columns keep their order. Classes that are the same in another spelling, such as 1 and
    1.0, are one (`spelling.speller`).

    Args:
        columns: label columns by name, as `modalities.table.columns.read_columns` returns them.
        task: task that the labels are for, or "auto".
        categorical: names of columns that hold classes, even if they are written as numbers.

    Returns:
        The task, the values and the names.

    Raises:
        ValueError: labels are missing, do not fit the task, or are all the same. The message names
            the column and the first such row (1 is the row below the column names).
    """
    if not columns:
        raise ValueError("no label column; name at least one")
    declared = len(columns) == 1 and categorical >= columns.keys()
    chosen: Task = "classification" if declared else _infer_from_cells(columns)
    chosen = chosen if task == "auto" else task
    no_label = MISSING_NUMBERS if chosen == "regression" else frozenset[str]()
    for name, cells in columns.items():
        _reject_missing(name, cells, no_label)
    if chosen == "regression":
        return _number_labels(columns, inferred=task == "auto")
    if len(columns) > 1:
        if chosen == "classification":
            raise ValueError(
                f"{len(columns)} label columns {list(columns)}, but classification takes one class "
                "per row; name one column, or set the task to multilabel or regression"
            )
        values = np.stack([_binary_values(name, cells) for name, cells in columns.items()], axis=1)
        return Labels(chosen, torch.from_numpy(values), tuple(columns))
    [(name, cells)] = columns.items()
    return (_class_labels if chosen == "classification" else _multi_hot_labels)(name, cells)


def _infer_from_cells(columns: Mapping[str, Cells]) -> Task:
    filled = [[cell for cell in cells if cell is not None] for cells in columns.values()]
    if len(columns) > 1 and all(cell.lower() in BINARY_CELLS for cells in filled for cell in cells):
        return "multilabel"
    codes = len(columns) == 1 and any(map(CODE.fullmatch, filled[0]))
    if not codes and all(_are_numbers(cells) for cells in filled):
        return "regression"
    if len(columns) > 1:
        return "multilabel"  # its error then names a cell that is not 0 or 1
    return "multilabel" if any(SEPARATOR in cell for cell in filled[0]) else "classification"


def _are_numbers(cells: Sequence[str]) -> bool:
    """Return whether all cells are numbers, or nearly all are and differ too much for classes."""
    number_format = find_format(cells)
    if number_format is None:
        return False
    numbers = [cell for cell in cells if cell.lower() not in MISSING_NUMBERS]
    values = {number_format.parse(cell) for cell in numbers}
    return None not in values or len(values) > MANY


def _reject_missing(name: str, cells: Cells, no_label: frozenset[str]) -> None:
    """Check that no cell is empty or one of `no_label`."""
    rows = [i for i, cell in enumerate(cells, 1) if cell is None or cell.lower() in no_label]
    if rows:
        raise ValueError(
            f"label column {name!r}: {len(rows)} of {len(cells)} labels are missing, the first in "
            f"row {rows[0]}; fill them in or remove these rows"
        )


def _class_labels(name: str, cells: Cells) -> Labels:
    labels = [str(cell) for cell in cells]
    spelled = distinct(set(labels))
    names = _sort_names(set(spelled.values()))
    if len(names) < 2:
        raise ValueError(
            f"label column {name!r} has only one class, {names[0]!r}; a classifier needs at least "
            "two"
        )
    if len(names) > max(MAX_LIKELY_CLASSES, len(labels) / 2):
        raise ValueError(
            f"label column {name!r} has {len(names)} classes in {len(labels)} rows, such as "
            f"{names[0]!r}; expected several examples of each. If they are numbers with a unit, "
            "put the unit into the column's name, such as 'price [EUR]'"
        )
    spell, index = speller(names), {name: i for i, name in enumerate(names)}
    number = {label: index[spelled[spell(label)]] for label in set(labels)}
    return Labels("classification", torch.tensor([number[label] for label in labels]), names)


def _multi_hot_labels(name: str, cells: Cells) -> Labels:
    rows = [{part.strip() for part in str(cell).split(SEPARATOR)} - {""} for cell in cells]
    names = _sort_names(set().union(*rows))
    if len(names) < 2:
        count = f"only one label, {names[0]!r}" if names else "no labels"
        raise ValueError(
            f"label column {name!r} has {count}; multilabel needs at least two, written like "
            f"'dog{SEPARATOR}cat'"
        )
    values = torch.tensor([[float(label in row) for label in names] for row in rows])
    return Labels("multilabel", values, names)


def _sort_names(names: set[str]) -> tuple[str, ...]:
    """Sort names; if all are numbers, by value, so that 2 comes before 10."""
    ordered = sorted(names)
    if not _are_numbers(ordered) or not MISSING_NUMBERS.isdisjoint(
        name.lower() for name in ordered
    ):
        return tuple(ordered)
    return tuple(sorted(ordered, key=float))


def _binary_values(name: str, cells: Cells) -> np.ndarray:
    """Return a column of 0 and 1, or of true and false, as float32 (rows,)."""
    for row, cell in enumerate(cells, 1):
        if str(cell).lower() not in BINARY_CELLS:
            raise ValueError(
                f"label column {name!r}, row {row}: {cell!r}; expected all label columns to hold "
                "0 or 1 (multilabel), or all to hold numbers (regression)"
            )
    return np.array([BINARY_CELLS[str(cell).lower()] for cell in cells], np.float32)


def _number_labels(columns: Mapping[str, Cells], *, inferred: bool) -> Labels:
    arrays: list[np.ndarray] = []
    for name, cells in columns.items():
        try:
            number_format = find_format(cells) or PLAIN
            array = parse_numbers(cells, number_format)
            if number_format != PLAIN:
                log.info("label column %r: %s", name, describe_format(cells, number_format))
            for doubt in doubts(cells, number_format):
                log.info("label column %r: %s", name, doubt)
        except ValueError as error:
            raise ValueError(f"label column {name!r}, {error}") from None
        arrays.append(array)
        if inferred:
            _log_likely_classes(name, array)
    values = torch.from_numpy(np.stack(arrays, axis=1))
    check_floats(values, tuple(columns))
    return Labels("regression", values, tuple(columns))


def _log_likely_classes(name: str, array: np.ndarray) -> None:
    """Log that a column taken as numbers may hold classes, if it has whole numbers only."""
    values = np.unique(array)
    if (values == values.round()).all():
        log.info(
            "label column %r holds %d different whole numbers, treated as numbers to predict "
            "(regression); if they are classes, set --data.task classification",
            name,
            len(values),
        )
