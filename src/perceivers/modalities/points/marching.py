"""Surfaces of solids whose occupancy is known on a grid."""

import numpy as np

from ...errors import missing_extra
from .solids import signed_volume

SMALLEST = 1e-3  # size of a logit at least, relative to the largest

# R resolution · V vertices · F faces


def surface_of(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the surface between positive and negative logits of a grid over [-1, 1]³.

    What lies beyond the grid is outside, so that the surface is closed, half a step beyond at most.

    Args:
        logits: (R, R, R), R at least 2, some of them positive.

    Returns:
        Vertices, float64 (V, 3), and faces, (F, 3), counter-clockwise if seen from outside.

    Raises:
        ImportError: PyMCubes is not installed.
    """
    try:
        import mcubes
    except ImportError:
        raise missing_extra("PyMCubes", "media") from None
    most = float(np.abs(logits).max())
    # Corners of triangles that meet at a place of the grid would be one, and the surface open.
    clear = np.maximum(np.abs(logits.astype(np.float64)), SMALLEST * most)
    signed = np.where(logits > 0, clear, -clear)
    padded = -np.abs(np.pad(signed, 1, mode="edge"))
    padded[1:-1, 1:-1, 1:-1] = signed
    vertices, faces = mcubes.marching_cubes(padded, 0.0)
    steps = np.array(logits.shape) - 1
    vertices = 2 * (vertices - 1) / steps - 1
    faces = faces.astype(np.int64)
    return vertices, faces if signed_volume(vertices, faces) >= 0 else faces[:, ::-1]
