"""Labels of the pixels of images: mask images in a folder beside them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from typing_extensions import override

from ..files import PathOrBytes
from ..labelled import CONTENT, IGNORED, LABELS, LabelledReader, NamedSource, whole_numbers
from ..notices import notice
from . import decode as images
from .opening import open_image, pillow
from .reader import ImageReader

IMAGES, MASKS = "images", "masks"  # folders
MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif")
TURNED = range(2, 9)  # orientations in EXIF data that change what is seen
VOID = 255  # without a label, where classes have names and this one has none

# H, W height and width


@dataclass(frozen=True)
class LabelledImageReader(LabelledReader):
    """Decodes images with a class for each pixel.

    The mask of `images/NAME.jpg` is `masks/NAME.png`: an image of the same size whose palette
    indices or grey values are the classes; the same folders may lie in both. It is resized and
    cropped as its image is, to the value of the nearest pixel. An image that is turned or mirrored
    by its EXIF data has the mask of what is seen.
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
        return [(str(path), str(path))] if _places(path) else []

    @override
    def companions(self, path: Path) -> tuple[Path, ...]:
        mask = mask_of(path)
        return () if mask is None else (mask,)

    @override
    def unused_class_words(self, name: str) -> str:
        if VOID in self.names:
            return ""
        return (
            f"; {VOID} stands for no label in masks where it has no name: if it is {name!r}, write "
            f"the masks with the number of its line, counted from 0"
        )

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
        if not isinstance(source, bytes) and _upright(Path(source))[1]:
            notice("is turned or mirrored by its EXIF data, and its mask is taken for the result's")
        return {CONTENT: self.reader.decode(source), LABELS: self.indices(fitted)}

    def _values(self, source: PathOrBytes) -> np.ndarray:
        """Return the values of the mask of an image, int64 (H, W); -1 where there is no label."""
        if isinstance(source, bytes):
            raise ValueError("the bytes of an image have no mask; give its path")
        path = Path(source)
        size, _ = _upright(path)
        mask = mask_of(path)
        if mask is None:
            places = _places(path) or (path.parent.parent / MASKS, Path(path.name))
            raise ValueError(f"no mask {places[0] / places[1].with_suffix('.png')} beside it")
        values = read_mask(mask)
        if values.shape != size[::-1]:
            raise ValueError(
                f"its mask {mask} has {values.shape[1]}×{values.shape[0]} pixels, the image "
                f"{size[0]}×{size[1]}; expected the same size"
            )
        if self.names and VOID not in self.names:
            values = np.where(values == VOID, IGNORED, values)
        return values


def _upright(image: Path) -> tuple[tuple[int, int], bool]:
    """Return the width and height of an image as it is seen, and if EXIF data turns it."""
    with open_image(image) as opened:
        orientation, (width, height) = opened.getexif().get(images.EXIF_ORIENTATION, 1), opened.size
    size = (height, width) if orientation in images.SIDEWAYS else (width, height)
    return size, orientation in TURNED


def mask_of(image: Path) -> Path | None:
    """Return the mask of an image; None if there is none."""
    if (places := _places(image)) is None:
        return None
    folder, name = places
    suffixes = (spelled for s in MASK_SUFFIXES for spelled in (s, s.upper()))
    found = (folder / name.parent / f"{name.stem}{suffix}" for suffix in suffixes)
    return next((path for path in found if path.is_file()), None)


def _places(image: Path) -> tuple[Path, Path] | None:
    """Return the folder of the masks, and the path of an image below the folder of the images.

    Returns:
        None if it lies in no folder called "images" that has one of masks beside it.
    """
    for parent in image.parents:
        if parent.name.lower() == IMAGES and (masks := folder_of_masks(parent)).is_dir():
            return masks, image.relative_to(parent)
    return None


def folder_of_masks(images: Path) -> Path:
    """Return the folder of the masks of a folder of images, which need not be there."""
    spelled = MASKS if images.name.islower() else MASKS.upper() if images.name.isupper() else None
    return images.parent / (spelled or MASKS.capitalize())


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
