"""Channels of clouds whose scale differs from file to file, such as colours up to 1 and to 255."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from .decode import AXES, read
from .meshes import Cloud

MIN_FILES = 2  # of each scale
MAX_POINTS = 4096  # of a file that are looked at


def describe_mixed_scales(sources: Sequence[Any], channels: int) -> list[str]:
    """Say if channels after the coordinates are fractions in some files and bytes in others.

    Args:
        sources: some of the training files.
        channels: channels of the files that are read, with the coordinates.

    Returns:
        A line if the scales differ; else none.
    """
    fractions, wholes = 0, 0
    for source in sources:
        with suppress(ValueError, OSError):  # an unreadable file is reported when it is decoded
            cloud = read(source)
            if isinstance(cloud, Cloud):
                step = max(1, len(cloud.values) // MAX_POINTS)
                values = np.asarray(cloud.values[::step, AXES:channels])
                fractions += _are_fractions(values)
                wholes += _are_bytes(values)
    if min(fractions, wholes) < MIN_FILES:
        return []
    line = (
        f"the channels after the coordinates are fractions up to 1 in {fractions:,} and whole "
        f"numbers up to 255 in {wholes:,} of {len(sources):,} inspected point clouds; bring "
        "them to one scale, or a model learns which files have which"
    )
    return [line]


def _are_fractions(values: np.ndarray) -> bool:
    return bool(((values >= 0) & (values <= 1)).all() and (values % 1 != 0).any())


def _are_bytes(values: np.ndarray) -> bool:
    inside = ((values >= 0) & (values <= 255)).all()
    return bool(inside and (values > 1).any() and (values % 1 == 0).all())
