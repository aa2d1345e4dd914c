"""What the neighbours of a point tell of the surface there: seven numbers beside each point."""

from collections.abc import Sequence

import numpy as np

from ...errors import missing_extra

SHAPE_CHANNELS = 7  # of each scale
RUN = 2**14  # points whose neighbourhoods are held together
LEAST = 1e-12  # of a distance under the logarithm


def surface_shape(points: np.ndarray, neighbours: Sequence[int]) -> np.ndarray:
    """Coordinates (M, 3) → (M, 7·scales): of each point's neighbourhoods, itself in them,

    - how much it is a line, a plane and a ball, shares of 1: the dimensionality features of
      Demantké, Mallet, David and Vallet (Dimensionality based scale selection in 3D lidar point
      clouds, ISPRS Laser Scanning 2011);
    - the normal of its plane, x, y and z without their signs, which a cloud does not tell;
    - the natural logarithm of the distance to the last of the neighbours, in the unit given.

    A neighbourhood of points that are all equal is none of the three and has no normal.

    Args:
        points: (M, 3), finite.
        neighbours: how many make a neighbourhood, one number a scale; of a cloud of no more points,
            all others do.

    Raises:
        ImportError: scipy is not installed.
    """
    try:
        from scipy.spatial import cKDTree
    except ImportError:
        raise missing_extra("scipy", "media") from None
    tree = cKDTree(points)
    counts = [min(count + 1, len(points)) for count in neighbours]
    runs = []
    for start in range(0, len(points), RUN):
        run = points[start : start + RUN]
        distances, index = tree.query(run, k=[*range(1, max(counts) + 1)])
        scales = [_shape(points[index[:, :n]], distances[:, n - 1]) for n in counts]
        runs.append(np.column_stack(scales))
    return np.concatenate(runs)


def _shape(near: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Of neighbourhoods (M, points, 3) that reach so far (M,)."""
    near = near - near.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(near.swapaxes(1, 2) @ near / near.shape[1])
    small, middle, large = np.sqrt(values.clip(min=0)).T
    there = large > 0
    shares = np.stack([large - middle, middle - small, small], axis=1)
    shares = np.divide(shares, large[:, None], where=there[:, None], out=np.zeros_like(shares))
    normals = np.abs(vectors[:, :, 0]) * there[:, None]
    return np.column_stack([shares, normals, np.log(reach.clip(min=LEAST))])
