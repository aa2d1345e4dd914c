"""Decoding of files of point clouds and meshes to points, float32 (M, C)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from typing_extensions import override

from ...reading import check_regular, parser_errors, read_bytes
from ..files import LazyArray, PathOrBytes, suffix_of
from ..notices import notice
from . import augment
from .checks import blocks, check_channels, check_finite, check_precision
from .formats import READERS, memory_map, parse, sniff
from .meshes import Cloud, Mesh
from .surface import SHAPE_CHANNELS, surface_shape

AXES = augment.AXES
POINT_SUFFIXES = frozenset(f".{kind}" for kind in READERS)
MESH_POINTS = 2048  # default for meshes; arXiv 2103.03206v2, §4.3: "around 2,000"
MIN_EXTENT = 1e-12  # lower limit of the size of a cloud before its logarithm is taken


@dataclass(frozen=True)
class PointsInfo:
    """Number of points, channels and faces of a file."""

    num_points: int
    """Points of a cloud, or vertices of a mesh; any number of points can be sampled from a mesh."""
    channels: int
    """Channels of a point, including its coordinates."""
    num_faces: int
    """Triangles of a mesh; 0 for a cloud."""
    has_normals: bool = False
    """Whether the channels after the coordinates are normals."""


@parser_errors("file of points")
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
    """Decode a file of points or of a mesh to points whose first three channels are x, y and z.

    trimesh reads ply, off, obj and stl; NumPy reads npy, npz and text (csv, txt, xyz). From a mesh,
    points are sampled uniformly over its surface. A cloud with more than `num_points` points is
    subsampled at random, because files are often sorted. A cloud with fewer gives all its points in
    order, because a repeated point would count twice.

    Channels beyond the third are those of the file, in this order: for ply, normals and then
    colours in [0, 1]; for obj clouds, colours; for meshes, normals of the faces and then colours,
    but no textures; for arrays and text, the other columns unchanged. In text whose columns are
    named, x, y and z are moved to the front, and the columns red, green and blue (or r, g and b)
    are scaled to [0, 1] from 0…255 or 0…65,535 if some are above 1 (above 2, if they are not all
    whole numbers).

    A text file that was truncated at the end of a line looks like a shorter one. Truncated binary
    files, and files that state their number of points, are reported as damaged.

    Args:
        source: a path, or the file's bytes.
        num_points: number of points; None: all of a cloud, `MESH_POINTS` of a mesh.
        channels: C, including the channels that `size_channel` and `neighbours` add.
        kind: suffix of the file; None: that of the path; of bytes, what their
            beginning shows (npy, npz, ply, off, ASCII stl).
        seed: seed of the random choice of points.
        min_points: a cloud with fewer points is an error. Once centred and scaled, two points are
            always the same segment; three have a shape.
        normalise: apply `centre_and_scale`, before the coordinates are rounded to float32. Those of
            a survey may lie millions of metres from the origin.
        size_channel: after the file's channels, add one with what normalising removes: the natural
            logarithm of the largest absolute coordinate of the centred points.
        neighbours: at the end, add seven channels for each of these numbers: the shape of the
            neighbourhood of so many points, see `surface.surface_shape`. Lengths are in the unit of
            the returned coordinates, or with `size_channel` in that of the file.

    Returns:
        float32 (M, C).

    Raises:
        ValueError: no such file, unknown kind, damaged, too few points or channels, NaN or infinite
            values; the message does not name the file.
        ImportError: trimesh or, for `neighbours`, scipy is needed and not installed.
    """
    geometry = read(source, kind)
    if isinstance(geometry, Cloud) and geometry.others:
        notice(f"has values at its points that are not read: {', '.join(geometry.others)}")
    points, _ = prepare(
        geometry, num_points=num_points, channels=channels, seed=seed, min_points=min_points,
        normalise=normalise, size_channel=size_channel, neighbours=neighbours,
    )  # fmt: skip
    return points


def prepare(
    geometry: Cloud | Mesh,
    *,
    num_points: int | None,
    channels: int,
    seed: int = 0,
    min_points: int = 3,
    normalise: bool = False,
    size_channel: bool = False,
    neighbours: Sequence[int] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the points of a cloud or of a surface and their channels.

    Args:
        geometry: what `read` returned.
        num_points: see `decode`, as of all that follow.
        channels: C.
        seed: seed of the random choice of points.
        min_points: fewest points of a cloud.
        normalise: whether points are centred and scaled.
        size_channel: whether a channel with the size is added.
        neighbours: numbers of neighbours whose shape is added.

    Returns:
        The points, float32 (M, C), and which points of the cloud they are, int64 (M,); empty for a
        surface.

    Raises:
        ValueError, ImportError: as `decode`.
    """
    num_added = channels_added(size_channel, neighbours)
    min_channels = AXES + num_added
    if channels < min_channels or (num_points is not None and num_points < 1):
        raise ValueError(
            f"channels={channels}, num_points={num_points}; expected at least {min_channels} "
            "channels and at least 1 point"
        )
    check_channels(geometry, channels, num_added)
    if isinstance(geometry, Cloud) and geometry.channels > channels - num_added:
        notice(
            f"has {geometry.channels} channels, of which only the first {channels - num_added} are "
            "read"
        )
    chosen = np.empty(0, np.int64)
    if isinstance(geometry, Mesh):
        check_finite(geometry.surface.vertices)
        points = geometry.sample(MESH_POINTS if num_points is None else num_points, seed)
    else:
        check_finite(geometry.values[:, : channels - num_added])
        check_precision(geometry.values)
        chosen = _subsample(len(geometry.values), num_points, seed, min_points)
        points = geometry.values[chosen] if len(chosen) < len(geometry.values) else geometry.values
    points = points[:, : channels - num_added].astype(np.float64)
    result = centre_and_scale(points) if normalise else points
    columns = [result]
    if size_channel:
        extent = _centred_extent(points) if result[:, :AXES].any() else 0.0
        columns.append(_log_size_column(len(points), extent))
    if neighbours:
        columns.append(surface_shape((points if size_channel else result)[:, :AXES], neighbours))
    return np.concatenate(columns, axis=1).astype(np.float32), chosen


def channels_added(size_channel: bool, neighbours: Sequence[int]) -> int:
    """Return the number of channels that `decode` adds to those of the file.

    Args:
        size_channel: see `decode`.
        neighbours: see `decode`.

    Raises:
        ValueError: numbers of neighbours below 1.
    """
    if any(count < 1 for count in neighbours):
        raise ValueError(f"neighbours={tuple(neighbours)}; expected numbers of 1 or more")
    return size_channel + SHAPE_CHANNELS * len(neighbours)


@parser_errors("file of points")
def probe(source: PathOrBytes, *, kind: str | None = None) -> PointsInfo:
    """Count the points, channels and faces of a file, without sampling from it.

    Args:
        source: a path, or the file's bytes.
        kind: suffix of the file; None: that of the path; of bytes, what their
            beginning shows (npy, npz, ply, off, ASCII stl).

    Raises:
        ValueError: no such file, unknown kind, damaged, or empty; the message does not name the
            file.
    """
    geometry = read(source, kind)
    if isinstance(geometry, Mesh):
        surface = geometry.surface
        return PointsInfo(len(surface.vertices), geometry.channels, len(surface.faces), True)
    return PointsInfo(len(geometry.values), geometry.channels, 0, geometry.has_normals)


def centre_and_scale(points: np.ndarray) -> np.ndarray:
    """Move one cloud to mean 0 and scale it to [-1, 1], as `augment.centre_and_scale` does.

    Args:
        points: (M, C).
    """
    values = torch.from_numpy(points.astype(np.float64))
    return augment.centre_and_scale(values[None])[0].numpy().astype(points.dtype)


def frame(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Return what `centre_and_scale` subtracts from coordinates, and what it divides them by.

    Args:
        points: (M, 3 or more channels).

    Returns:
        The mean (3,), and the largest absolute coordinate of the centred points.

    Raises:
        ValueError: all points are equal.
    """
    xyz = points[:, :AXES].astype(np.float64)
    centre = xyz.mean(0)
    extent = float(np.abs(xyz - centre).max())
    if not extent > 16 * np.finfo(np.float64).eps * np.abs(xyz).max():
        raise ValueError(f"all {len(points):,} points are equal, so that they enclose nothing")
    return centre, extent


@parser_errors("file of points")
def open_large(
    source: PathOrBytes, max_bytes: int, *, channels: int = 3, size_channel: bool = False
) -> "LazyPoints | None":
    """Open a large `.npy` file to be read from disk in parts.

    Args:
        source: a path, or the file's bytes.
        max_bytes: size as float32 up to which a cloud is not large.
        channels: C, see `decode`.
        size_channel: see `decode`.

    Returns:
        The points, or None if the source is not the path of a `.npy` file, is not large, or cannot
        be read (`decode` then raises the error).

    Raises:
        ValueError: an array of another kind, too few channels, NaN or infinite values.
    """
    if isinstance(source, bytes) or suffix_of(source, None) != "npy":
        return None
    cloud = memory_map(source)
    if cloud is None or 4 * len(cloud.values) * channels <= max_bytes:
        return None
    check_channels(cloud, channels, int(size_channel))
    return LazyPoints(cloud.values, channels=channels, size_channel=size_channel)


class LazyPoints(LazyArray):
    """Points (M, C) on disk, read as float32 and normalised as by `centre_and_scale`.

    The constructor reads all points to find their mean and extent.

    Args:
        values: memory-mapped points, (M, at least the channels of the file that are read).
        channels: C, see `decode`.
        size_channel: see `decode`.

    Raises:
        ValueError: NaN or infinite values.
    """

    dtype = np.float32

    def __init__(self, values: np.ndarray, *, channels: int, size_channel: bool = False) -> None:
        self.values, self.shape, self.size_channel = values, (len(values), channels), size_channel
        check_finite(values[:, : channels - size_channel])
        low, high, total = np.full(AXES, math.inf), np.full(AXES, -math.inf), np.zeros(AXES)
        for _, block in blocks(values[:, :AXES]):
            low, high = np.minimum(low, block.min(0)), np.maximum(high, block.max(0))
            total += block.sum(0)
        largest = max(np.abs([low, high]).max(), np.finfo(np.float64).tiny)
        mean = total / len(values)
        extent = max((high - mean).max(), (mean - low).max())
        self.mean = mean
        # If the points are equal, what is left after subtracting the mean is rounding error.
        self.extent = extent if extent > 16 * np.finfo(np.float64).eps * largest else math.inf

    @override
    def __getitem__(self, run: slice) -> np.ndarray:
        points = self.values[run, : self.shape[1] - self.size_channel].astype(np.float64)
        points[:, :AXES] = (points[:, :AXES] - self.mean) / self.extent
        if self.size_channel:
            extent = 0.0 if math.isinf(self.extent) else self.extent
            points = np.concatenate([points, _log_size_column(len(points), extent)], axis=1)
        return points.astype(np.float32)


def _centred_extent(points: np.ndarray) -> float:
    """Return the largest absolute coordinate of the points once they are centred."""
    xyz = points[:, :AXES]
    return float(np.abs(xyz - xyz.mean(0)).max())


def _log_size_column(count: int, extent: float) -> np.ndarray:
    """Return the channel (count, 1) of `size_channel`, the same for every point of a cloud."""
    return np.full((count, 1), np.log(max(extent, MIN_EXTENT)))


def read(source: PathOrBytes, kind: str | None = None) -> Cloud | Mesh:
    """Read the points or the mesh of a file as they are stored.

    Args:
        source: a path, or the file's bytes.
        kind: see `decode`.

    Raises:
        ValueError: as `probe`.
    """
    if kind is None and isinstance(source, bytes):
        kind = sniff(source)
    kind = suffix_of(source, kind)
    if not isinstance(source, bytes):
        check_regular(source)
    cloud = None if isinstance(source, bytes) or kind != "npy" else memory_map(source)
    return parse(read_bytes(source), kind) if cloud is None else cloud


def _subsample(total: int, count: int | None, seed: int, min_points: int) -> np.ndarray:
    """Choose at most `count` points of a cloud at random; return their indices."""
    if total < min_points:
        raise ValueError(f"{total} points; expected at least {min_points}")
    if count is None or count >= total:
        return np.arange(total)
    return np.random.default_rng(seed).choice(total, count, replace=False)
