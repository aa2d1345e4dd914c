"""Labels of the pixels of images: mask images in a folder beside them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from typing_extensions import override

from ..files import PathOrBytes
from ..labelled import CONTENT, IGNORED, LABELS, LabelledReader, NamedSource, whole_numbers
from . import decode as images
from .opening import open_image, pillow
from .reader import ImageReader

IMAGES, MASKS = "images", "masks"  # folders
MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif")
VOID = 255  # without a label, where classes have names and this one has none

# H, W height and width


@dataclass(frozen=True)
class LabelledImageReader(LabelledReader):
    """Decodes images with a class for each pixel.

    The mask of `images/NAME.jpg` is `masks/NAME.png`: an image of the same size whose palette
    indices or grey values are the classes. It is resized and cropped as its image is, to the value
    of the nearest pixel.
    """

    unnamed: ClassVar[str] = "masks beside the images"

    @property
    @override
    def layout(self) -> str:
        return (
            f"{IMAGES}/NAME.jpg needs a mask {MASKS}/NAME.png, whose palette indices or grey "
            "values are the classes"
        )

    @override
    def sources(self, path: Path) -> list[NamedSource]:
        return [(str(path), str(path))] if path.parent.name.lower() == IMAGES else []

    @override
    def survey(self, source: PathOrBytes) -> Counter[str]:
        values = self._values(source)
        return self.count(values.ravel())

    @override
    def decode(self, source: PathOrBytes) -> dict[str, np.ndarray]:
        """Decode an image to {"content": uint8 (H, W, C), "labels": int16 (H, W)}."""
        assert isinstance(self.reader, ImageReader)
        size, crop = self.reader.size, self.reader.crop
        mask = pillow().fromarray(self._values(source).astype(np.int32))
        fitted = np.asarray(images.fitted(mask, size, crop, nearest=True))
        return {CONTENT: self.reader.decode(source), LABELS: self.indices(fitted)}

    def _values(self, source: PathOrBytes) -> np.ndarray:
        """Return the values of the mask of an image, int64 (H, W); -1 where there is no label."""
        if isinstance(source, bytes):
            raise ValueError("the bytes of an image have no mask; give its path")
        path = Path(source)
        with open_image(path) as image:
            turned = image.getexif().get(images.EXIF_ORIENTATION, 1) in images.SIDEWAYS
            size = image.size[::-1] if turned else image.size
        mask = mask_of(path)
        if mask is None:
            raise ValueError(f"no mask {path.parent.parent / MASKS / path.stem}.png beside it")
        values = read_mask(mask)
        if values.shape != size[::-1]:
            raise ValueError(
                f"its mask {mask} has {values.shape[1]}×{values.shape[0]} pixels, the image "
                f"{size[0]}×{size[1]}; expected the same size"
            )
        if self.names and VOID not in self.names:
            values = np.where(values == VOID, IGNORED, values)
        return values


def mask_of(image: Path) -> Path | None:
    """Return the mask of an image; None if there is none."""
    folder = image.parent.parent / MASKS
    found = (folder / f"{image.stem}{suffix}" for suffix in MASK_SUFFIXES)
    return next((path for path in found if path.is_file()), None)


def read_mask(path: Path) -> np.ndarray:
    """Read the classes of the pixels of a mask, int64 (H, W).

    Raises:
        ValueError: it is no image, or has colours instead of a palette or grey values.
    """
    try:
        with open_image(path) as image:
            if image.mode not in ("1", "L", "P", "I", "I;16"):
                raise ValueError(
                    f"has pixels of mode {image.mode}; expected a palette (P) or grey values (L) "
                    "that stand for the classes"
                )
            image.load()
            return whole_numbers(np.asarray(image), "the mask")
    except ValueError as error:
        raise ValueError(f"its mask {path}: {error}") from None
