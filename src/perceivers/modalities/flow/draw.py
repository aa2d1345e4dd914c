"""Drawings of pairs of frames with motion between them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..drawing import empty_axes
from .files import colours


def draw_flows(figure: Any, frames: np.ndarray, flows: Mapping[str, np.ndarray]) -> None:
    """Draw two frames and several flows between them side by side, in the same colours.

    Args:
        figure: matplotlib figure or part of one.
        frames: uint8 (2, H, W, C).
        flows: (H, W, 2) each, motion in pixels to the right and down, by title; the length that is
            fully saturated is the largest of the first. Motion that is not known (NaN) is grey.
    """
    first = next(iter(flows.values()))
    largest = max(float(np.nanmax(np.hypot(first[..., 0], first[..., 1]), initial=0.0)), 1e-6)
    pictures = {"first frame": frames[0], "second frame": frames[1]}
    pictures |= {title: colours(flow, largest) for title, flow in flows.items()}
    panels = empty_axes(figure, 1, len(pictures))
    for axes, (title, pixels) in zip(panels, pictures.items(), strict=True):
        grey = pixels.shape[-1] == 1
        axes.imshow(pixels[..., 0] if grey else pixels, cmap="gray", vmin=0, vmax=255)
        axes.set_title(title, fontsize=7)
