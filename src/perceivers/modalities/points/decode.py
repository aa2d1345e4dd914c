"""One cloud of points in: any file of points or of a mesh → float32 (M, C)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..files import LazyArray, PathOrBytes, read_bytes, suffix_of
from . import augment as augment_points
from .formats import READERS, mapped, read
from .meshes import Cloud, Mesh
from .surface import SHAPE_CHANNELS, surface_shape

AXES = augment_points.AXES
POINT_SUFFIXES = frozenset(f".{kind}" for kind in READERS)
RUN = 2**18  # points of a large cloud that are looked at together
MESH_POINTS = 2048  # taken from a mesh unless told; arXiv 2103.03206v2, §4.3: "around 2,000"


@dataclass(frozen=True)
class PointsInfo:
    """What a file of points holds."""

    num_points: int
    """Points of a cloud; corners of a mesh, of which any number of points can be taken."""
    channels: int
    """Channels that a point has, the coordinates included."""
    num_faces: int
    """Triangles of a mesh; 0: a cloud."""


def decode(
    source: PathOrBytes,
    *,
    num_points: int | None = None,
    channels: int = 3,
    kind: str | None = None,
    seed: int = 0,
    min_points: int = 3,
    normalise: bool = False,
    size_channel: bool = False,
    neighbours: Sequence[int] = (),
) -> np.ndarray:
    """A file of points → float32 (M, channels), the first three channels the coordinates.

    ply, off, obj and stl are read by trimesh; npy, npz and text (csv, txt, xyz) by NumPy. Of a
    mesh, points are taken at random, equally likely everywhere on its surface. Of a cloud, a random
    subset is taken where it has more than `num_points` (files are often sorted), and all points in
    their order where it has fewer: a point given twice would weigh twice.

    Channels beyond the third are what the file has, in this order: ply: normals, then colours
    scaled to [0, 1]; obj clouds: colours; meshes: normals of the faces, then colours, no textures;
    arrays and text: further columns as they are. In text whose columns have names, x, y and z come
    first wherever they stand, and red, green and blue (or r, g, b) that are whole numbers above 1
    are taken for 0…255 and scaled to [0, 1].

    A text file that was cut at the end of a line looks like a shorter one; binary files, and those
    that announce their number of points, are found damaged.

    Args:
        source: a path, or the file's bytes.
        num_points: points to take; None: all of a cloud, `MESH_POINTS` of a mesh.
        channels: C.
        kind: the file's suffix; None: that of the path. Bytes need it.
        seed: of what is random; the same gives the same points.
        min_points: fewer in a cloud are an error. Two are one segment whatever they were, once
            centred and scaled; three have a shape.
        normalise: give them as by `centre_and_scale`, made before the coordinates are rounded to
            float32: those of a survey lie millions of metres from their origin.
        size_channel: after the file's channels comes what normalising takes away, the natural
            logarithm of the largest coordinate, in size, of the centred points.
        neighbours: how many points of each one's neighbourhood the last channels tell the shape of,
            seven a number; see `surface.surface_shape`. Lengths are in the unit of the coordinates,
            with `size_channel` in the file's.

    Raises:
        ValueError: no such file, unknown kind, damaged, too few points or channels, NaN or infinite
            values; the message does not name the file.
    """
    added = channels_added(size_channel, neighbours)
    least = AXES + added
    if channels < least or (num_points is not None and num_points < 1):
        raise ValueError(
            f"channels={channels}, num_points={num_points}; expected at least {least} and at "
            "least 1"
        )
    found = _read(source, kind)
    _check_channels(found, channels, added)
    channels -= added
    if isinstance(found, Mesh):
        _check_finite(found.surface.vertices)
        values = found.sample(MESH_POINTS if num_points is None else num_points, seed)
    else:
        _check_finite(found.values[:, :channels])
        values = _chosen(found.values, num_points, seed, min_points)
    values = values[:, :channels].astype(np.float64)
    made = centre_and_scale(values) if normalise else values
    reach = _reach(values) if size_channel and made[:, :AXES].any() else 0.0
    columns = [made]
    if size_channel:
        columns.append(_size(len(made), reach))
    if neighbours:
        columns.append(surface_shape((values if size_channel else made)[:, :AXES], neighbours))
    return np.concatenate(columns, axis=1).astype(np.float32)


def channels_added(size_channel: bool, neighbours: Sequence[int]) -> int:
    """How many of a point's channels are not of its file, see `decode`; ValueError: unknown."""
    if any(count < 1 for count in neighbours):
        raise ValueError(f"neighbours={tuple(neighbours)}; expected numbers of 1 or more")
    return size_channel + SHAPE_CHANNELS * len(neighbours)


def probe(source: PathOrBytes, *, kind: str | None = None) -> PointsInfo:
    """What a file holds, without taking points from it; arguments and errors as of `decode`."""
    found = _read(source, kind)
    if isinstance(found, Mesh):
        surface = found.surface
        return PointsInfo(len(surface.vertices), found.channels, len(surface.faces))
    return PointsInfo(len(found.values), found.channels, 0)


def centre_and_scale(points: np.ndarray) -> np.ndarray:
    """One cloud (M, C) with its coordinates at mean 0 within [-1, 1]; see `augment_points`."""
    values = torch.from_numpy(points.astype(np.float64))
    return augment_points.centre_and_scale(values[None])[0].numpy().astype(points.dtype)


def open_large(
    source: PathOrBytes, size: int, *, channels: int = 3, size_channel: bool = False
) -> "LazyPoints | None":
    """A cloud to read in parts: of a path of a `.npy` file of more than `size` bytes as float32.

    None: anything else, or nothing that can be read, which `decode` tells.

    Raises:
        ValueError: as `decode`.
    """
    if isinstance(source, bytes) or suffix_of(source, None) != "npy":
        return None
    found = mapped(source)
    if found is None or 4 * len(found.values) * channels <= size:
        return None
    _check_channels(found, channels, int(size_channel))
    return LazyPoints(found.values, channels=channels, size_channel=size_channel)


class LazyPoints(LazyArray):
    """Points (M, C) on disk, read as float32 with their coordinates as by `centre_and_scale`.

    Where the middle lies and how far the points reach is found by passes over all of them.

    Args:
        values: (M, C or more).
        channels: C.
        size_channel: see `decode`.

    Raises:
        ValueError: NaN or infinite values.
    """

    dtype = np.float32

    def __init__(self, values: np.ndarray, *, channels: int, size_channel: bool = False) -> None:
        self.values, self.shape, self.size_channel = values, (len(values), channels), size_channel
        _check_finite(values[:, : channels - size_channel])
        low, high, total = np.full(AXES, math.inf), np.full(AXES, -math.inf), np.zeros(AXES)
        for _, run in _runs(values[:, :AXES]):
            low, high = np.minimum(low, run.min(0)), np.maximum(high, run.max(0))
            total += run.sum(0)
        size = max(np.abs([low, high]).max(), np.finfo(np.float64).tiny)
        mean = total / len(values)
        extent = max((high - mean).max(), (mean - low).max())
        self.mean = mean
        # What subtracting a mean leaves of equal points is rounding error, not a shape.
        self.extent = extent if extent > 16 * np.finfo(np.float64).eps * size else math.inf

    def __getitem__(self, run: slice) -> np.ndarray:
        """See `LazyArray`."""
        points = self.values[run, : self.shape[1] - self.size_channel].astype(np.float64)
        points[:, :AXES] = (points[:, :AXES] - self.mean) / self.extent
        if self.size_channel:
            size = _size(len(points), 0.0 if math.isinf(self.extent) else self.extent)
            points = np.concatenate([points, size], axis=1)
        return points.astype(np.float32)


def _reach(points: np.ndarray) -> float:
    """The largest coordinate, in size, of the points once they are centred."""
    xyz = points[:, :AXES]
    return float(np.abs(xyz - xyz.mean(0)).max())


def _size(count: int, reach: float) -> np.ndarray:
    """The logarithm of how far points reach, (count, 1); of none at all, that of 1e-12."""
    return np.full((count, 1), np.log(max(reach, 1e-12)))


def _check_channels(found: Cloud | Mesh, channels: int, added: int) -> None:
    """ValueError unless the file has all channels but those that are added to them."""
    if found.channels < AXES:
        raise ValueError(f"points have {found.channels} channels; expected x, y and z at least")
    if found.channels < channels - added:
        raise ValueError(
            f"points have {found.channels} channels; expected at least {channels - added}: set the "
            f"model's input channels to {found.channels + added} at most"
        )


def _check_finite(values: np.ndarray) -> None:
    """ValueError unless every number of (M, C) is one that float32 holds."""
    wrong = [
        start + np.flatnonzero(~(np.abs(run) <= np.finfo(np.float32).max).all(axis=1))
        for start, run in _runs(values)
    ]
    if count := sum(map(len, wrong)):
        first = int(next(rows[0] for rows in wrong if len(rows)))
        raise ValueError(
            f"{count} of {len(values)} points are NaN, infinite or beyond float32, the first is "
            f"point {first + 1}: {values[first].tolist()}; remove or repair them"
        )


def _runs(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Runs of points as float64, each with the number of its first."""
    for start in range(0, len(values), RUN):
        yield start, values[start : start + RUN].astype(np.float64)


def _read(source: PathOrBytes, kind: str | None) -> Cloud | Mesh:
    kind = suffix_of(source, kind)
    found = None if isinstance(source, bytes) or kind != "npy" else mapped(source)
    return read(read_bytes(source), kind) if found is None else found


def _chosen(values: np.ndarray, count: int | None, seed: int, min_points: int) -> np.ndarray:
    """At most `count` of a cloud's points."""
    total = len(values)
    if total < min_points:
        raise ValueError(f"{total} points; expected at least {min_points}")
    if count is None or count >= total:
        return values
    return values[np.random.default_rng(seed).choice(total, count, replace=False)]
