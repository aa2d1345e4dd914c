"""The shape of the surface around each point of a cloud, measured from its nearest neighbours."""

from collections.abc import Sequence

import numpy as np

from ...errors import missing_extra

SHAPE_CHANNELS = 7  # per scale
SHARES = 3  # of them come first, then the normal, then the length
POINTS_PER_BLOCK = 2**14  # points whose neighbourhoods are in memory together
MIN_DISTANCE = 1e-12  # lower limit of distances before the logarithm is taken


def surface_shape(points: np.ndarray, neighbours: Sequence[int]) -> np.ndarray:
    """Measure the shape of the neighbourhood of each point at one or more scales.

    A neighbourhood is a point and its nearest neighbours. There are seven numbers per scale:

    - how linear, planar and spherical the neighbourhood is, three shares that sum to 1: the
      dimensionality features of Demantké, Mallet, David and Vallet (Dimensionality based scale
      selection in 3D lidar point clouds, ISPRS Laser Scanning 2011);
    - the absolute values of x, y and z of the plane's normal, because a cloud does not determine
      its sign;
    - the natural logarithm of the distance to the farthest of the neighbours, in the unit of the
      points.

    If all points of a neighbourhood are equal, the shares and the normal are zeros.

    Args:
        points: finite coordinates (M, 3).
        neighbours: number of neighbours at each scale. A cloud with too few points uses all of
            them.

    Returns:
        (M, 7 · number of scales).

    Raises:
        ImportError: scipy is not installed.
    """
    try:
        from scipy.spatial import cKDTree
    except ImportError:
        raise missing_extra("scipy", "media") from None
    tree = cKDTree(points)
    counts = [min(count + 1, len(points)) for count in neighbours]  # with the point itself
    blocks = []
    for start in range(0, len(points), POINTS_PER_BLOCK):
        block = points[start : start + POINTS_PER_BLOCK]
        distances, index = tree.query(block, k=[*range(1, max(counts) + 1)])
        scales = [_shape(points[index[:, :n]], distances[:, n - 1]) for n in counts]
        blocks.append(np.column_stack(scales))
    return np.concatenate(blocks)


def _shape(neighbourhoods: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Return the seven numbers of neighbourhoods (M, points, 3) with radii (M,)."""
    centred = neighbourhoods - neighbourhoods.mean(axis=1, keepdims=True)
    variances, vectors = np.linalg.eigh(centred.swapaxes(1, 2) @ centred / centred.shape[1])
    small, middle, large = np.sqrt(variances.clip(min=0)).T
    has_extent = (large > 0)[:, None]
    shares = np.stack([large - middle, middle - small, small], axis=1)
    shares = np.divide(shares, large[:, None], where=has_extent, out=np.zeros_like(shares))
    normals = np.abs(vectors[:, :, 0]) * has_extent
    return np.column_stack([shares, normals, np.log(radii.clip(min=MIN_DISTANCE))])
