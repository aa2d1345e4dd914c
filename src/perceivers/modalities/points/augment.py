"""Augmentation of batches of point clouds (B, M, C), each example independently.

The first three channels of a point are its coordinates. Random numbers come from torch's global
generator.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..augmentation import AugmentationConfig
from .surface import SHAPE_CHANNELS, SHARES

AXES = 3


def paper_augmentation(points: Tensor, share: float = 0.01) -> Tensor:
    """Apply the paper's augmentation: `scale_each_point`, then `centre_and_scale`.

    Source: arXiv 2103.03206v2, §4.3 (ModelNet40), where rotation and translation did not help.

    Args:
        points: (B, M, C).
        share: largest relative change of a point's coordinates.
    """
    return centre_and_scale(scale_each_point(points, share))


def scale_each_point(points: Tensor, share: float = 0.01) -> Tensor:
    """Multiply the coordinates of each point by a random factor of its own.

    Args:
        points: (B, M, C).
        share: factors lie in [1 - share, 1 + share].
    """
    factors = 1 + share * (2 * torch.rand_like(points[..., :1]) - 1)
    return _with_coordinates(points, points[..., :AXES] * factors)


def centre_and_scale(points: Tensor) -> Tensor:
    """Move each cloud to mean 0 and scale its largest absolute coordinate to 1.

    The result fills the cube [-1, 1]³ that Fourier positions span. The paper says "unit cube"
    (arXiv 2103.03206v2, §4.3) without saying which one. A cloud whose points are all equal becomes
    zeros. Other channels stay as they are, because neither normals nor colours depend on the place
    or size of a cloud.

    Args:
        points: (B, M, C).
    """
    xyz = points[..., :AXES]
    # Scale to at most 1 first, so that no sum overflows and the size of rounding errors is known.
    xyz = xyz / xyz.abs().amax((1, 2), keepdim=True).clamp_min(torch.finfo(xyz.dtype).tiny)
    xyz = xyz - xyz.mean(1, keepdim=True)
    extent = xyz.abs().amax((1, 2), keepdim=True)
    # If the points are equal, what is left after subtracting the mean is rounding error.
    extent = extent.masked_fill(extent <= 16 * torch.finfo(xyz.dtype).eps, math.inf)
    return _with_coordinates(points, xyz / extent)


def drop_points(points: Tensor, share: float) -> Tensor:
    """Drop random points of each cloud.

    Args:
        points: (B, M, C).
        share: fraction of the points to drop. At least one point is kept.

    Returns:
        (B, M', C), M' = max(1, round((1 - share) · M)).
    """
    return _with_points(points, _kept(points, share))


def drop_points_and_labels(points: Any, labels: Tensor, share: float) -> tuple[Any, Tensor]:
    """Drop random points of each cloud, and their labels.

    Args:
        points: (B, M, C), or a list of clouds (M, C).
        labels: (B, M), padded with -1.
        share: see `drop_points`.
    """
    if isinstance(points, list):
        pairs = [
            drop_points_and_labels(cloud[None], row[None, : len(cloud)], share)
            for cloud, row in zip(points, labels, strict=True)
        ]
        rows = [row[0] for _, row in pairs]
        return [cloud[0] for cloud, _ in pairs], pad_sequence(rows, True, -1)
    kept = _kept(points, share)
    return _with_points(points, kept), labels.gather(1, kept)


def _kept(points: Tensor, share: float) -> Tensor:
    """Choose the points that are kept, (B, M')."""
    batch, count, _ = points.shape
    num_kept = max(1, round((1 - share) * count))
    return torch.rand(batch, count, device=points.device).topk(num_kept).indices


def _with_points(points: Tensor, kept: Tensor) -> Tensor:
    return points.gather(1, kept[..., None].expand(-1, -1, points.shape[2]))


def mirror(points: Tensor, *, starts: Sequence[int] = (0,)) -> Tensor:
    """Mirror each cloud along x with probability 1/2, and along y with probability 1/2.

    Args:
        points: (B, M, C).
        starts: first channels of the triples that are mirrored; 0: the coordinates.
    """
    signs = torch.ones(len(points), 1, AXES, device=points.device, dtype=points.dtype)
    signs[..., :2] -= 2 * (torch.rand(len(points), 1, 2, device=points.device) < 0.5)
    points = points.clone()
    for start in starts:
        points[..., start : start + AXES] *= signs
    return points


def rotate(
    points: Tensor,
    axis: Literal["x", "y", "z"] = "z",
    *,
    vectors: int = 1,
    starts: Sequence[int] | None = None,
) -> Tensor:
    """Rotate each cloud about an axis through the origin by a random angle.

    Args:
        points: (B, M, C).
        axis: axis of rotation.
        vectors: number of leading triples of channels to rotate. 1: the coordinates; 2: also the
            normals that follow them.
        starts: first channels of the triples to rotate, if they do not follow each other; None:
            the leading `vectors` triples.

    Raises:
        ValueError: an unknown axis, or fewer channels than `vectors` need.
    """
    if axis not in ("x", "y", "z"):
        raise ValueError(f"unknown axis {axis!r}; expected 'x', 'y' or 'z'")
    if not 1 <= vectors <= points.shape[-1] // AXES:
        raise ValueError(
            f"vectors={vectors} (triples of channels); expected 1 to {points.shape[-1] // AXES} "
            f"for points of {points.shape[-1]} channels"
        )
    rotated = ["xyz".index(other) for other in "xyz" if other != axis]
    angle = 2 * math.pi * torch.rand(len(points), 1, device=points.device, dtype=points.dtype)
    cos, sin = angle.cos(), angle.sin()
    points = points.clone()
    for start in range(0, vectors * AXES, AXES) if starts is None else starts:
        first, second = (points[..., start + i].clone() for i in rotated)
        points[..., start + rotated[0]] = cos * first - sin * second
        points[..., start + rotated[1]] = sin * first + cos * second
    return points


def augment_points(
    points: Tensor,
    config: AugmentationConfig,
    *,
    normals: bool = False,
    neighbours: Sequence[int] = (),
    in_file_unit: bool = False,
) -> Tensor:
    """Drop, scale, mirror and rotate points (B, M, C) at random, as configured.

    Args:
        points: (B, M, C).
        config: which augmentations, and how strong.
        normals: whether the three channels after the coordinates are normals, which are mirrored
            and rotated too.
        neighbours: numbers of neighbours over which the last channels of a point were measured, see
            `surface.surface_shape`. Their normals are rotated, and their lengths scaled.
        in_file_unit: whether their lengths are in the unit of the file, which scaling the cloud
            does not change.
    """
    starts = [0, AXES] if normals else [0]
    shapes = [points.shape[-1] - SHAPE_CHANNELS * (i + 1) for i in range(len(neighbours))][::-1]
    turned = [start + SHARES for start in shapes]
    if config.rotate != "none" and shapes:
        # The absolute values of a normal do not say how it is rotated.
        points = _with_signed_normals(points, neighbours, turned)
    if config.point_dropout:
        points = drop_points(points, config.point_dropout)
    if config.point_scaling:
        points = scale_each_point(points, config.point_scaling)
        extent = centred_extent(points)
        points = centre_and_scale(points)
        if not in_file_unit:
            for start in shapes:
                points[..., start + SHAPE_CHANNELS - 1] -= extent.log()
    if config.flip:
        points = mirror(points, starts=starts + (turned if config.rotate != "none" else []))
    if config.rotate != "none":
        points = rotate(points, config.rotate, starts=starts + turned)
        for start in turned:
            points[..., start : start + AXES] = points[..., start : start + AXES].abs()
    return points


def augment_solids(
    points: Tensor, labels: Tensor, config: AugmentationConfig
) -> tuple[Tensor, Tensor]:
    """Drop, mirror and rotate the points of solids at random, and their places with them.

    Args:
        points: points of surfaces, (B, M, C); mirrored or rotated with C = 3 alone.
        labels: places and what is known of them, (B, Q, 4).
        config: which augmentations, and how strong.
    """
    if config.point_dropout:
        points = drop_points(points, config.point_dropout)
    count = points.shape[1]
    if config.flip or config.rotate != "none":
        moved = torch.cat([points, labels[..., :AXES]], dim=1)
        moved = mirror(moved) if config.flip else moved
        moved = rotate(moved, config.rotate) if config.rotate != "none" else moved
        points = moved[:, :count]
        labels = torch.cat([moved[:, count:], labels[..., AXES:]], dim=-1)
    return points, labels


def centred_extent(points: Tensor) -> Tensor:
    """Return the largest absolute coordinate of each cloud once it is centred, (B, 1).

    Args:
        points: (B, M, C).
    """
    xyz = points[..., :AXES]
    extent = (xyz - xyz.mean(1, keepdim=True)).abs().amax((1, 2))
    return extent.clamp_min(torch.finfo(extent.dtype).tiny)[:, None]


def _with_signed_normals(
    points: Tensor, neighbours: Sequence[int], starts: Sequence[int]
) -> Tensor:
    """Give the absolute values of normals the signs of a normal of the neighbourhood.

    Args:
        points: (B, M, C).
        neighbours: number of neighbours of each scale.
        starts: first channel of the absolute values of each scale.
    """
    points = points.clone()
    counts = [min(count + 1, points.shape[1]) for count in neighbours]  # with the point itself
    for cloud in points:
        xyz = cloud[:, :AXES].double()
        index = torch.cdist(xyz, xyz).topk(max(counts), largest=False).indices
        for count, start in zip(counts, starts, strict=True):
            nearest = xyz[index[:, :count]]
            centred = nearest - nearest.mean(1, keepdim=True)
            normals = torch.linalg.eigh(centred.mT @ centred).eigenvectors[..., 0]
            signs = torch.where(normals < 0, -1.0, 1.0).to(cloud.dtype)
            cloud[:, start : start + AXES] *= signs
    return points


def _with_coordinates(points: Tensor, xyz: Tensor) -> Tensor:
    return torch.cat([xyz, points[..., AXES:]], dim=-1)
