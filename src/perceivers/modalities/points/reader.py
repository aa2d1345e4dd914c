"""The reader of point clouds: a file → an example of the shape that a model takes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..files import MAX_DECODED_BYTES, LazyArray, PathOrBytes
from ..reader import ArrayReader
from . import decode as points

# M points · C channels


@dataclass(frozen=True)
class PointReader(ArrayReader):
    """Point clouds, float32 (M, C), centred and scaled; see `points.decode`.

    Of more points a random part is taken, always the same of a file; of fewer, all are given again
    and again until there are enough, or with `own_length` once.

    Raises:
        ValueError: fewer channels than coordinates and what is added to them.
    """

    num_points: int
    channels: int
    own_length: bool = False
    size_channel: bool = False
    neighbours: tuple[int, ...] = ()

    noun: ClassVar[str] = "point clouds"
    suffixes: ClassVar[frozenset[str]] = points.POINT_SUFFIXES
    dtype: ClassVar[type] = np.float32

    def __post_init__(self) -> None:
        least = points.AXES + points.channels_added(self.size_channel, self.neighbours)
        if self.channels < least:
            raise ValueError(
                f"channels={self.channels}, size_channel={self.size_channel}, "
                f"neighbours={self.neighbours}; expected at least {least} channels"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, C)."""
        return self.num_points, self.channels

    @property
    def smallest_shape(self) -> tuple[int, ...]:
        """(M, C)."""
        return 1 if self.own_length else self.num_points, self.channels

    def decode(self, source: PathOrBytes) -> np.ndarray:
        """See `Reader`."""
        cloud = self._points(source, self.num_points)
        return cloud if self.own_length else np.resize(cloud, self.shape)

    def decode_whole(self, source: PathOrBytes) -> np.ndarray | LazyArray:
        """See `Reader`: of a `.npy` file that is too large, the points are read from disk."""
        channels = self.channels - points.channels_added(False, self.neighbours)
        large = points.open_large(
            source, MAX_DECODED_BYTES, channels=channels, size_channel=self.size_channel
        )
        if large is not None and self.neighbours:
            raise ValueError(
                f"{len(large):,} points are too many to look for the neighbours of each, which "
                "this model reads; leave own_size out"
            )
        return self._points(source, None) if large is None else large

    def _points(self, source: PathOrBytes, count: int | None) -> np.ndarray:
        return points.decode(
            source,
            num_points=count,
            channels=self.channels,
            normalise=True,
            size_channel=self.size_channel,
            neighbours=self.neighbours,
        )
