"""Draw a point cloud from three sides, with a number for each point as its colour."""

from typing import Any

import numpy as np

from ..drawing import COLOURS, empty_axes, relative
from ..palette import coloured

VIEWS = ((0, 1), (0, 2), (1, 2))  # axes that are drawn to the right and upwards
NAMES = "xyz"
USUAL = 1024  # points; those of smaller clouds are drawn larger
LARGEST = 5  # times as large, at most
TURN, TILT = np.radians(35), np.radians(20)  # of the oblique view
SEEN = 1.5  # half of what is seen of a surface in [-1, 1]
LIGHT = np.array([0.4, 0.7, -0.6]) / np.sqrt(1.01)  # where it comes from: right, up and near


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
    _scatter(figure, points, coloured(classes, count) / 255)


def draw_points(figure: Any, points: np.ndarray) -> None:
    """Draw the points from obliquely above, nearer ones darker.

    Args:
        figure: matplotlib figure or part of one.
        points: (M, 3 or more channels).
    """
    depth = seen(points)[:, 2]
    grey = 0.75 * relative(depth - depth.min())
    _scatter(figure, points, np.repeat(grey[:, None], 3, axis=1))


def draw_surface(figure: Any, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Draw a surface from obliquely above, as `draw_points` draws its points.

    Args:
        figure: matplotlib figure or part of one.
        vertices: (V, 3), in [-1, 1].
        faces: corners of the triangles, counter-clockwise if seen from outside, (F, 3).
    """
    from matplotlib.collections import PolyCollection

    corners = seen(vertices)[faces]  # F 3 3
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.sqrt(np.square(normals).sum(1, keepdims=True)).clip(min=1e-12)
    shades = 0.35 + 0.6 * np.abs(normals / lengths @ LIGHT)
    order = corners[:, :, 2].mean(1).argsort()[::-1]  # near triangles are drawn last
    colours = shades[order, None] * np.array([0.75, 0.85, 1.0])
    (axes,) = empty_axes(figure)
    axes.add_collection(
        PolyCollection(corners[order, :, :2], facecolors=colours, edgecolors=colours)
    )
    axes.set(aspect="equal", xlim=(-SEEN, SEEN), ylim=(-SEEN, SEEN))


def seen(points: np.ndarray) -> np.ndarray:
    """Turn points (…, 3 or more) as they are seen from obliquely above: right, up and depth."""
    x, y, z = np.moveaxis(points[..., :3], -1, 0)
    right = x * np.cos(TURN) - y * np.sin(TURN)
    depth = x * np.sin(TURN) + y * np.cos(TURN)
    up, away = z * np.cos(TILT) + depth * np.sin(TILT), depth * np.cos(TILT) - z * np.sin(TILT)
    return np.stack([right, up, away], axis=-1)


def _scatter(figure: Any, points: np.ndarray, colours: np.ndarray) -> None:
    right, up, away = seen(points).T
    order = away.argsort()[::-1]  # near points are drawn last
    (axes,) = empty_axes(figure)
    axes.scatter(right[order], up[order], s=4 * _scale(points), c=colours[order], linewidths=0)
    axes.set(aspect="equal")


def _scale(points: np.ndarray) -> float:
    """Return how many times as large as usual the area of each point is drawn."""
    return float(np.clip(USUAL / max(1, len(points)), 1, LARGEST))
