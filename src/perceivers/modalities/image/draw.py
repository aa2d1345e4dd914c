"""Draw an image, with a number for each of its elements over it."""

from typing import Any

import numpy as np
import torch

from ..drawing import empty_axes, overlay, relative
from ..palette import coloured
from .config import ConvImageConfig, ImageConfig


def draw(
    figure: Any,
    pixels: np.ndarray,
    values: np.ndarray | None,
    config: ImageConfig | ConvImageConfig,
) -> None:
    """Draw an image and a number for each pixel or patch.

    Args:
        figure: matplotlib figure or part of one.
        pixels: uint8 (H, W, C).
        values: (M,), not negative; None: the image alone.
        config: the input configuration of the model.
    """
    [axes] = empty_axes(figure)
    height, width = _grid_size(pixels, config)
    overlay(axes, pixels, None if values is None else relative(values).reshape(height, width))


def draw_classes(
    figure: Any,
    pixels: np.ndarray,
    classes: np.ndarray,
    config: ImageConfig | ConvImageConfig,
    count: int,
) -> None:
    """Draw an image under the colours of the classes of its pixels.

    Args:
        figure: matplotlib figure or part of one.
        pixels: uint8 (H, W, C).
        classes: (E,), in the order of the outputs, below 0 where there is no class.
        config: the input configuration of the model.
        count: number of classes.
    """
    from .adapter import ImageAdapter

    assert isinstance(config, ImageConfig)
    adapter = ImageAdapter(**config.adapter_options())
    places = torch.from_numpy(classes.astype(np.int64))[None, :, None]
    mask = adapter.arrange_places(places, pixels[None])[0, ..., 0].numpy()
    [axes] = empty_axes(figure)
    shown = np.broadcast_to(pixels, (*pixels.shape[:2], 3)).astype(np.float64)
    blended = np.where(mask[..., None] < 0, shown, 0.4 * shown + 0.6 * coloured(mask, count))
    axes.imshow(blended.astype(np.uint8))


def _grid_size(pixels: np.ndarray, config: ImageConfig | ConvImageConfig) -> tuple[int, int]:
    """Return the numbers of rows and columns of elements of an image."""
    height, width = pixels.shape[:2]
    if isinstance(config, ConvImageConfig):
        from .conv_adapter import grid_size

        return grid_size(height, width)
    stride = config.patch_stride or config.patch_size
    return height // stride, width // stride
