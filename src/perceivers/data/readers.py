"""The readers of images, points and text: a file → an example of the shape that a model takes."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from . import images, points, text
from .reader import ArrayReader
from .source import WHOLE, Source, Unread

# H height · W width · C channels · M points · L bytes


@dataclass(frozen=True)
class ImageReader(ArrayReader):
    """Images, uint8 (H, W, C), brought to one size; see `images.decode`.

    A whole one is cut to a multiple of `stride` pixels about its middle.
    """

    size: int
    channels: int
    stride: int = 1

    noun: ClassVar[str] = "images"
    suffixes: ClassVar[frozenset[str]] = images.SUFFIXES
    dtype: ClassVar[type] = np.uint8

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C)."""
        return self.size, self.size, self.channels

    def decode(self, source: Source) -> np.ndarray:
        """See `Reader`."""
        return images.decode(source, channels=self.channels, size=self.size)

    def decode_whole(self, source: Source) -> np.ndarray:
        """See `Reader`."""
        return self._cut(images.decode(source, channels=self.channels, size=None))

    def from_pixels(self, pixels: np.ndarray, *, whole: bool) -> np.ndarray:
        """An example of an array; see `images.from_pixels`."""
        size = None if whole else self.size
        return self._cut(images.from_pixels(pixels, channels=self.channels, size=size))

    def from_image(self, image: Any, *, whole: bool) -> np.ndarray:
        """An example of a Pillow image."""
        size = None if whole else self.size
        return self._cut(images.to_array(image, channels=self.channels, size=size))

    def _cut(self, pixels: np.ndarray) -> np.ndarray:
        """The middle that divides into steps; what is smaller than one stays, for its error."""
        height, width = pixels.shape[:2]
        rows, columns = (max(1, side // self.stride) * self.stride for side in (height, width))
        top, left = max(0, height - rows) // 2, max(0, width - columns) // 2
        return pixels[top : top + rows, left : left + columns]


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
    def least(self) -> tuple[int, ...]:
        """(M, C)."""
        return 1 if self.own_length else self.num_points, self.channels

    def decode(self, source: Source) -> np.ndarray:
        """See `Reader`."""
        cloud = self._points(source, self.num_points)
        return cloud if self.own_length else np.resize(cloud, self.shape)

    def decode_whole(self, source: Source) -> np.ndarray | Unread:
        """See `Reader`: of a `.npy` file that is too large, the points are read from disk."""
        channels = self.channels - points.channels_added(False, self.neighbours)
        large = points.open_large(source, WHOLE, channels=channels, size_channel=self.size_channel)
        if large is not None and self.neighbours:
            raise ValueError(
                f"{len(large):,} points are too many to look for the neighbours of each, which "
                "this model reads; leave own_size out"
            )
        return self._points(source, None) if large is None else large

    def _points(self, source: Source, count: int | None) -> np.ndarray:
        return points.decode(
            source,
            num_points=count,
            channels=self.channels,
            normalise=True,
            size_channel=self.size_channel,
            neighbours=self.neighbours,
        )


@dataclass(frozen=True)
class TextReader(ArrayReader):
    """Text, ids of its UTF-8 bytes (L,), 0 after its end, longer ones cut; see `text.encode`."""

    max_length: int

    noun: ClassVar[str] = "texts"
    suffixes: ClassVar[frozenset[str]] = frozenset({".txt"})
    dtype: ClassVar[type] = np.int16

    @property
    def shape(self) -> tuple[int, ...]:
        """(L,)."""
        return (self.max_length,)

    def decode(self, source: Source) -> np.ndarray:
        """See `Reader`; bytes are the text itself."""
        ids = text.encode([text.decode(source)], self.max_length)[0].numpy().astype(np.int16)
        return np.pad(ids, (0, self.max_length - len(ids)))

    def decode_whole(self, source: Source) -> np.ndarray:
        """See `Reader`: a model has learned so many positions and no more."""
        raise ValueError(f"this model reads up to {self.max_length} bytes; leave own_size out")

    def batch(self, examples: Tensor) -> Tensor:
        """Without the columns in which all texts have ended."""
        length = int((examples != text.PAD).sum(dim=1).max()) if len(examples) else 0
        return examples[:, : max(length, 1)].long()

    def lengths(self, examples: Any) -> Tensor:
        """See `Reader`: texts are held at one length, and end before it."""
        return (examples != text.PAD).sum(dim=1) / self.max_length
