"""Pixel values of more than 8 bits: their range in a set of files, and their scaling to 8 bits.

Thermal and depth cameras save 16 bits of which they use few, so that a fixed scaling makes their
pictures black.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

Range = tuple[float, float]

FULL: Range = (0.0, 65_535.0)  # of 16 bits
USUAL: tuple[Range, ...] = ((0.0, 1.0), (0.0, 255.0), FULL)  # ranges that files are stored in
MIN_SHARE = 0.25  # share of a usual range that values must span; 64 of 256 grey levels
MAX_SAMPLE = 4096  # values of a file that are measured


def scale(values: np.ndarray, limits: Sequence[float] | None) -> np.ndarray:
    """Scale values to 0…255 as uint8; values outside the range are clipped, and NaN becomes 0.

    Args:
        values: integers or floats of any shape.
        limits: the values that become 0 and 255; None: those of 16-bit integers, 0 and 65,535.

    Raises:
        ValueError: floats without `limits`; or limits that are not two ascending numbers.
    """
    if limits is None:
        if values.dtype.kind == "f":
            raise ValueError(
                "floating-point pixels, whose range is unknown; save the image with 8 or 16 bits, "
                "or set model.input.value_range to the values that are black and white"
            )
        return (values.astype(np.int64).clip(0, 65535) // 257).astype(np.uint8)
    low, high = check_range(limits)
    levels = (values.astype(np.float64).clip(low, high) - low) * 255 / (high - low)
    # Rounding gives back 8 bits that were saved as floats; 16 bits are cut off as without limits.
    levels = np.rint(levels) if values.dtype.kind == "f" else np.floor(levels)
    return np.nan_to_num(levels).astype(np.uint8)


def check_range(limits: Sequence[float]) -> Range:
    """Return a range as two numbers.

    Raises:
        ValueError: it is not two ascending, finite numbers.
    """
    if len(limits) != 2 or not -np.inf < limits[0] < limits[1] < np.inf:
        raise ValueError(
            f"value_range={tuple(limits)}; expected two ascending numbers: the values that become "
            "black and white"
        )
    return float(limits[0]), float(limits[1])


def sample(values: np.ndarray) -> np.ndarray:
    """Return evenly spaced values of an image, at most about `MAX_SAMPLE` of them."""
    flat = values.reshape(-1)
    return flat[:: max(1, len(flat) // MAX_SAMPLE)]


def measure_range(samples: Sequence[np.ndarray]) -> Range | None:
    """Return the range of the values of a set of images.

    A value that is far from all others, such as the 0 or 65,535 of pixels without a measurement, is
    not counted, nor are the few that lie far outside the range of 98% of the values.

    Args:
        samples: values of each image.

    Returns:
        A usual range (0 to 1, 0 to 255 or 0 to 65,535) if the values fill much of it, else the
        lowest and the highest value. None: there are no two different values.
    """
    values = np.concatenate([x.reshape(-1).astype(np.float64) for x in samples] or [np.empty(0)])
    values = _without_lone_ends(np.sort(values[np.isfinite(values)]))
    if len(values) == 0 or values[0] == values[-1]:
        return None
    low, high = np.percentile(values, (1, 99))
    spread = high - low or values[-1] - values[0]
    low, high = max(values[0], low - spread), min(values[-1], high + spread)
    for usual in USUAL:
        inside = usual[0] <= low and high <= usual[1]
        if inside and high - low >= MIN_SHARE * (usual[1] - usual[0]):
            return usual
    return float(low), float(high)


def measured(
    config: Any,
    sources: Sequence[Any],
    wide_values: Callable[[Any], np.ndarray | None],
    noun: str,
) -> tuple[Any, list[str]]:
    """Return a configuration with the `value_range` of files, if it has to be measured.

    Args:
        config: input configuration without `value_range`.
        sources: some of the training files.
        wide_values: returns the values of a file of more than 8 bits; None for any other file.
        noun: what the files are called, in the plural.

    Returns:
        The configuration, and a line that describes the range if it was set.
    """
    samples = []
    for source in sources:
        with suppress(ValueError, OSError):  # an unreadable file is reported when it is decoded
            if (values := wide_values(source)) is not None:
                samples.append(sample(values))
    found = measure_range(samples)
    integers = all(values.dtype.kind != "f" for values in samples)
    if found is None or (found == FULL and integers):
        return config, []
    line = (
        f"{len(samples):,} of {len(sources):,} inspected {noun} have more than 8 bits: their "
        f"values from {found[0]:.6g} to {found[1]:.6g} are scaled to 0…255 "
        "(model.input.value_range)"
    )
    return replace(config, value_range=found), [line]


def _without_lone_ends(ordered: np.ndarray) -> np.ndarray:
    """Leave out a lowest or highest value that is farther from the others than they are apart."""
    for _ in range(2):  # the lowest, then the highest value, negated
        rest = ordered[ordered > ordered[:1]]
        if len(rest) and 0 < rest[-1] - rest[0] < rest[0] - ordered[0]:
            ordered = rest
        ordered = -ordered[::-1]
    return ordered
