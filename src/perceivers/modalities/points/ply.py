"""Write point clouds as binary ply files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

TYPES = {"f4": "float", "f8": "double", "u1": "uchar", "i2": "short", "i4": "int"}


def ply_bytes(
    points: np.ndarray,
    properties: Mapping[str, np.ndarray],
    colours: np.ndarray | None = None,
    comments: tuple[str, ...] = (),
) -> bytes:
    """Return a cloud as the content of a ply file.

    Args:
        points: coordinates (M, 3), float32 or float64.
        properties: further values of the points by name, (M,) each, as int16, int32, float32 or
            uint8.
        colours: uint8 (M, 3); None: without colours.
        comments: lines of the header for people.
    """
    columns = dict(zip("xyz", points.T, strict=True))
    if colours is not None:
        columns |= dict(zip(("red", "green", "blue"), colours.T, strict=True))
    columns |= properties
    types = [(name, x.dtype.newbyteorder("<")) for name, x in columns.items()]
    rows = np.empty(len(points), types)
    for name, x in columns.items():
        rows[name] = x
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        *(f"comment {line}" for line in comments),
        f"element vertex {len(points)}",
        *(f"property {TYPES[kind.str[1:]]} {name}" for name, kind in types),
        "end_header\n",
    ]
    return "\n".join(lines).encode() + rows.tobytes()


def write_ply(
    path: Path, points: np.ndarray, labels: np.ndarray, colours: np.ndarray | None = None
) -> None:
    """Write a cloud with a label for each point.

    Args:
        path: the file.
        points: coordinates (M, 3).
        labels: whole numbers (M,), written as the property `label`.
        colours: uint8 (M, 3); None: without colours.
    """
    path.write_bytes(ply_bytes(points, {"label": labels.astype(np.int32)}, colours))
