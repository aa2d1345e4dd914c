"""RandAugment (arXiv 1909.13719) with operations drawn for each image, not for the whole batch."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

# Every operation takes float images (B, C, H, W) in [0, 255] and strengths (B,) in [-1, 1]
# (magnitude / 10 with a random sign), and returns images in the same format. Ranges are those of
# the paper's published code: shear 0.3, translation 0.45 of the side, rotation 30°,
# enhancement 0.9.

Operation = Callable[[Tensor, Tensor], Tensor]


def rand_augment(images: Tensor, *, layers: int, magnitude: float) -> Tensor:
    """Apply random operations to each image, drawn from the 14 of the paper.

    Args:
        images: uint8 (B, H, W, C).
        layers: number of operations applied to each image, one after another.
        magnitude: strength, 0 to 10.

    Returns:
        uint8 (B, H, W, C).

    Raises:
        ValueError: `magnitude` is not within 0 to 10.
    """
    if not 0 <= magnitude <= 10:
        raise ValueError(f"rand_augment_magnitude={magnitude}; expected 0 to 10")
    x = images.permute(0, 3, 1, 2).float()
    for _ in range(layers):
        drawn = torch.randint(len(OPERATIONS), (len(x),), device=x.device)
        sign = 1 - 2 * torch.randint(2, (len(x),), device=x.device).float()
        strength = sign * magnitude / 10
        result = x.clone()
        for index, operation in enumerate(OPERATIONS):
            chosen = (drawn == index).nonzero()[:, 0]
            if len(chosen):
                result[chosen] = operation(x[chosen], strength[chosen])
        x = result.clamp(0, 255).round()
    return x.to(torch.uint8).permute(0, 2, 3, 1)


def identity(x: Tensor, strength: Tensor) -> Tensor:
    """Return the images unchanged."""
    return x


def auto_contrast(x: Tensor, strength: Tensor) -> Tensor:
    """Stretch each channel to the full range."""
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    return torch.where(high > low, (x - low) * 255 / (high - low).clamp(min=1), x)


def equalize(x: Tensor, strength: Tensor) -> Tensor:
    """Equalize the histogram of each channel."""
    flat = x.round().long().flatten(2)  # B C pixels
    counts = torch.zeros(*flat.shape[:2], 256, device=x.device).scatter_add_(
        2, flat, torch.ones_like(flat, dtype=torch.float32)
    )
    below = counts.cumsum(2) - counts
    brightest = counts.gather(2, flat.amax(2, keepdim=True))
    step = ((flat.shape[2] - brightest) / 255).floor()  # pixels per level, as in Pillow
    table = ((below + (step / 2).floor()) / step.clamp(min=1)).floor().clamp(max=255)
    return torch.where(step[..., None] > 0, table.gather(2, flat).view_as(x), x)


def rotate(x: Tensor, strength: Tensor) -> Tensor:
    """Rotate by up to 30 degrees."""
    angle = strength * math.pi / 6
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return _affine(x, cos, -sin, zero, sin, cos, zero)


def solarize(x: Tensor, strength: Tensor) -> Tensor:
    """Invert pixels brighter than a threshold, which falls as the strength grows."""
    return torch.where(x >= 256 * (1 - strength.abs()[:, None, None, None]), 255 - x, x)


def posterize(x: Tensor, strength: Tensor) -> Tensor:
    """Reduce each channel to its upper 8 (weakest) to 4 (strongest) bits."""
    step = torch.exp2((4 * strength.abs()).floor())[:, None, None, None]
    return torch.floor(x / step) * step


def colour(x: Tensor, strength: Tensor) -> Tensor:
    """Reduce or increase the saturation."""
    return _blend(_grey(x), x, strength)


def contrast(x: Tensor, strength: Tensor) -> Tensor:
    """Reduce or increase the contrast, relative to the mean grey value."""
    return _blend(_grey(x).mean((1, 2, 3), keepdim=True), x, strength)


def brightness(x: Tensor, strength: Tensor) -> Tensor:
    """Darken or brighten."""
    return _blend(torch.zeros_like(x), x, strength)


def sharpness(x: Tensor, strength: Tensor) -> Tensor:
    """Smooth with a 3×3 filter or sharpen; the border stays unchanged."""
    if min(x.shape[2:]) < 3:
        return x
    kernel = torch.ones(3, 3, device=x.device)
    kernel[1, 1] = 5
    kernel = (kernel / 13).expand(x.shape[1], 1, 3, 3)
    smooth = x.clone()
    smooth[:, :, 1:-1, 1:-1] = F.conv2d(x, kernel, groups=x.shape[1])
    return _blend(smooth, x, strength)


def shear_x(x: Tensor, strength: Tensor) -> Tensor:
    """Shear horizontally by up to 0.3."""
    one, zero = torch.ones_like(strength), torch.zeros_like(strength)
    return _affine(x, one, 0.3 * strength, zero, zero, one, zero)


def shear_y(x: Tensor, strength: Tensor) -> Tensor:
    """Shear vertically by up to 0.3."""
    one, zero = torch.ones_like(strength), torch.zeros_like(strength)
    return _affine(x, one, zero, zero, 0.3 * strength, one, zero)


def translate_x(x: Tensor, strength: Tensor) -> Tensor:
    """Shift horizontally by up to 0.45 of the width, 0.9 in coordinates from -1 to 1."""
    one, zero = torch.ones_like(strength), torch.zeros_like(strength)
    return _affine(x, one, zero, 0.9 * strength, zero, one, zero)


def translate_y(x: Tensor, strength: Tensor) -> Tensor:
    """Shift vertically by up to 0.45 of the height, 0.9 in coordinates from -1 to 1."""
    one, zero = torch.ones_like(strength), torch.zeros_like(strength)
    return _affine(x, one, zero, zero, zero, one, 0.9 * strength)


OPERATIONS: tuple[Operation, ...] = (
    identity,
    auto_contrast,
    equalize,
    rotate,
    solarize,
    colour,
    posterize,
    contrast,
    brightness,
    sharpness,
    shear_x,
    shear_y,
    translate_x,
    translate_y,
)


def _grey(x: Tensor) -> Tensor:
    """Return grey images (B, 1, H, W): the luma of RGB (ITU-R 601), else the mean of channels."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    weights = torch.tensor([0.299, 0.587, 0.114], device=x.device)[:, None, None]
    return (weights * x).sum(1, keepdim=True)


def _blend(base: Tensor, x: Tensor, strength: Tensor) -> Tensor:
    """Move images towards `base` (negative strength) or away from it (positive strength)."""
    factor = (1 + 0.9 * strength)[:, None, None, None]
    return base + factor * (x - base)


def _affine(x: Tensor, *entries: Tensor) -> Tensor:
    """Transform each image by its 2×3 matrix; the outside is mid-grey, as in the paper's code."""
    matrix = torch.stack(entries, dim=1).view(-1, 2, 3)
    coordinates = F.affine_grid(matrix, list(x.shape), align_corners=False)
    # The default padding with zeros is mid-grey because 128 is subtracted before.
    return F.grid_sample(x - 128, coordinates, mode="bilinear", align_corners=False) + 128
