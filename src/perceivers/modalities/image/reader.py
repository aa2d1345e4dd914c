"""The reader of images, which decodes files into examples."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from ..files import PathOrBytes
from ..reader import ArrayReader
from . import decode as images
from .opening import ARRAY_SUFFIX, SUFFIXES

# H height · W width · C channels


@dataclass(frozen=True)
class ImageReader(ArrayReader):
    """Decodes images to uint8 (H, W, C) of one size; see `images.decode`.

    Images read at their own size are cropped to multiples of `stride` pixels about the middle.
    """

    size: int
    """Height and width in pixels."""
    channels: int
    """C: 1 (grey) or 3 (RGB)."""
    stride: int = 1
    """Pixels from one patch of the model to the next."""
    value_range: tuple[float, ...] | None = None
    """Values of more than 8 bits that become 0 and 255; None: 0 and 65,535."""
    crop: float = 1.0
    """Share of the shorter side that is kept of images that are resized."""

    noun: ClassVar[str] = "images"
    suffixes: ClassVar[frozenset[str]] = SUFFIXES | {ARRAY_SUFFIX}
    # Beside pictures, an array is a mask or something else that belongs to one of them.
    lone_suffixes: ClassVar[frozenset[str]] = frozenset({ARRAY_SUFFIX})
    dtype: ClassVar[type] = np.uint8
    constant: ClassVar[str] = "of one colour"

    @property
    @override
    def shape(self) -> tuple[int, ...]:
        return self.size, self.size, self.channels

    @override
    def decode(self, source: PathOrBytes) -> np.ndarray:
        return images.decode(
            source,
            channels=self.channels,
            size=self.size,
            value_range=self.value_range,
            crop=self.crop,
        )

    @override
    def decode_whole(self, source: PathOrBytes) -> np.ndarray:
        return self._crop(
            images.decode(source, channels=self.channels, size=None, value_range=self.value_range)
        )

    def from_pixels(self, pixels: np.ndarray, *, whole: bool) -> np.ndarray:
        """Turn an array of pixels into an example.

        Args:
            pixels: (H, W) or (H, W, C), uint8, or other numbers if `value_range` is set.
            whole: keep the size of the array instead of `size`.

        Raises:
            ValueError: the array has another dtype or shape.
        """
        result = images.from_pixels(
            pixels,
            channels=self.channels,
            size=None if whole else self.size,
            value_range=self.value_range,
            crop=self.crop,
        )
        return self._crop(result)

    def from_image(self, image: Any, *, whole: bool) -> np.ndarray:
        """Turn a Pillow image into an example.

        Args:
            image: the image.
            whole: keep the size of the image instead of `size`.

        Raises:
            ValueError: the image has floating-point pixels.
        """
        result = images.to_array(
            image,
            channels=self.channels,
            size=None if whole else self.size,
            value_range=self.value_range,
            crop=self.crop,
        )
        return self._crop(result)

    def _crop(self, pixels: np.ndarray) -> np.ndarray:
        """Crop to multiples of the stride; the adapter rejects images smaller than one stride."""
        height, width = pixels.shape[:2]
        rows, columns = (max(1, side // self.stride) * self.stride for side in (height, width))
        top, left = max(0, height - rows) // 2, max(0, width - columns) // 2
        return pixels[top : top + rows, left : left + columns]
