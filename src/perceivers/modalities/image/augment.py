"""Augmentation of batches of images, and of all frames of a video alike."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..augmentation import AugmentationConfig
from .rand_augment import rand_augment


def augment_images(images: Tensor, config: AugmentationConfig) -> Tensor:
    """Crop, flip, zoom and RandAugment images at random, as configured.

    Args:
        images: uint8 (B, H, W, C).
        config: which augmentations, and how strong.

    Returns:
        uint8 (B, H, W, C).
    """
    if config.crop_padding or config.flip:
        images = crop_and_flip(images, padding=config.crop_padding, flip=config.flip)
    if config.zoom:
        images = random_zoom(images, config.zoom)
    if config.rand_augment_layers:
        images = rand_augment(
            images, layers=config.rand_augment_layers, magnitude=config.rand_augment_magnitude
        )
    return images


def crop_and_flip(images: Tensor, *, padding: int, flip: bool) -> Tensor:
    """Shift each image by up to `padding` pixels on black, mirror every other one: one gather."""
    batch, height, width, _ = images.shape
    device = images.device
    down, across = torch.randint(0, 2 * padding + 1, (2, batch, 1), device=device)
    rows = torch.arange(height, device=device) + down
    columns = torch.arange(width, device=device).expand(batch, width)
    if flip:
        mirrored = torch.rand(batch, 1, device=device) < 0.5
        columns = torch.where(mirrored, width - 1 - columns, columns)
    columns = columns + across
    padded = F.pad(images, (0, 0, padding, padding, padding, padding))
    example = torch.arange(batch, device=device)[:, None, None]
    return padded[example, rows[:, :, None], columns[:, None, :]]


def random_zoom(images: Tensor, share: float) -> Tensor:
    """Scale height and width, each by its own factor in [1 - share, 1 + share], about the middle.

    What falls outside is filled by reflection, as Keras' RandomZoom does by default.
    """
    batch = len(images)
    factors = 1 + share * (2 * torch.rand(batch, 2, device=images.device) - 1)
    matrices = torch.zeros(batch, 2, 3, device=images.device)
    matrices[:, 0, 0], matrices[:, 1, 1] = factors[:, 1], factors[:, 0]
    return warp(images, matrices, padding_mode="reflection")


def warp(images: Tensor, matrices: Tensor, *, padding_mode: str = "zeros") -> Tensor:
    """Resample bilinearly: `matrices` (B, 2, 3) map output to input coordinates in [-1, 1]."""
    x = images.permute(0, 3, 1, 2).float()
    where = F.affine_grid(matrices, list(x.shape), align_corners=False)
    out = F.grid_sample(x, where, padding_mode=padding_mode, align_corners=False)
    return out.round().to(torch.uint8).permute(0, 2, 3, 1)
