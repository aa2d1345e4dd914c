"""Draw a video as a strip of frames or as an animation, with a number for each element over it."""

import io
from typing import Any

import numpy as np

from ..drawing import COLOURS, OPACITY, empty_axes, overlay, relative
from .config import VideoConfig

MAX_FRAMES = 6  # of a strip
GIF_SIDE = 160  # pixels of the shorter side, at least
GIF_SECONDS = 3.0


def draw(figure: Any, frames: np.ndarray, values: np.ndarray | None, config: VideoConfig) -> None:
    """Draw up to `MAX_FRAMES` evenly spaced frames side by side.

    Args:
        figure: matplotlib figure or part of one.
        frames: uint8 (T, H, W, C).
        values: (M,), not negative; None: the frames alone.
        config: the input configuration of the model.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, MAX_FRAMES).round().astype(int))
    grid = _grid(frames, values, config)
    for axes, index in zip(empty_axes(figure, 1, len(chosen)), chosen, strict=True):
        part = None if grid is None else grid[index // config.patch_frames]
        overlay(axes, frames[index], part)


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
        colours = colormaps[COLOURS](grid[index // config.patch_frames], bytes=True)[..., :3]
        heat = Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)
        picture = Image.fromarray(frame.squeeze(-1) if frame.shape[-1] == 1 else frame)
        picture = picture.convert("RGB").resize(size, Image.Resampling.NEAREST)
        pictures.append(Image.blend(picture, heat, OPACITY))
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
    steps, size = config.patch_frames, config.patch_size
    shape = (len(frames) // steps, frames.shape[1] // size, frames.shape[2] // size)
    return relative(values).reshape(shape)
