"""Distributions of measurements of files, and how they are described. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Distribution:
    """How a measurement varies over files."""

    low: float
    """Minimum."""
    median: float
    """Lower median: always one of the measured values."""
    most: float
    """95th percentile: 19 of 20 files have at most this value."""
    high: float
    """Maximum."""
    mean: float
    """Arithmetic mean."""

    @classmethod
    def of(cls, values: Sequence[float]) -> "Distribution":
        """Summarise at least one value."""
        ordered = sorted(values)
        middle, most = (len(ordered) - 1) // 2, -(-19 * len(ordered) // 20) - 1
        mean = sum(ordered) / len(ordered)
        return cls(ordered[0], ordered[middle], ordered[most], ordered[-1], mean)


Measures = dict[str, Distribution]
"""Distributions by the name of the measurement, such as "seconds"."""


def number(value: float) -> str:
    """Format a number briefly: 0.42, 12.5, 25, 1,024."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 1 else f"{value:.3g}"


def counted(value: float, noun: str) -> str:
    """Format a number with a noun that takes an s unless it is 1: "1 channel", "12 channels"."""
    return f"{number(value)} {noun}{'' if value == 1 else 's'}"


def median_of(values: Distribution, unit: str) -> str:
    """Describe a distribution by its median, such as "median 0.42 s"; "25 s" if all are equal.

    Args:
        values: the distribution.
        unit: unit of the values.
    """
    word = "" if values.low == values.high else "median "
    return f"{word}{number(values.median)} {unit}"


def pixels_of(measures: Measures) -> str:
    """Describe the distributions of "width" and "height", such as "median 640 × 480 pixels"."""
    sides = measures["width"], measures["height"]
    size = " × ".join(number(side.median) for side in sides)
    return f"{'' if all(side.low == side.high for side in sides) else 'median '}{size} pixels"
