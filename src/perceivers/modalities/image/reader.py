"""The reader of images: a file → an example of the shape that a model takes."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..files import PathOrBytes
from ..reader import ArrayReader
from . import decode as images

# H height · W width · C channels


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

    def decode(self, source: PathOrBytes) -> np.ndarray:
        """See `Reader`."""
        return images.decode(source, channels=self.channels, size=self.size)

    def decode_whole(self, source: PathOrBytes) -> np.ndarray:
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
