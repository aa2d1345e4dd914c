"""Solids: points of their surface, and places of which it is known whether they lie inside."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from ...reading import parser_errors
from ..files import PathOrBytes
from ..labelled import CONTENT, LABELS, TargetReader
from ..reader import Examples
from . import decode as points
from .meshes import Cloud, Mesh
from .reader import PointReader

SEED = 0  # of the points and places that are drawn of a file: the same in every run
NEAR = 0.05  # standard deviation of the distance of near places from the surface, half extents

FLAT = 1e-12  # volume of what counts as flat, in cubes of its extent
SOLID_ANGLES_AT_ONCE = 2**20  # of which some ten arrays are in memory

Inside = Callable[[np.ndarray], np.ndarray]
"""Which of the places (Q, 3), in the unit of the file, lie inside: boolean (Q,)."""

# M points · Q places


@dataclass(frozen=True)
class SolidReader(TargetReader):
    """Decode closed meshes to points of their surface, and labelled places.

    An example is {"content": float32 (M, C), "labels": float32 (Q, 4)}. A label is a place, in the
    coordinates of the points, and 1 if it lies inside the solid, else 0. The first half of the
    places are uniform in the cube [-1, 1]³ that the points fill, the other half are points of the
    surface that were moved by normal noise of deviation `NEAR`.
    """

    places: int = 2048
    """Q, an even number."""

    @property
    @override
    def noun(self) -> str:
        return "closed meshes"

    @property
    @override
    def nbytes(self) -> int:
        return self.reader.nbytes + 16 * self.places

    @property
    @override
    def layout(self) -> str:
        return "closed surfaces of triangles"

    @override
    @parser_errors("mesh")
    def decode(self, source: PathOrBytes) -> dict[str, np.ndarray]:
        """Decode a mesh.

        Raises:
            ValueError: the file cannot be read, or holds no closed mesh; the message does not name
                the file.
            ImportError: trimesh is not installed.
        """
        mesh = points.read(source)
        if not isinstance(mesh, Mesh):
            raise ValueError(
                "a cloud of points, which does not say what is inside; give a closed mesh"
            )
        surface = closed(mesh.surface)
        count = self.surface_points
        samples = Mesh(surface, mesh.coloured).sample(count, SEED)
        return self.example(samples, contained_by(surface), np.random.default_rng(SEED))

    @property
    def surface_points(self) -> int:
        """Number of points of the surface that `example` takes."""
        assert isinstance(self.reader, PointReader)
        return self.reader.num_points + self.places // 2

    def example(
        self, surface: np.ndarray, inside: Inside, random: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Make an example of a solid.

        Args:
            surface: `surface_points` points of the surface, uniform over its area, (…, 3 or more).
            inside: says which places lie inside the solid.
            random: draws the places.

        Raises:
            ValueError: all points are equal, or have too few channels.
        """
        reader, half = self.reader, self.places // 2
        assert isinstance(reader, PointReader)
        channels = reader.channels - points.channels_added(reader.size_channel, reader.neighbours)
        cloud = surface[:-half, :channels]
        content, _ = reader.prepare(Cloud(cloud))
        centre, extent = points.frame(cloud)
        uniform = random.uniform(-1, 1, (half, points.AXES))
        near = (surface[-half:, : points.AXES] - centre) / extent
        places = np.concatenate([uniform, near + NEAR * random.normal(size=near.shape)])
        labels = np.column_stack([places, inside(places * extent + centre)])
        return {CONTENT: content, LABELS: labels.astype(np.float32)}

    @override
    def targets(self, examples: Examples) -> Tensor:
        """Return the places of a batch, float32 (B, Q, 4)."""
        assert isinstance(examples, dict)
        labels = examples[LABELS]
        return labels if isinstance(labels, Tensor) else torch.stack(labels)


def closed(surface: Any) -> Any:
    """Return a mesh whose equal corners are one, and whose faces look outwards.

    Args:
        surface: a `trimesh.Trimesh`. It may consist of several closed parts, also of some that
            overlap, and have cavities.

    Raises:
        ValueError: it has edges that do not belong to two faces, faces that look inwards beside
            others that look outwards, or no volume.
    """
    merged = surface.copy()
    merged.merge_vertices(merge_tex=True, merge_norm=True)
    if not merged.is_watertight:
        _, counts = np.unique(merged.edges_unique_inverse, return_counts=True)
        raise ValueError(
            f"the mesh is not closed: {int((counts != 2).sum()):,} of its {len(counts):,} edges do "
            "not belong to two faces, so that it has no inside; close its holes"
        )
    if not merged.is_winding_consistent:
        raise ValueError(
            "some faces of the mesh look inwards and others outwards; let a program make its "
            "normals consistent"
        )
    volume = signed_volume(merged.vertices, merged.faces)
    if not abs(volume) > FLAT * float(np.ptp(merged.vertices, axis=0).max()) ** 3:
        raise ValueError("the mesh encloses no volume; expected a solid")
    if volume < 0:
        merged.invert()
    return merged


def signed_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Return the volume inside a closed surface; negative if its faces look inwards.

    Args:
        vertices: (V, 3).
        faces: corners of the triangles, counter-clockwise if seen from outside, (F, 3).
    """
    a, b, c = (vertices[faces[:, i]] - vertices[0] for i in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def contained_by(surface: Any) -> Inside:
    """Return a function that says which places lie inside a closed mesh that looks outwards.

    Args:
        surface: what `closed` returned.
    """
    triangles = torch.from_numpy(np.asarray(surface.triangles, np.float64).copy())

    def inside(places: np.ndarray) -> np.ndarray:
        step = max(1, SOLID_ANGLES_AT_ONCE // len(triangles))
        parts = torch.from_numpy(places.astype(np.float64)).split(step)
        return torch.cat([winding_numbers(part, triangles) > 0.5 for part in parts]).numpy()

    return inside


def winding_numbers(places: Tensor, triangles: Tensor) -> Tensor:
    """Return how many times a surface winds around places: 0 outside, 1 or more inside.

    That is the sum of the signed solid angles of its triangles divided by 4π; each angle is that of
    van Oosterom and Strackee (1983, doi:10.1109/TBME.1983.325207). Parts that overlap add up, and
    a cavity subtracts.

    Args:
        places: (Q, 3).
        triangles: corners (F, 3, 3), counter-clockwise if seen from outside.

    Returns:
        (Q,), of the type of `places`.
    """
    a, b, c = (triangles[:, i] - places[:, None] for i in range(3))  # Q F 3
    lengths = [x.square().sum(-1).sqrt() for x in (a, b, c)]
    volume = (a * torch.linalg.cross(b, c)).sum(-1)
    ab, bc, ca = ((x * y).sum(-1) for x, y in ((a, b), (b, c), (c, a)))
    la, lb, lc = lengths
    angles = 2 * torch.atan2(volume, la * lb * lc + ab * lc + bc * la + ca * lb)
    return angles.sum(-1) / (4 * math.pi)
