"""Augmentation of whole batches of point clouds: (B, M, C) in and out, each example for itself.

The first three channels of a point are its coordinates. All that is random comes from torch's
global generator.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from ..augmentation import AugmentationConfig

AXES = 3


def paper_augmentation(points: Tensor, share: float = 0.01) -> Tensor:
    """The published one: `scale_each_point`, then `centre_and_scale`.

    arXiv 2103.03206v2, §4.3 (ModelNet40), where rotating and translating did not help.
    """
    return centre_and_scale(scale_each_point(points, share))


def scale_each_point(points: Tensor, share: float = 0.01) -> Tensor:
    """Multiply each point's coordinates by its own factor in [1 - share, 1 + share]."""
    factors = 1 + share * (2 * torch.rand_like(points[..., :1]) - 1)
    return _with_coordinates(points, points[..., :AXES] * factors)


def centre_and_scale(points: Tensor) -> Tensor:
    """Coordinates moved to mean 0 and scaled so that the largest of them, in size, is 1.

    This fills the cube [-1, 1]³ that Fourier positions span; the paper says unit cube (arXiv
    2103.03206v2, §4.3) and not which. A cloud whose points are all equal becomes zeros. Other
    channels stay: neither normals nor colours depend on place or size.
    """
    xyz = points[..., :AXES]
    # First to at most 1, so that no sum overflows and rounding errors are of one known size.
    xyz = xyz / xyz.abs().amax((1, 2), keepdim=True).clamp_min(torch.finfo(xyz.dtype).tiny)
    xyz = xyz - xyz.mean(1, keepdim=True)
    extent = xyz.abs().amax((1, 2), keepdim=True)
    # What subtracting a mean leaves of equal points is rounding error, not a shape.
    extent = extent.masked_fill(extent <= 16 * torch.finfo(xyz.dtype).eps, math.inf)
    return _with_coordinates(points, xyz / extent)


def leave_out(points: Tensor, share: float) -> Tensor:
    """This share of each cloud's points less, other ones of each: (B, M, C) → (B, M', C).

    At least one is left.
    """
    batch, count, channels = points.shape
    kept = max(1, round((1 - share) * count))
    chosen = torch.rand(batch, count, device=points.device).topk(kept).indices
    return points.gather(1, chosen[..., None].expand(-1, -1, channels))


def mirror(points: Tensor) -> Tensor:
    """Each cloud's coordinates mirrored along x half of the time, and along y half of the time."""
    signs = torch.ones(len(points), 1, AXES, device=points.device, dtype=points.dtype)
    signs[..., :2] -= 2 * (torch.rand(len(points), 1, 2, device=points.device) < 0.5)
    return _with_coordinates(points, points[..., :AXES] * signs)


def rotate(points: Tensor, axis: Literal["x", "y", "z"] = "z", *, vectors: int = 1) -> Tensor:
    """Turn each cloud about an axis through the origin, by any angle.

    Args:
        points: (B, M, C).
        axis: the one that stays.
        vectors: how many leading triples of channels turn: 1: the coordinates; 2: normals too.
    """
    if axis not in ("x", "y", "z"):
        raise ValueError(f"unknown axis {axis!r}; expected 'x', 'y' or 'z'")
    if not 1 <= vectors <= points.shape[-1] // AXES:
        raise ValueError(
            f"vectors={vectors} of three channels; expected 1 to {points.shape[-1] // AXES} in "
            f"points of {points.shape[-1]} channels"
        )
    turned = ["xyz".index(other) for other in "xyz" if other != axis]
    angle = 2 * math.pi * torch.rand(len(points), 1, device=points.device, dtype=points.dtype)
    cos, sin = angle.cos(), angle.sin()
    points = points.clone()
    for start in range(0, vectors * AXES, AXES):
        first, second = (points[..., start + i].clone() for i in turned)
        points[..., start + turned[0]] = cos * first - sin * second
        points[..., start + turned[1]] = sin * first + cos * second
    return points


def _with_coordinates(points: Tensor, xyz: Tensor) -> Tensor:
    return torch.cat([xyz, points[..., AXES:]], dim=-1)


def augment_points(points: Tensor, config: AugmentationConfig) -> Tensor:
    """Drop, scale, mirror and rotate points (B, M, C) at random, as configured."""
    if config.point_dropout:
        points = leave_out(points, config.point_dropout)
    if config.point_scaling:
        points = paper_augmentation(points, config.point_scaling)
    if config.flip:
        points = mirror(points)
    if config.rotate != "none":
        points = rotate(points, config.rotate)
    return points
