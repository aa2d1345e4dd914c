"""Configuration of point-cloud inputs, as plain data."""

from dataclasses import dataclass
from typing import ClassVar

from ..config import InputConfig


@dataclass(frozen=True, kw_only=True)
class PointsConfig(InputConfig):
    """How point clouds become elements; see `perceivers.modalities.points.adapter.PointAdapter`."""

    kind: ClassVar[str] = "points"
    reader_fields: ClassVar[frozenset[str]] = frozenset(
        {"own_length", "size_channel", "neighbours"}
    )

    num_points: int = 2048
    """Points of an example."""
    own_length: bool = False
    """Files of fewer points are read as they are; False: their points are given again."""
    channels: int = 3
    """Channels of a point, the first three its coordinates."""
    size_channel: bool = False
    """After the file's channels comes the logarithm of its own size, lost in scaling it."""
    neighbours: tuple[int, ...] = ()
    """The last channels tell the shape of so many neighbours of a point, seven for each number."""
    content_bands: int = 0
    """Fourier frequencies of each channel beyond the coordinates; 0: the numbers alone."""
    num_bands: int = 64
    """Fourier frequencies per axis."""
    max_resolution: float = 2240.0
    """Resolution of each axis whose Nyquist frequency the bands reach."""
