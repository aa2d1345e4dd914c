"""Labels of examples: read them from the columns of a table, and infer the task from them.

- classification: one class per example, int64 (n,), indices into the names of the classes;
- multilabel: any number of K labels per example, float (n, K) of 0 and 1;
- regression: K numbers per example in the data's units, float64 (n,) or (n, K). A name may end in
  its unit, such as "age [years]" or "age (years)".
"""

import logging
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..modalities.table.kinds import Cells, parse_numbers
from ..modalities.table.numbers import (
    CODE,
    MANY,
    MISSING_NUMBERS,
    PLAIN,
    describe_format,
    doubts,
    find_format,
)
from ..modalities.table.spelling import distinct, speller
from .config import Task

log = logging.getLogger(__name__)

SEPARATOR = "|"
MAX_LIKELY_CLASSES = 20  # up to this many distinct values are likely to be classes
BINARY_CELLS = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}

TaskOption = Task | Literal["auto"]

EXPECTED_LABELS: dict[str, str] = {
    "classification": "int64 numbers of classes",
    "multilabel": "floats of 0 and 1, one for each of two labels or more",
    "regression": "floats",
}


@dataclass(frozen=True)
class Labels:
    """The labels of the rows of a table."""

    task: Task
    """The task that the labels are for."""
    values: Tensor
    """The labels, one row per row of the table; see the top of this module."""
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


def infer_task(values: Tensor, names: Sequence[str], task: TaskOption = "auto") -> Task:
    """Return the task that labels are for, by their type and shape.

    Floats of 0 and 1 with at least two columns are for multilabel, unless the task is regression.

    Args:
        values: labels of all examples; see the top of this module.
        names: names of the classes, labels or numbers.
        task: task that the labels must fit; "auto": any.

    Raises:
        ValueError: the labels have a wrong type or shape, do not fit `task`, are not finite or no
            index of a class, or their number of columns differs from the number of names.
    """
    width = values.shape[1] if values.ndim == 2 else 1
    inferred: Task = "classification"
    if values.is_floating_point() and values.ndim in (1, 2):
        inferred = "multilabel" if width > 1 and _is_multi_hot(values) else "regression"
    elif values.dtype != torch.int64 or values.ndim != 1:
        raise ValueError(
            f"labels of {values.dtype} and shape {tuple(values.shape)}; expected classes as int64 "
            "(examples,), or floats (examples, labels): 0 and 1, or numbers to predict"
        )
    binary_regression = (task, inferred) == ("regression", "multilabel")
    if task not in ("auto", inferred) and not binary_regression:
        raise ValueError(
            f"the task is {task} (data.task), but the labels are for {inferred} ({values.dtype} of "
            f"shape {tuple(values.shape)}); give {EXPECTED_LABELS[task]}, or set data.task to "
            f"{inferred} or auto"
        )
    if inferred == "classification":
        _check_classes(values, names)
    else:
        _check_floats(values.view(len(values), width), names)
    return "regression" if binary_regression else inferred


def matching_names(names: Sequence[str], known: Sequence[str]) -> list[str | None]:
    """Return the known name that each name is the same as, in any spelling; None if there is none.

    Args:
        names: names of classes or labels.
        known: the names to look for, such as those that a model was trained on.
    """
    spell = speller(known)
    spelled = {spell(name): name for name in known}
    return [name if name in known else spelled.get(spell(name)) for name in names]


def describe_labels(task: Task, names: Sequence[str]) -> str:
    """Describe labels in a few words, such as "10 classes: classification"."""
    few = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return {
        "classification": f"{len(names)} classes",
        "multilabel": f"any of {len(names)} labels per example ({few})",
        "regression": f"{len(names)} number{'s' * (len(names) > 1)} per example ({few})",
    }[task] + f": {task}"


def split_unit(name: str) -> tuple[str, str]:
    """Split a name and its unit: "age [years]" or "age (years)" → ("age", "years").

    The unit is empty if there is none.
    """
    match = re.fullmatch(r"(.*\S)\s*(?:\[([^\[\]]+)\]|\(([^()]+)\))", name)
    return (match[1], (match[2] or match[3]).strip()) if match else (name, "")


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
    _check_floats(values, tuple(columns))
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


def _is_multi_hot(values: Tensor) -> bool:
    return bool(((values == 0) | (values == 1)).all())


def _check_classes(values: Tensor, names: Sequence[str]) -> None:
    """Check that labels (n,) are indices of classes."""
    wrong = ((values < 0) | (values >= len(names))).nonzero()[:, 0]
    if len(wrong):
        raise ValueError(
            f"{len(wrong):,} of {len(values):,} labels are no class, the first of example "
            f"{int(wrong[0]) + 1}: {int(values[wrong[0]])}; expected 0 to {len(names) - 1}, one of "
            f"the {len(names)} classes: remove these examples, or name all classes"
        )


def _check_floats(values: Tensor, names: Sequence[str]) -> None:
    """Check that labels (n, K) have K names and are finite."""
    if values.shape[1] != len(names):
        raise ValueError(
            f"labels have {values.shape[1]} columns, but {len(names)} names {list(names)}; "
            "expected one name per column"
        )
    for name, column in zip(names, values.T, strict=True):
        if not column.isfinite().all():
            row = int((~column.isfinite()).nonzero()[0]) + 1
            raise ValueError(
                f"label {name!r} of example {row} is {column[row - 1].item()}; expected a finite "
                "number: correct it or remove the example"
            )
