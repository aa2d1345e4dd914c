"""Draw an image, with a number for each of its elements over it."""

from typing import Any

import numpy as np

from ..drawing import empty_axes, overlay, relative
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


def _grid_size(pixels: np.ndarray, config: ImageConfig | ConvImageConfig) -> tuple[int, int]:
    """Return the numbers of rows and columns of elements of an image."""
    height, width = pixels.shape[:2]
    if isinstance(config, ConvImageConfig):
        from .conv_adapter import grid_size

        return grid_size(height, width)
    stride = config.patch_stride or config.patch_size
    return height // stride, width // stride
