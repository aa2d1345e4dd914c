"""Augmentation of batches of images."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..augmentation import AugmentationConfig
from .rand_augment import rand_augment


def augment_images(images: Tensor, config: AugmentationConfig) -> Tensor:
    """Crop, flip and zoom images at random and apply RandAugment, as configured.

    Args:
        images: uint8 (B, H, W, C).
        config: which augmentations to apply, and how strong they are.

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
    """Pad images with black and crop each at random; flip each horizontally with probability 0.5.

    Args:
        images: uint8 (B, H, W, C).
        padding: pixels of padding on each side; 0: no cropping.
        flip: whether to flip.

    Returns:
        uint8 (B, H, W, C).
    """
    return _taken(images, _places(images, padding, flip), padding, fill=0)


def augment_with_masks(
    images: Tensor, labels: Tensor, config: AugmentationConfig
) -> tuple[Tensor, Tensor]:
    """Crop, flip and zoom images at random, as configured, and their masks with them.

    Args:
        images: uint8 (B, H, W, C).
        labels: int64 (B, H, W); pixels from outside of an image get -1.
        config: which augmentations to apply, and how strong they are.
    """
    masks = labels[..., None]
    if config.crop_padding or config.flip:
        places = _places(images, config.crop_padding, config.flip)
        images = _taken(images, places, config.crop_padding, fill=0)
        masks = _taken(masks, places, config.crop_padding, fill=-1)
    if config.zoom:
        matrices = _zooms(len(images), config.zoom, images.device)
        images = warp(images, matrices, padding_mode="reflection")
        masks = _nearest(masks, matrices)
    return images, masks[..., 0]


def _places(images: Tensor, padding: int, flip: bool) -> tuple[Tensor, Tensor]:
    """Draw the rows (B, H) and the columns (B, W) of padded images that are kept."""
    batch, height, width, _ = images.shape
    device = images.device
    top, left = torch.randint(0, 2 * padding + 1, (2, batch, 1), device=device)
    rows = torch.arange(height, device=device) + top
    columns = torch.arange(width, device=device).expand(batch, width)
    if flip:
        mirrored = torch.rand(batch, 1, device=device) < 0.5
        columns = torch.where(mirrored, width - 1 - columns, columns)
    return rows, columns + left


def _taken(x: Tensor, places: tuple[Tensor, Tensor], padding: int, *, fill: int) -> Tensor:
    """Take rows and columns of images (B, H, W, C) that are padded with a number."""
    rows, columns = places
    padded = F.pad(x, (0, 0, padding, padding, padding, padding), value=fill)
    example = torch.arange(len(x), device=x.device)[:, None, None]
    return padded[example, rows[:, :, None], columns[:, None, :]]


def random_zoom(images: Tensor, share: float) -> Tensor:
    """Scale the height and the width of images about the middle, by independent random factors.

    Pixels from outside the image are filled by reflection, as Keras' RandomZoom does by default.

    Args:
        images: uint8 (B, H, W, C).
        share: factors are drawn uniformly from [1 - share, 1 + share].

    Returns:
        uint8 (B, H, W, C).
    """
    matrices = _zooms(len(images), share, images.device)
    return warp(images, matrices, padding_mode="reflection")


def _zooms(batch: int, share: float, device: torch.device) -> Tensor:
    """Draw the maps of `random_zoom`, (B, 2, 3)."""
    factors = 1 + share * (2 * torch.rand(batch, 2, device=device) - 1)
    matrices = torch.zeros(batch, 2, 3, device=device)
    matrices[:, 0, 0], matrices[:, 1, 1] = factors[:, 1], factors[:, 0]
    return matrices


def _nearest(masks: Tensor, matrices: Tensor) -> Tensor:
    """Transform masks (B, H, W, 1) as `warp` does, to the class of the nearest pixel."""
    x = masks.permute(0, 3, 1, 2).float()
    coordinates = F.affine_grid(matrices, list(x.shape), align_corners=False)
    out = F.grid_sample(
        x, coordinates, mode="nearest", padding_mode="reflection", align_corners=False
    )
    return out.long().permute(0, 2, 3, 1)


def warp(images: Tensor, matrices: Tensor, *, padding_mode: str = "zeros") -> Tensor:
    """Transform images by affine maps, with bilinear interpolation.

    Args:
        images: uint8 (B, H, W, C).
        matrices: (B, 2, 3), from output to input coordinates (x, y, 1); x and y in [-1, 1].
        padding_mode: values outside the image, as in `torch.nn.functional.grid_sample`.

    Returns:
        uint8 (B, H, W, C).
    """
    x = images.permute(0, 3, 1, 2).float()
    coordinates = F.affine_grid(matrices, list(x.shape), align_corners=False)
    out = F.grid_sample(x, coordinates, padding_mode=padding_mode, align_corners=False)
    return out.round().to(torch.uint8).permute(0, 2, 3, 1)
