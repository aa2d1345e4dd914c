"""Checks of the points of a file: their channels, values and precision."""

from collections.abc import Iterator

import numpy as np

from ..notices import notice
from .augment import AXES
from .meshes import Cloud, Mesh

POINTS_PER_BLOCK = 2**18  # points of a large cloud that are in memory together as float64
MIN_STEPS = 256  # that the size of a cloud should have in the precision of its file


def check_channels(geometry: Cloud | Mesh, channels: int, num_added: int) -> None:
    """Check that a file has all channels except those that are added.

    Args:
        geometry: the content of the file.
        channels: channels of an example.
        num_added: those of them that are not in the file.

    Raises:
        ValueError: it has fewer.
    """
    if geometry.channels < AXES:
        raise ValueError(f"points have {geometry.channels} channels; expected at least x, y and z")
    if geometry.channels < channels - num_added:
        raise ValueError(
            f"points have {geometry.channels} channels; expected at least {channels - num_added}: "
            f"set the model's input channels to {geometry.channels + num_added} at most"
        )


def check_finite(values: np.ndarray) -> None:
    """Check that all values (M, C) are finite in float32.

    Raises:
        ValueError: some are not; the message has the first point.
    """
    bad_rows = [
        start + np.flatnonzero(~(np.abs(block) <= np.finfo(np.float32).max).all(axis=1))
        for start, block in blocks(values)
    ]
    if count := sum(map(len, bad_rows)):
        first = int(next(rows[0] for rows in bad_rows if len(rows)))
        raise ValueError(
            f"{count} of {len(values)} points are NaN, infinite or too large for float32; the "
            f"first is point {first + 1}: {values[first].tolist()}; remove or repair them"
        )


def check_precision(values: np.ndarray) -> None:
    """Give a notice if coordinates far from the origin were rounded to float32 in the file.

    Args:
        values: (M, C), finite.
    """
    low, high = (getattr(values[:, :AXES], name)(axis=0) for name in ("min", "max"))
    largest = float(np.abs([low, high]).max())
    step = float(np.spacing(np.float32(largest)))
    extent = float((high.astype(np.float64) - low.astype(np.float64)).max())
    if not 0 < extent < MIN_STEPS * step:
        return
    xyz = values[:, :AXES].astype(np.float64)
    rounded = (xyz == xyz.astype(np.float32)).all()
    if rounded and (step >= 1 or (xyz != xyz.round()).any()):  # whole numbers may be exact
        notice(
            f"has coordinates so far from the origin that float32 keeps {extent / step:,.0f} steps "
            "of its size; subtract an offset before it is saved, or save it as float64"
        )


def blocks(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Iterate over blocks of points as float64, each with the index of its first point."""
    for start in range(0, len(values), POINTS_PER_BLOCK):
        yield start, values[start : start + POINTS_PER_BLOCK].astype(np.float64)
