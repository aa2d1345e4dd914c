"""What the drawings of several modalities share: colours, and values laid over a picture."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import missing_extra

COLOURS = "inferno"
OPACITY = 0.6
LOWEST, HIGHEST = 0.35, 0.75  # opacity over pictures


def new_figure(width: float, height: float) -> Any:
    """Return an empty matplotlib figure that needs no screen, of a size in inches.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise missing_extra("matplotlib", "train") from None
    return Figure(figsize=(width, height), layout="constrained")


@contextmanager
def quiet_fonts() -> Iterator[None]:
    """Leave out warnings of letters that matplotlib's font lacks: a box stands for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        yield


def shortened(text: str, most: int) -> str:
    """Return a text of at most `most` characters; an ellipsis takes the place of the rest."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def relative(values: np.ndarray) -> np.ndarray:
    """Scale values to [0, 1]: from 0 to the 99th percentile, so that one peak hides no other."""
    top = float(np.quantile(values, 0.99)) or float(values.max())
    return np.clip(values / top, 0, 1) if top > 0 else np.zeros_like(values)


def empty_axes(figure: Any, rows: int = 1, columns: int = 1) -> list[Any]:
    """Return axes without ticks, row by row."""
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set_visible(False)
    return axes


def opacity(values: np.ndarray) -> np.ndarray:
    """Return how opaque the colours of values in [0, 1] are over a picture, in [0, 1].

    Low values leave more of the picture to see.
    """
    return LOWEST + (HIGHEST - LOWEST) * values


def overlay(axes: Any, pixels: np.ndarray, values: np.ndarray | None) -> None:
    """Draw an image, with values over it as colours.

    Args:
        axes: axes to draw on.
        pixels: (H, W, 1 or 3), uint8 or from 0 to 1.
        values: (rows, columns) in [0, 1], stretched over the image; None: the image alone.
    """
    height, width = pixels.shape[:2]
    extent = (0, width, height, 0)
    shown = pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels
    white = 255 if pixels.dtype == np.uint8 else 1  # grey is drawn as it is, not stretched
    axes.imshow(shown, cmap="gray", vmin=0, vmax=white, extent=extent)
    if values is not None:
        axes.imshow(
            values,
            cmap=COLOURS,
            vmin=0,
            vmax=1,
            alpha=opacity(values),
            extent=extent,
            aspect="equal",
        )
