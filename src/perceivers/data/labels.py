"""Labels of examples as tensors, their names, and the task that follows from them.

- classification: one class per example, int64 (n,), indices into the names of the classes;
- multilabel: any number of K labels per example, float (n, K) of 0 and 1;
- segmentation: a class for each element of an example; here only how many elements of an example
  have each of K classes, int32 (n, K), because the classes themselves are a part of the example;
- reconstruction, occupancy: none, int32 (n, 0);
- regression: K numbers per example in the data's units, float64 (n,) or (n, K). A name may end in
  its unit, such as "age [years]" or "age (years)";
- forecasting: the means of the values that follow a window, of each of K channels, float64 (n, K).
  The values themselves are part of the example.

Flow has none here, int32 (n, 0): the motion of each pixel is part of the example.
Masking has no labels: what is to be found is hidden in the examples. Classes that the data has
nevertheless decide which examples are held out.
"""

import math
import re
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ..modalities.table.spelling import speller
from .config import Task

SEPARATOR = "|"
ROUNDED = 16  # characters of a number from which on its last digits may be rounding errors

TaskOption = Task | Literal["auto"]

EXPECTED_LABELS: dict[str, str] = {
    "classification": "int64 numbers of classes",
    "multilabel": "floats of 0 and 1, one for each of two labels or more",
    "regression": "floats",
    "language": "none: texts are read for a model that continues them",
    "reconstruction": "none: the model rebuilds its inputs",
    "segmentation": "a class for each point, byte or pixel, and a model with such outputs",
    "forecasting": "a series, and a model with a horizon (model.input.horizon)",
    "masking": "none: hidden bytes of texts are to be found",
    "flow": "pairs of frames with .flo files, and a model of optical flow",
    "occupancy": "closed meshes, and a model that tells what is inside",
}


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
    if task in ("masking", "flow", "occupancy"):
        return task
    width = values.shape[1] if values.ndim == 2 else 1
    inferred: Task = "classification"
    if task == "forecasting" and values.is_floating_point():
        inferred = task
    elif values.is_floating_point() and values.ndim in (1, 2):
        inferred = "multilabel" if width > 1 and _is_multi_hot(values) else "regression"
    elif values.dtype == torch.int32 and values.ndim == 2:
        inferred = "segmentation" if width else "reconstruction"
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
    elif values.is_floating_point():
        check_floats(values.view(len(values), width), names)
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
        "language": "the next byte of texts",
        "regression": f"{len(names)} number{'s' * (len(names) > 1)} per example ({few})",
        "reconstruction": "the inputs themselves",
        "segmentation": f"{len(names)} classes of elements ({few})",
        "forecasting": f"{len(names)} channel{'s' * (len(names) > 1)} to forecast ({few})",
        "masking": "none",
        "flow": "the motion of each pixel",
        "occupancy": "which places are inside",
    }[task] + f": {task}"


def split_unit(name: str) -> tuple[str, str]:
    """Split a name and its unit: "age [years]" or "age (years)" → ("age", "years").

    The unit is empty if there is none.
    """
    match = re.fullmatch(r"(.*\S)\s*(?:\[([^\[\]]+)\]|\(([^()]+)\))", name)
    return (match[1], (match[2] or match[3]).strip()) if match else (name, "")


def label_texts(values: Tensor, names: Sequence[str]) -> list[str]:
    """Return the label of each example as text: its class, its labels ("dog|cat") or its numbers.

    Args:
        values: labels of all examples; see the top of this module.
        names: names of the classes, labels or numbers.
    """
    if not values.is_floating_point() and values.ndim == 2:  # of elements
        return [" ".join(map(str, row)) for row in values.tolist()]
    if not values.is_floating_point():
        known = dict(enumerate(names))
        return [known.get(index, str(index)) for index in values.tolist()]
    rows = values.reshape(len(values), -1)
    if rows.shape[1] > 1 and _is_multi_hot(rows):
        return [
            SEPARATOR.join(name for name, on in zip(names, row, strict=False) if on) or SEPARATOR
            for row in rows.tolist()
        ]
    return [" ".join(f"{number:.17g}" for number in row) for row in rows.tolist()]


def same_label(text: str, other: str) -> bool:
    """Return whether two texts of `label_texts` are the same label, in any spelling.

    Numbers are the same up to rounding errors.
    """
    if text == other:
        return True
    words, others = text.split(" "), other.split(" ")
    return len(words) == len(others) and all(
        speller([word])(word) == speller([word])(x) or _same_number(word, x)
        for word, x in zip(words, others, strict=True)
    )


def _same_number(text: str, other: str) -> bool:
    if max(len(text), len(other)) < ROUNDED:
        return False
    try:
        return math.isclose(float(text), float(other), rel_tol=1e-9)
    except ValueError:
        return False


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


def check_floats(values: Tensor, names: Sequence[str]) -> None:
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
