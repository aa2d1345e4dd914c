"""The reader of point clouds: it decodes files to examples of the shape that a model takes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from ..files import MAX_DECODED_BYTES, LazyArray, PathOrBytes
from ..reader import ArrayReader, all_same, exceeds
from . import decode as points
from .meshes import Cloud

MAX_COORDINATE = 1.5  # of a cloud that was centred and scaled, by this or another rule

# M points · C channels


@dataclass(frozen=True)
class PointReader(ArrayReader):
    """Decode point clouds and meshes to centred and scaled points, float32 (M, C).

    A cloud with more than `num_points` points is subsampled at random, always to the same points of
    the same file. The points of a smaller one are repeated in order until there are enough, except
    with `own_length`. A `.npy` file that is too large to decode whole is read from disk in parts.
    See `perceivers.modalities.points.decode`.

    Args:
        num_points: M; with `own_length`, the most that an example has.
        channels: C, including the channels that `size_channel` and `neighbours` add.
        own_length: give each file as many points as it has, up to `num_points`.
        size_channel: add a channel with the logarithm of the cloud's size.
        neighbours: add channels with the shape of the surface over so many neighbours.

    Raises:
        ValueError: `channels` is less than three coordinates and the channels that are added.
    """

    num_points: int
    channels: int
    own_length: bool = False
    size_channel: bool = False
    neighbours: tuple[int, ...] = ()

    noun: ClassVar[str] = "point clouds"
    suffixes: ClassVar[frozenset[str]] = points.POINT_SUFFIXES
    dtype: ClassVar[type] = np.float32
    constant: ClassVar[str] = "one point, repeated"

    def __post_init__(self) -> None:
        min_channels = points.AXES + points.channels_added(self.size_channel, self.neighbours)
        if self.channels < min_channels:
            raise ValueError(
                f"channels={self.channels}, size_channel={self.size_channel}, "
                f"neighbours={self.neighbours}; expected at least {min_channels} channels"
            )

    @property
    @override
    def shape(self) -> tuple[int, ...]:
        return self.num_points, self.channels

    @property
    @override
    def smallest_shape(self) -> tuple[int, ...]:
        return 1 if self.own_length else self.num_points, self.channels

    @override
    def is_constant(self, example: np.ndarray) -> bool:
        return all_same(example[:, : points.AXES], axes=1)

    @override
    def doubt(self, example: np.ndarray) -> str | None:
        if not exceeds(example[..., : points.AXES], MAX_COORDINATE):
            return None
        return (
            "has coordinates outside [-1, 1], which are taken as they are; give the path of a "
            "file, which is centred and scaled"
        )

    @override
    def decode(self, source: PathOrBytes) -> np.ndarray:
        return self._filled(self._decode(source, self.num_points))

    def prepare(self, cloud: Cloud, *, whole: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Make an example of a cloud that was read.

        Args:
            cloud: the cloud.
            whole: whether all of its points are taken.

        Returns:
            The example, (M, C), and which points of the cloud its first points are.
        """
        content, chosen = points.prepare(
            cloud,
            num_points=None if whole else self.num_points,
            channels=self.channels,
            normalise=True,
            size_channel=self.size_channel,
            neighbours=self.neighbours,
        )
        return content if whole else self._filled(content), chosen

    def _filled(self, cloud: np.ndarray) -> np.ndarray:
        """Repeat the points of a cloud that is too small."""
        return cloud if self.own_length else np.resize(cloud, self.shape)

    @override
    def decode_whole(self, source: PathOrBytes) -> np.ndarray | LazyArray:
        channels = self.channels - points.channels_added(False, self.neighbours)
        large = points.open_large(
            source, MAX_DECODED_BYTES, channels=channels, size_channel=self.size_channel
        )
        if large is not None and self.neighbours:
            raise ValueError(
                f"{len(large):,} points are too many to look for the neighbours of each one, which "
                "this model needs; leave own_size out"
            )
        return self._decode(source, None) if large is None else large

    def _decode(self, source: PathOrBytes, count: int | None) -> np.ndarray:
        return points.decode(
            source,
            num_points=count,
            channels=self.channels,
            normalise=True,
            size_channel=self.size_channel,
            neighbours=self.neighbours,
        )
