"""Predictions from the outputs of a model, as text and as JSON."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ..data.labels import split_unit
from ..printing import formatted

NOT_FINITE = (
    "the outputs are not finite numbers; the example holds NaN, infinite or too large numbers, or "
    "the weights of the model do"
)
Prediction = list[tuple[str, float]]
"""(label, probability) pairs, the most likely first; (label, number) pairs of a regression."""


def check_finite(values: Sequence[float], name: str = "") -> None:
    """Check that the outputs for an example are numbers.

    Args:
        values: the probabilities, or the numbers.
        name: name of the example for the message.

    Raises:
        ValueError: one of them is infinite or NaN.
    """
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{name}{': ' if name else ''}{NOT_FINITE}")


def finite(outputs: Tensor) -> Tensor:
    """Return the outputs for an example, if all of them are numbers.

    Raises:
        ValueError: one of them is infinite or NaN.
    """
    if not outputs.isfinite().all():
        raise ValueError(NOT_FINITE)
    return outputs


def probabilities_as_text(prediction: Prediction) -> str:
    """Format classes or labels, such as "cat 97.1%, dog 2.2%"."""
    return ", ".join(f"{label} {value:.1%}" for label, value in prediction)


def numbers_as_text(prediction: Prediction, spreads: Mapping[str, float]) -> str:
    """Format numbers with their units, such as "age 31.4 years".

    Args:
        prediction: the numbers.
        spreads: standard deviation of each number in the training data, by label.
    """
    named = [
        (*split_unit(label), _number_text(value, spreads[label])) for label, value in prediction
    ]
    return ", ".join(f"{name} {value} {unit}".rstrip() for name, unit, value in named)


def as_json(prediction: Prediction, *, numbers: bool) -> list[dict[str, Any]]:
    """Return plain data that JSON can hold: label and probability, or label, value and unit."""
    if not numbers:
        return [{"label": label, "probability": value} for label, value in prediction]
    return [
        {"label": label, "value": value, "unit": split_unit(label)[1] or None}
        for label, value in prediction
    ]


def _number_text(value: float, spread: float) -> str:
    """Format a number with 5 digits, or more if the numbers of the training data need them.

    Args:
        value: the number.
        spread: standard deviation of the training data; a thousandth of it can be read.
    """
    needed = math.log10(abs(value) / spread) + 4 if value else 0
    return formatted(value, f".{min(15, max(5, math.ceil(needed)))}g")
