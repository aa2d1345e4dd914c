"""What the points of a surface tell about its inside without a model."""

import numpy as np

from ...errors import missing_extra

NEIGHBOURS = 12  # points that a tangent plane is fitted to


def said_by_nearest(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Say which places lie inside, by the tangent plane at the nearest point of the surface.

    The plane is fitted to the point's neighbours, and looks away from the mean of the cloud: right
    where the solid is star-shaped around its mean.

    Args:
        points: (M, 3).
        places: (Q, 3).

    Returns:
        Boolean (Q,).

    Raises:
        ImportError: scipy is not installed.
    """
    try:
        from scipy.spatial import cKDTree
    except ImportError:
        raise missing_extra("scipy", "media") from None
    tree = cKDTree(points)
    _, index = tree.query(points, k=min(NEIGHBOURS, len(points)))
    near = points[index.reshape(len(points), -1)].astype(np.float64)
    centred = near - near.mean(1, keepdims=True)
    normals = np.linalg.eigh(centred.swapaxes(1, 2) @ centred)[1][:, :, 0]
    outwards = ((points - points.mean(0)) * normals).sum(1) >= 0
    normals = np.where(outwards[:, None], normals, -normals)
    _, nearest = tree.query(places)
    said: np.ndarray = ((places - points[nearest]) * normals[nearest]).sum(1) < 0
    return said
