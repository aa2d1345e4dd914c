"""Surfaces of solids that a model makes of points, written as meshes."""

from dataclasses import dataclass

import numpy as np
import torch
from typing_extensions import override

from ..modalities import build_reader
from ..modalities.files import PathOrBytes
from ..modalities.points import decode as points
from ..modalities.points.marching import surface_of
from ..modalities.points.meshes import Cloud, Mesh, mesh_bytes
from ..modalities.points.output import OccupancyOutput
from ..modalities.points.reader import PointReader
from ..modalities.points.solids import signed_volume
from ..models.base import PerceiverModel
from ..models.perceiver_io import PerceiverIOModel
from .answers import Answer, Answerer

RESOLUTION = 64  # places along each axis of the grid
MAX_RESOLUTION = 512  # whose logits take 0.5 GB
MIN_POINTS = 4  # fewer enclose nothing
FLAT = 1e-6  # thickness of a cloud in a plane, relative to its extent
SEED = 0  # of the points that are taken of a file

# M points · R resolution · V vertices · F faces


@dataclass(frozen=True)
class Solid:
    """The surface of a solid, in the unit of the file whose points it was made of."""

    vertices: np.ndarray
    """Float64 (V, 3)."""
    faces: np.ndarray
    """Indices of the corners of each triangle, counter-clockwise if seen from outside, (F, 3)."""

    @property
    def volume(self) -> float:
        """The volume that the surface encloses."""
        return signed_volume(self.vertices, self.faces)

    def encoded(self, kind: str) -> bytes:
        """Return the content of a file: binary ply or stl, or obj.

        Args:
            kind: "ply", "obj" or "stl".
        """
        return mesh_bytes(self.vertices, self.faces, kind)


@dataclass(frozen=True)
class Points:
    """Points as a model reads them."""

    content: np.ndarray
    """Centred and scaled, (M, C)."""
    centre: np.ndarray
    """Their centre in the file, (3,)."""
    extent: float
    """What they were divided by."""


class SolidAnswerer(Answerer):
    """Makes the surface of a solid from its points, as a mesh."""

    nothing_served = "its answers are meshes, which no page shows; use perceivers predict"
    resolution = RESOLUTION
    kind = "ply"

    @override
    def check(self) -> None:
        if not isinstance(self.model, PerceiverIOModel):
            raise ValueError(
                "an exported model gives one grid, of which no mesh is made; give the run "
                "that it was exported from"
            )

    @override
    def read(self, source: PathOrBytes) -> Points:
        assert isinstance(self.model, PerceiverIOModel)
        return read_points(self.model, source)

    @override
    def answer(self, example: Points) -> Answer:
        assert isinstance(self.model, PerceiverIOModel)
        solid = solid_of_points(self.model, example, self.resolution)
        counts = {"vertices": len(solid.vertices), "faces": len(solid.faces)}
        return Answer(
            f"a surface of {len(solid.faces):,} triangles around a volume of {solid.volume:.4g}",
            {**counts, "volume": solid.volume},
            {f"-solid.{self.kind}": solid.encoded(self.kind)},
        )


def solid_of(model: PerceiverModel, source: PathOrBytes, resolution: int = RESOLUTION) -> Solid:
    """Make the surface of a solid from its points.

    The occupancy is computed on a grid over the cube that the points fill, chunk by chunk, and the
    surface is where it is ½, by marching cubes. A solid that reaches the cube's faces is closed
    there, half a step of the grid beyond.

    Args:
        model: a model of occupancy, such as perceivers.load("runs/shape-vae-…").
        source: path or bytes of a cloud of points; of a mesh, points are sampled.
        resolution: R, places of the grid along each axis, 2 to 512.

    Raises:
        ValueError: the model has other outputs, the file cannot be read or its points enclose
            nothing, the model takes no place for inside, or `resolution` is out of range; the
            message does not name the file.
        ImportError: trimesh or PyMCubes is not installed.
    """
    if not isinstance(model, PerceiverIOModel) or not isinstance(model.output, OccupancyOutput):
        raise ValueError(
            f"the model is for {model.config.task or 'no task'}; expected one for occupancy"
        )
    return solid_of_points(model, read_points(model, source), resolution)


def solid_of_points(model: PerceiverIOModel, given: Points, resolution: int) -> Solid:
    """Make the surface of a solid from points that were read; see `solid_of`."""
    if not 2 <= resolution <= MAX_RESOLUTION:
        raise ValueError(f"resolution={resolution}; expected 2 to {MAX_RESOLUTION}")
    logits = occupancy(model, given.content, resolution)
    if not np.isfinite(logits).all():
        raise ValueError("the model gives infinite values or no numbers")
    if not (logits > 0).any():
        raise ValueError(
            f"the model takes no place of a grid of {resolution}³ for inside; the points may be of "
            "no solid that it knows, or the solid too thin: try a larger --resolution"
        )
    vertices, faces = surface_of(logits)
    return Solid(vertices * given.extent + given.centre, faces)


def read_points(model: PerceiverIOModel, source: PathOrBytes) -> Points:
    """Read the points of a file as a model of occupancy reads them; see `solid_of`."""
    reader = build_reader(model.config.input)
    assert isinstance(reader, PointReader)
    geometry = points.read(source)
    if isinstance(geometry, Mesh):
        geometry = Cloud(geometry.sample(reader.num_points, SEED)[:, : reader.channels])
    if len(geometry.values) < MIN_POINTS:
        raise ValueError(
            f"{len(geometry.values)} points enclose nothing; expected at least {MIN_POINTS}, "
            f"better {reader.num_points:,}"
        )
    content, chosen = reader.prepare(geometry)
    centre, extent = points.frame(geometry.values[chosen])
    thickness = np.linalg.svd(content[:, : points.AXES].astype(np.float64), compute_uv=False)[-1]
    if thickness < FLAT * np.sqrt(len(content)):
        raise ValueError("all points lie in a plane, and enclose nothing")
    return Points(content, centre, extent)


@torch.inference_mode()
def occupancy(model: PerceiverIOModel, content: np.ndarray, resolution: int) -> np.ndarray:
    """Return the logits of a grid over [-1, 1]³, float32 (R, R, R).

    Args:
        model: a model of occupancy.
        content: points as the model reads them, (M, C).
        resolution: R.
    """
    output = model.output
    assert isinstance(output, OccupancyOutput)
    model.eval()
    batch = torch.from_numpy(content)[None].to(next(model.parameters()).device)
    latents = model.latents(model.elements(batch))
    values = model.decode(latents, output.grid_queries(resolution))
    found: np.ndarray = values.float().view((resolution,) * points.AXES).cpu().numpy()
    return found
