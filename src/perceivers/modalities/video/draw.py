"""Draw a video as a strip of frames or as an animation, with a number for each element over it."""

import io
from typing import Any

import numpy as np

from ..drawing import COLOURS, empty_axes, opacity, overlay, relative
from .config import VideoConfig

MAX_FRAMES = 6  # of a strip
COLUMNS = 3  # of its frames
GIF_SIDE = 160  # pixels of the shorter side, at least
GIF_SECONDS = 3.0


def draw(figure: Any, frames: np.ndarray, values: np.ndarray | None, config: VideoConfig) -> None:
    """Draw up to `MAX_FRAMES` evenly spaced frames as a strip of two lines, with their numbers.

    Args:
        figure: matplotlib figure or part of one.
        frames: uint8 (T, H, W, C).
        values: (M,), not negative; None: the frames alone.
        config: the input configuration of the model.
    """
    chosen = _chosen(frames)
    grid = _grid(frames, values, config)
    panels = empty_axes(figure, -(-len(chosen) // COLUMNS), min(len(chosen), COLUMNS))
    for axes, index in zip(panels, chosen, strict=False):
        part = None if grid is None else grid[index // config.strides[0]]
        overlay(axes, frames[index], part)
        axes.set_xlabel(f"frame {index + 1}", fontsize=6, labelpad=1)


def aspect(frames: np.ndarray) -> float:
    """Return the height of a strip as a multiple of its width."""
    count = len(_chosen(frames))
    height, width = frames.shape[1:3]
    lines, columns = -(-count // COLUMNS), min(count, COLUMNS)
    return float(min(1.0, lines * (height / width / columns + 0.05)))


def _chosen(frames: np.ndarray) -> np.ndarray:
    return np.unique(np.linspace(0, len(frames) - 1, MAX_FRAMES).round().astype(int))


def animate(frames: np.ndarray, values: np.ndarray, config: VideoConfig) -> bytes:
    """Return all frames with the values over them as an animated GIF.

    Args:
        frames: uint8 (T, H, W, C).
        values: (M,), not negative.
        config: the input configuration of the model.
    """
    from matplotlib import colormaps
    from PIL import Image

    grid = _grid(frames, values, config)
    assert grid is not None
    scale = max(1, GIF_SIDE // min(frames.shape[1:3]))
    size = (frames.shape[2] * scale, frames.shape[1] * scale)
    pictures = []
    for index, frame in enumerate(frames):
        shown = grid[index // config.strides[0]]
        colours = colormaps[COLOURS](shown, alpha=opacity(shown), bytes=True)
        heat = Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)
        picture = Image.fromarray(frame.squeeze(-1) if frame.shape[-1] == 1 else frame)
        picture = picture.convert("RGBA").resize(size, Image.Resampling.NEAREST)
        pictures.append(Image.alpha_composite(picture, heat).convert("RGB"))
    file = io.BytesIO()
    duration = max(20, round(1000 * GIF_SECONDS / len(pictures)))
    pictures[0].save(
        file, "GIF", save_all=True, append_images=pictures[1:], duration=duration, loop=0
    )
    return file.getvalue()


def _grid(frames: np.ndarray, values: np.ndarray | None, config: VideoConfig) -> np.ndarray | None:
    """Return values in [0, 1] by patch: (steps, rows, columns)."""
    if values is None:
        return None
    steps, size = config.strides
    shape = (len(frames) // steps, frames.shape[1] // size, frames.shape[2] // size)
    return relative(values).reshape(shape)
