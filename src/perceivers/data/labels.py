"""What examples are labelled with: columns of a table as labels, and the task that labels are for.

- classification: one class an example, int64 (n,), numbers of the classes' names;
- multilabel: any of K labels, float (n, K) of 0 and 1;
- regression: K numbers in the data's units, float (n,) or (n, K); a name may end in its unit, such
  as "age [years]" or "age (years)".
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..modalities.table.kinds import MISSING_NUMBERS, Cells, infer_kinds, parse_numbers
from .config import Task

log = logging.getLogger(__name__)

SEPARATOR = "|"
FEW = 20  # different whole numbers that may well be classes
ON_OFF = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}

AskedTask = Task | Literal["auto"]


@dataclass(frozen=True)
class Labels:
    """The labels of a table's rows."""

    task: Task
    """What they are for."""
    values: Tensor
    """One row each; see above."""
    names: tuple[str, ...]
    """Of the classes, labels or numbers, in the order of the model's outputs."""


def read_labels(columns: Mapping[str, Cells], *, task: AskedTask = "auto") -> Labels:
    """One or several columns of a table as labels.

    Of one column, numbers are for regression, cells such as "dog|cat" for multi-label ("|" alone:
    none of them), and anything else for classification. Several columns are for multi-label where
    they hold only 0 and 1 (or true and false), for regression where they hold numbers. Names of
    classes and labels come sorted, numbers among them by value; those of columns stay in order.

    Args:
        columns: the label columns by name, as `columns.read_columns` gives them.
        task: what the labels are for; auto: as above.

    Raises:
        ValueError: labels that are missing, do not fit the task, or are all the same; the message
            names the column and the first row (1 is the first below the names).
    """
    if not columns:
        raise ValueError("no label column; name at least one")
    chosen: Task = _infer(columns) if task == "auto" else task
    for name, cells in columns.items():
        _reject_missing(
            name, cells, missing=MISSING_NUMBERS if chosen == "regression" else frozenset()
        )
    if chosen == "regression":
        return _numbers(columns, asked=task != "auto")
    if len(columns) > 1:
        if chosen == "classification":
            raise ValueError(
                f"{len(columns)} label columns {list(columns)}; classification has one class a "
                "row: name one column, or set the task to multilabel or regression"
            )
        values = np.stack([_on_off(name, cells) for name, cells in columns.items()], axis=1)
        return Labels(chosen, torch.from_numpy(values), tuple(columns))
    [(name, cells)] = columns.items()
    return (_classes if chosen == "classification" else _multi_hot)(name, cells)


def task_of(values: Tensor, names: Sequence[str], asked: AskedTask = "auto") -> Task:
    """The task that labels are for, by their type and shape; floats of 0 and 1 are multi-label.

    Args:
        values: the labels of all examples; see above.
        names: of the classes, labels or numbers.
        asked: what they are to be for; auto: what they look like.

    Raises:
        ValueError: they are of no such type, not for the task that is asked for, not finite, or not
            as many as the names.
    """
    width = values.shape[1] if values.ndim == 2 else 1
    found: Task = "classification"
    if values.is_floating_point() and values.ndim in (1, 2):
        found = "multilabel" if width > 1 and _is_multi_hot(values) else "regression"
    elif values.dtype != torch.int64 or values.ndim != 1:
        raise ValueError(
            f"labels of {values.dtype} and shape {tuple(values.shape)}; expected int64 (examples,) "
            "of classes, or floats (examples, labels): 0 and 1, or numbers to predict"
        )
    zeros_and_ones = (asked, found) == ("regression", "multilabel")  # they are numbers too
    if asked not in ("auto", found) and not zeros_and_ones:
        raise ValueError(
            f"the task is {asked} (data.task), but the labels are for {found} ({values.dtype} of "
            f"shape {tuple(values.shape)}); give {EXPECTED[asked]}, or set data.task to {found} or "
            "auto"
        )
    if found != "classification":
        _check_floats(values.view(len(values), width), names)
    return "regression" if zeros_and_ones else found


EXPECTED: dict[str, str] = {
    "classification": "int64 numbers of classes",
    "multilabel": "floats of 0 and 1, one for each of two labels or more",
    "regression": "floats",
}


def describe(task: Task, names: Sequence[str]) -> str:
    """A word on the labels for the log, such as "10 classes: classification"."""
    few = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return {
        "classification": f"{len(names)} classes",
        "multilabel": f"any of {len(names)} labels an example ({few})",
        "regression": f"{len(names)} number{'s' * (len(names) > 1)} an example ({few})",
    }[task] + f": {task}"


def split_unit(name: str) -> tuple[str, str]:
    """Such as "age [years]" or "age (years)" → ("age", "years"); the unit may be empty."""
    found = re.fullmatch(r"(.*\S)\s*(?:\[([^\[\]]+)\]|\(([^()]+)\))", name)
    return (found[1], (found[2] or found[3]).strip()) if found else (name, "")


def _infer(columns: Mapping[str, Cells]) -> Task:
    filled = [[cell for cell in cells if cell is not None] for cells in columns.values()]
    if len(columns) > 1 and all(cell.lower() in ON_OFF for cells in filled for cell in cells):
        return "multilabel"
    if all(_are_numbers(cells) for cells in filled):
        return "regression"
    if len(columns) > 1:
        return "multilabel"  # whose error says which cell is not 0 or 1
    return "multilabel" if any(SEPARATOR in cell for cell in filled[0]) else "classification"


def _are_numbers(cells: Sequence[str]) -> bool:
    return infer_kinds({"": list(cells)}, {})[""].what == "numeric"


def _reject_missing(name: str, cells: Cells, missing: frozenset[str]) -> None:
    rows = [i for i, cell in enumerate(cells, 1) if cell is None or cell.lower() in missing]
    if rows:
        raise ValueError(
            f"label column {name!r}: {len(rows)} of {len(cells)} labels are missing, the first in "
            f"row {rows[0]}; fill them in, or leave these rows out"
        )


def _classes(name: str, cells: Cells) -> Labels:
    given = [str(cell) for cell in cells]
    names = _sorted(set(given))
    if len(names) < 2:
        raise ValueError(
            f"label column {name!r} holds one class only, {names[0]!r}; a classifier needs at "
            "least two"
        )
    if len(names) > max(FEW, len(given) / 2):
        raise ValueError(
            f"label column {name!r} holds {len(names)} classes in {len(given)} rows, such as "
            f"{names[0]!r}; expected some examples of each. If they are numbers with a unit, put "
            "the unit into the column's name, such as 'price [EUR]'"
        )
    place = {label: index for index, label in enumerate(names)}
    return Labels("classification", torch.tensor([place[label] for label in given]), names)


def _multi_hot(name: str, cells: Cells) -> Labels:
    rows = [{part.strip() for part in str(cell).split(SEPARATOR)} - {""} for cell in cells]
    names = _sorted(set().union(*rows))
    if len(names) < 2:
        raise ValueError(
            f"label column {name!r} holds {f'one label only, {names[0]!r}' if names else 'none'}; "
            f"multi-label needs at least two, such as a cell 'dog{SEPARATOR}cat'"
        )
    values = torch.tensor([[float(label in row) for label in names] for row in rows])
    return Labels("multilabel", values, names)


def _sorted(names: set[str]) -> tuple[str, ...]:
    """By name; all numbers by value, so that 2 comes before 10."""
    ordered = sorted(names)
    if not _are_numbers(ordered) or not MISSING_NUMBERS.isdisjoint(
        name.lower() for name in ordered
    ):
        return tuple(ordered)
    return tuple(sorted(ordered, key=float))


def _on_off(name: str, cells: Cells) -> np.ndarray:
    for row, cell in enumerate(cells, 1):
        if str(cell).lower() not in ON_OFF:
            raise ValueError(
                f"label column {name!r}, row {row}: {cell!r}; of several label columns all hold "
                "0 or 1 (multi-label), or all hold numbers (regression)"
            )
    return np.array([ON_OFF[str(cell).lower()] for cell in cells], np.float32)


def _numbers(columns: Mapping[str, Cells], *, asked: bool) -> Labels:
    given = []
    for name, cells in columns.items():
        try:
            given.append(parse_numbers(cells))
        except ValueError as error:
            raise ValueError(f"label column {name!r}, {error}") from None
        different = np.unique(given[-1])
        if not asked and len(different) <= FEW and (different == different.round()).all():
            log.info(
                "label column %r holds %d different whole numbers, taken as numbers to predict; "
                "if they are classes: --data.task classification",
                name,
                len(different),
            )
    values = torch.from_numpy(np.stack(given, axis=1)).float()
    _check_floats(values, tuple(columns))
    return Labels("regression", values, tuple(columns))


def _is_multi_hot(values: Tensor) -> bool:
    return bool(((values == 0) | (values == 1)).all())


def _check_floats(values: Tensor, names: Sequence[str]) -> None:
    if values.shape[1] != len(names):
        raise ValueError(f"labels of width {values.shape[1]} for {len(names)} names {list(names)}")
    for name, column in zip(names, values.T, strict=True):
        if not column.isfinite().all():
            row = int((~column.isfinite()).nonzero()[0]) + 1
            raise ValueError(
                f"label {name!r} of example {row} is {column[row - 1].item()}; expected a finite "
                "number: leave the example out"
            )
