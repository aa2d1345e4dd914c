"""One image in: any file Pillow reads → uint8 pixels, the same for training and prediction."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import missing_extra
from ..files import PathOrBytes, open_errors

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
)
EXIF_ORIENTATION, SIDEWAYS = 0x0112, {5, 6, 7, 8}


@dataclass(frozen=True)
class ImageInfo:
    """What an image file says about itself."""

    height: int
    """Pixels as they are shown: a photograph turned by its EXIF tag is turned here too."""
    width: int
    channels: int
    """1: grey, 3: anything else."""


def probe(source: PathOrBytes) -> ImageInfo:
    """Size and channels, without decoding; errors as of `decode`, if they show at its start."""
    with _opened(source) as image:
        width, height = image.size
        if image.getexif().get(EXIF_ORIENTATION, 1) in SIDEWAYS:
            width, height = height, width
        grey = len(image.getbands()) < 3 and image.mode not in ("P", "PA")  # not of a palette
        return ImageInfo(height, width, 1 if grey else 3)


def decode(source: PathOrBytes, *, channels: int, size: int | None) -> np.ndarray:
    """An image file → uint8 (size, size, channels).

    The first frame of an animation; turned as its EXIF tag says; 16 bits brought to 8; transparent
    parts on white; grey and palette images as RGB, or RGB as grey, whichever `channels` asks for.
    The shorter side is resized to `size` (bicubic, antialiased), the middle of the longer is kept.

    Args:
        source: a path, or the file's bytes.
        channels: 1 (grey) or 3 (RGB).
        size: height and width of the result; None: those of the image. A `.npy` file is then not
            read but memory-mapped, so that it may be of any size.

    Raises:
        ValueError: not an image, damaged, or too large; the message does not name the file.
    """
    if not isinstance(source, bytes) and Path(source).suffix == ".npy":
        return _decode_array(Path(source), channels=channels, size=size)
    with _opened(source) as image:
        # JPEG can be decoded at an eighth of its size; other formats ignore this.
        if size is not None:
            image.draft("L" if channels == 1 else "RGB", (2 * size, 2 * size))
        return to_array(image, channels=channels, size=size)


def to_array(image: Any, *, channels: int, size: int | None) -> np.ndarray:
    """A Pillow image → uint8 (size, size, channels); see `decode`."""
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    image = _to_mode(image, "L" if channels == 1 else "RGB")
    if size is not None and image.size != (size, size):
        image = ImageOps.fit(image, (size, size), method=_pillow().Resampling.BICUBIC)
    return np.asarray(image, np.uint8).reshape(*image.size[::-1], channels)


def from_pixels(pixels: np.ndarray, *, channels: int, size: int | None) -> np.ndarray:
    """Pixels, uint8 (H, W) or (H, W, C) → uint8 (size, size, channels); see `decode`.

    Raises:
        ValueError: no such pixels.
    """
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or not pixels.size:
        raise ValueError(
            f"array of {pixels.dtype} and shape {pixels.shape}; expected uint8 of shape "
            "(height, width) or (height, width, channels)"
        )
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if size is None and pixels.shape[-1] == channels:
        return pixels  # as they are, and where they are
    if pixels.shape[-1] not in (1, 2, 3, 4):
        raise ValueError(f"array of {pixels.shape[-1]} channels; expected 1 to 4")
    image = _pillow().fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return to_array(image, channels=channels, size=size)


def _decode_array(path: Path, *, channels: int, size: int | None) -> np.ndarray:
    with open_errors(), path.open("rb"):
        pass
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"not an array that NumPy saved, or damaged ({error})") from None
    return from_pixels(pixels, channels=channels, size=size)


def fit(images: np.ndarray, *, channels: int, size: int) -> np.ndarray:
    """Decoded images, uint8 (N, H, W, 1 or 3) → (N, size, size, channels), each as by `decode`."""
    if images.shape[1:] == (size, size, channels):
        return images
    from_array = _pillow().fromarray
    fit_to_data = np.empty((len(images), size, size, channels), np.uint8)
    for index, pixels in enumerate(images):
        image = from_array(pixels if pixels.shape[-1] == 3 else pixels[..., 0])
        fit_to_data[index] = to_array(image, channels=channels, size=size)
    return fit_to_data


@contextmanager
def _opened(source: PathOrBytes) -> Iterator[Any]:
    """A Pillow image, of which no pixel is decoded yet; errors as of `decode`."""
    image_module = _pillow()
    opened = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with open_errors(), warnings.catch_warnings(), image_module.open(opened) as image:
            # Pillow warns of half of what it refuses; there is nothing to be done about it here.
            warnings.simplefilter("ignore", image_module.DecompressionBombWarning)
            yield image
    except image_module.UnidentifiedImageError:
        raise ValueError("not an image, or of a kind that Pillow cannot read") from None
    except image_module.DecompressionBombError as error:
        limit = 2 * (image_module.MAX_IMAGE_PIXELS or 0) // 10**6
        raise ValueError(
            f"too large: expected at most {limit} megapixels; make it smaller, or save it as .npy, "
            f"whose pixels are read as they are needed ({error})"
        ) from None
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"damaged image ({error})") from None


def _to_mode(image: Any, mode: str) -> Any:
    pillow = _pillow()
    if image.mode.startswith("I"):  # 16 bits, or 16 held in 32: Pillow's own conversion clips
        wide = np.asarray(image).astype(np.int64)
        image = pillow.fromarray((wide.clip(0, 65535) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("floating-point pixels, whose range is not known; save it as 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = pillow.alpha_composite(pillow.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise missing_extra("Pillow", "images") from None
    return Image
