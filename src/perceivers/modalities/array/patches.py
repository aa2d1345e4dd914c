"""Patches of arrays on a grid: their number, how they are cut out, and their projection."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from ...core.init import init_linear

# B batch · A axes · S_a cells along an axis · C channels · M patches


def check_patches(
    patch_size: Sequence[int], patch_stride: Sequence[int], shape: Sequence[int]
) -> None:
    """Check that sizes and strides of patches fit each other and the number of axes.

    Args:
        patch_size: cells of a patch along each axis.
        patch_stride: cells from one patch to the next along each axis.
        shape: S_1 … S_A.

    Raises:
        ValueError: they do not fit.
    """
    for name, sizes in (("patch_size", patch_size), ("patch_stride", patch_stride)):
        if len(sizes) != len(shape):
            raise ValueError(f"{name}={sizes}; expected one entry per axis of {shape}")
    for size, stride in zip(patch_size, patch_stride, strict=True):
        if not 1 <= stride <= size or (size - stride) % 2:
            raise ValueError(
                f"patch_stride={stride} does not fit patch_size={size}; expected a stride from "
                "1 to the patch size that differs from it by an even number"
            )


def grid_size(shape: Sequence[int], patch_stride: Sequence[int], noun: str) -> tuple[int, ...]:
    """Return the number of patches along each axis of an array.

    Args:
        shape: S_1 … S_A.
        patch_stride: cells from one patch to the next along each axis.
        noun: what the array is, for messages.

    Raises:
        ValueError: the shape is not a multiple of the stride.
    """
    steps = list(zip(shape, patch_stride, strict=True))
    if any(not size or size % stride for size, stride in steps):
        fitting = [max(1, size // stride) * stride for size, stride in steps]
        raise ValueError(
            f"{noun} of {shape_text(shape)} does not divide into steps of "
            f"{shape_text(patch_stride)}; resize it to {shape_text(fitting)}"
        )
    return tuple(size // stride for size, stride in steps)


def build_projection(channels: int, projected: int | None, activation: str) -> nn.Linear | None:
    """Return the linear map of a patch, or None if there is none.

    Args:
        channels: content channels of a patch.
        projected: channels of the result; None: no projection.
        activation: what follows it, "none" or "gelu".

    Raises:
        ValueError: a size is below 1, or the activation is unknown or follows no projection.
    """
    if projected is not None and projected < 1:
        raise ValueError(f"projection_dim={projected}; expected at least 1, or None")
    if activation not in ("none", "gelu"):
        raise ValueError(f"unknown projection_activation {activation!r}; expected 'none' or 'gelu'")
    if projected is None:
        if activation != "none":
            raise ValueError(
                f"projection_activation={activation!r} without a projection; set "
                "projection_dim, or leave it out"
            )
        return None
    projection = nn.Linear(channels, projected)
    init_linear(projection)
    return projection


def cut_patches(x: Tensor, patch_size: Sequence[int], patch_stride: Sequence[int]) -> Tensor:
    """Cut arrays into patches, which overlap if the stride is smaller than the size.

    Args:
        x: (B, S_1, …, S_A, C).
        patch_size: cells of a patch along each axis.
        patch_stride: cells from one patch to the next along each axis.

    Returns:
        (B, M, Π patch_size · C).
    """
    axes = len(patch_size)
    borders = [(p - s) // 2 for p, s in zip(patch_size, patch_stride, strict=True)]
    if any(borders):
        x = F.pad(x, [0, 0, *(border for b in reversed(borders) for border in (b, b))])
    for axis, (size, stride) in enumerate(zip(patch_size, patch_stride, strict=True), 1):
        x = x.unfold(axis, size, stride)  # appends an axis with the cells of each patch
    cells = range(axes + 2, 2 * axes + 2)
    return x.permute(*range(axes + 1), *cells, axes + 1).flatten(axes + 1).flatten(1, axes)


def join_patches(values: Tensor, patch_size: Sequence[int], shape: Sequence[int]) -> Tensor:
    """Join patches that do not overlap to arrays; the inverse of `cut_patches`.

    Args:
        values: values of the cells of one patch after another, (B, M · Π patch_size, K).
        patch_size: cells of a patch along each axis.
        shape: S_1 … S_A.

    Returns:
        (B, S_1, …, S_A, K).
    """
    axes = len(shape)
    grid = [size // patch for size, patch in zip(shape, patch_size, strict=True)]
    cells = values.unflatten(1, (*grid, *patch_size))
    order = [axis for i in range(axes) for axis in (1 + i, 1 + axes + i)]
    # Not len(values): an exported program would take the size of its first batch for a constant.
    sizes = (values.shape[0], *shape, values.shape[-1])
    return cells.permute(0, *order, 2 * axes + 1).reshape(sizes)


def shape_text(sizes: Sequence[int]) -> str:
    """Return sizes as text: 224×224."""
    return "×".join(str(size) for size in sizes)
