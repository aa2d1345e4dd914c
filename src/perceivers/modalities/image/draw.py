"""Draw an image, with a number for each of its elements over it."""

from typing import Any

import numpy as np

from ..drawing import empty_axes, overlay, relative
from .config import ImageConfig


def draw(figure: Any, pixels: np.ndarray, values: np.ndarray | None, config: ImageConfig) -> None:
    """Draw an image and a number for each pixel or patch.

    Args:
        figure: matplotlib figure or part of one.
        pixels: uint8 (H, W, C).
        values: (M,), not negative; None: the image alone.
        config: the input configuration of the model.
    """
    [axes] = empty_axes(figure)
    stride = config.patch_stride or config.patch_size
    height, width = pixels.shape[0] // stride, pixels.shape[1] // stride
    overlay(axes, pixels, None if values is None else relative(values).reshape(height, width))
