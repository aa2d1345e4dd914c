"""Draw a point cloud from three sides, with a number for each point as its colour."""

from typing import Any

import numpy as np

from ..drawing import COLOURS, empty_axes, relative
from ..palette import coloured

VIEWS = ((0, 1), (0, 2), (1, 2))  # axes that are drawn to the right and upwards
NAMES = "xyz"
USUAL = 1024  # points; those of smaller clouds are drawn larger
LARGEST = 5  # times as large, at most
TURN, TILT = np.radians(35), np.radians(20)  # of the oblique view of classes


def draw(figure: Any, points: np.ndarray, values: np.ndarray | None, config: Any) -> None:
    """Draw the points along z, y and x.

    Args:
        figure: matplotlib figure or part of one.
        points: (M, 3 or more channels).
        values: (M,), not negative; None: the points alone.
        config: the input configuration of the model.
    """
    colours = np.full(len(points), 0.9) if values is None else relative(values)
    order = colours.argsort()  # points of high values are drawn last, over the others
    sizes = np.full(len(points), 3.0) if values is None else 2 + 10 * colours[order]
    sizes *= _scale(points)
    for axes, (right, up) in zip(empty_axes(figure, 1, 3), VIEWS, strict=True):
        axes.scatter(
            points[order, right], points[order, up], s=sizes, c=colours[order],
            cmap="Greys" if values is None else COLOURS, vmin=0, vmax=1, linewidths=0,
        )  # fmt: skip
        axes.set(aspect="equal", facecolor="0.85")
        axes.set_xlabel(NAMES[right], fontsize=8)
        axes.set_ylabel(NAMES[up], fontsize=8, rotation=0)  # a z on its side reads as N


def draw_classes(figure: Any, points: np.ndarray, classes: np.ndarray, count: int) -> None:
    """Draw the points from obliquely above, in the colours of their classes.

    Args:
        figure: matplotlib figure or part of one.
        points: (M, 3 or more channels).
        classes: (M,), below 0 where there is no class.
        count: number of classes.
    """
    x, y, z = points[:, :3].T
    right = x * np.cos(TURN) - y * np.sin(TURN)
    depth = x * np.sin(TURN) + y * np.cos(TURN)
    up = z * np.cos(TILT) + depth * np.sin(TILT)
    order = depth.argsort()[::-1]  # near points are drawn last
    (axes,) = empty_axes(figure)
    colours = coloured(classes, count)[order] / 255
    axes.scatter(right[order], up[order], s=4 * _scale(points), c=colours, linewidths=0)
    axes.set(aspect="equal")


def _scale(points: np.ndarray) -> float:
    """Return how many times as large as usual the area of each point is drawn."""
    return float(np.clip(USUAL / max(1, len(points)), 1, LARGEST))
