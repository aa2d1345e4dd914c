"""Configuration of point-cloud inputs, as plain data."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from typing_extensions import override

from ..config import Bands, Count, InputConfig, OutputConfig, Range, Task


@dataclass(frozen=True, kw_only=True)
class PointsConfig(InputConfig):
    """How point clouds become elements; see `perceivers.modalities.points.adapter.PointAdapter`."""

    kind: ClassVar[str] = "points"
    reader_fields: ClassVar[frozenset[str]] = frozenset(
        {"own_length", "size_channel", "neighbours", "normals"}
    )

    num_points: Count = 2048
    """Points of an example: a random subset of a larger cloud, or samples of a mesh's surface."""
    own_length: bool = False
    """Read clouds with fewer than num_points points as they are; false: repeat their points until
    there are num_points."""
    channels: Annotated[int, Range(0, 2**16)] = 3
    """Channels of a point. The first three are x, y and z. Channels added by size_channel and
    neighbours are included."""
    size_channel: bool = False
    """Add a channel with the cloud's size, which is otherwise lost because clouds are scaled to
    [-1, 1]: the natural logarithm of the largest centred coordinate, in the file's own unit."""
    neighbours: tuple[int, ...] = ()
    """Add seven channels for each of these numbers: the shape of the surface around a point,
    measured over so many nearest neighbours."""
    normals: bool = False
    """Whether channels 4 to 6 are normals of the file, which rotation and mirroring turn too; other
    channels of the file stay as they are."""
    content_bands: Bands = 0
    """Fourier frequencies added to the content for each channel beyond x, y and z; 0: only the
    channel's value."""
    num_bands: Bands = 64
    """Fourier frequencies of the positions, per axis."""
    max_resolution: float = 2240.0
    """Resolution of the Fourier positions along each axis: their highest frequency is half of it
    (Nyquist)."""


@dataclass(frozen=True, kw_only=True)
class OccupancyConfig(OutputConfig):
    """Whether places lie inside a solid; see `perceivers.modalities.points.output`."""

    kind: ClassVar[str] = "occupancy"

    resolution: Annotated[int, Range(1, 1024)] = 32
    """Places along each axis of the grid that the model gives for a batch of points; predict
    chooses its own."""
    learned_dim: Annotated[int, Range(1, 2**16)] = 64
    """Channels of the learned vector that each query holds beside its position."""

    @property
    @override
    def task(self) -> Task:
        return "occupancy"
