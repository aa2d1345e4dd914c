"""Decoding of image files with Pillow into uint8 pixels, for training and prediction alike."""

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

# Formats that hold pixels, by their name in Pillow, with the suffixes of their files. The first are
# those that Pillow knows without loading all its plugins. No file is opened as another format,
# whatever its name: Pillow starts other programs for some, such as EPS.
FORMATS = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".jfi", ".pjpeg", ".pjp", ".mpo"),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "TGA": (".tga",),
    "PCX": (".pcx",),
    "SGI": (".sgi",),
    "QOI": (".qoi",),
    "ICO": (".ico",),
}
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
EXIF_ORIENTATION = 0x0112  # the tag's number
SIDEWAYS = {5, 6, 7, 8}  # its values that swap height and width


@dataclass(frozen=True)
class ImageInfo:
    """Size and channels of an image file."""

    height: int
    """Height in pixels after the rotation of the EXIF tag."""
    width: int
    """Width in pixels after the rotation of the EXIF tag."""
    channels: int
    """1 for grey images, 3 for all others."""


def probe(source: PathOrBytes) -> ImageInfo:
    """Read the size and channels of an image file without decoding its pixels.

    Args:
        source: a path, or the file's bytes.

    Raises:
        ValueError: as `decode`, if the start of the file shows the problem.
    """
    with _open_image(source) as image:
        width, height = image.size
        if image.getexif().get(EXIF_ORIENTATION, 1) in SIDEWAYS:
            width, height = height, width
        grey = len(image.getbands()) < 3 and image.mode not in ("P", "PA")  # P: palette of colours
        return ImageInfo(height, width, 1 if grey else 3)


def decode(source: PathOrBytes, *, channels: int, size: int | None) -> np.ndarray:
    """Decode an image file to uint8 pixels.

    The image is rotated as its EXIF tag says. 16 bits are scaled to 8, transparent parts become
    white, and all modes are converted to grey or RGB. The shorter side is resized to `size`
    (bicubic, antialiased), and the longer side is cropped to its middle. Of an animation, the first
    frame is decoded. The path of a `.npy` file of uint8 pixels is accepted too.

    Args:
        source: a path, or the file's bytes.
        channels: 1 (grey) or 3 (RGB).
        size: height and width of the result; None: those of the image. With None, a `.npy` file is
            memory-mapped instead of read if it already has these channels.

    Returns:
        uint8 (size, size, channels).

    Raises:
        ValueError: the file is not an image, is damaged or is too large; the message does not name
            the file.
    """
    if not isinstance(source, bytes) and Path(source).suffix.lower() == ".npy":
        return _decode_npy(Path(source), channels=channels, size=size)
    with _open_image(source) as image:
        # JPEG files can be decoded at down to an eighth of their size; other formats ignore this.
        if size is not None:
            image.draft("L" if channels == 1 else "RGB", (2 * size, 2 * size))
        return to_array(image, channels=channels, size=size)


def to_array(image: Any, *, channels: int, size: int | None) -> np.ndarray:
    """Convert a Pillow image to uint8 pixels, as `decode` does.

    Args:
        image: the image.
        channels: 1 (grey) or 3 (RGB).
        size: height and width of the result; None: those of the image.

    Returns:
        (size, size, channels).

    Raises:
        ValueError: the image has floating-point pixels.
    """
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    image = _to_mode(image, "L" if channels == 1 else "RGB")
    if size is not None and image.size != (size, size):
        image = ImageOps.fit(image, (size, size), method=_pillow().Resampling.BICUBIC)
    return np.asarray(image, np.uint8).reshape(*image.size[::-1], channels)


def from_pixels(pixels: np.ndarray, *, channels: int, size: int | None) -> np.ndarray:
    """Convert an array of pixels to the size and channels of the result, as `decode` does.

    Args:
        pixels: uint8 (H, W) or (H, W, C), C from 1 to 4.
        channels: 1 (grey) or 3 (RGB).
        size: height and width of the result; None: those of the array, which is then returned
            without a copy if it already has these channels.

    Returns:
        uint8 (size, size, channels).

    Raises:
        ValueError: the array has another dtype or shape.
    """
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or not pixels.size:
        raise ValueError(
            f"array of {pixels.dtype} and shape {pixels.shape}; expected uint8 of shape "
            "(height, width) or (height, width, channels)"
        )
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if size is None and pixels.shape[-1] == channels:
        return pixels  # possibly memory-mapped
    if pixels.shape[-1] not in (1, 2, 3, 4):
        raise ValueError(f"array of {pixels.shape[-1]} channels; expected 1 to 4")
    image = _pillow().fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return to_array(image, channels=channels, size=size)


def _decode_npy(path: Path, *, channels: int, size: int | None) -> np.ndarray:
    with open_errors(), path.open("rb"):
        pass  # only to raise the error of a file that cannot be opened
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"not an array that NumPy saved, or damaged ({error})") from None
    return from_pixels(pixels, channels=channels, size=size)


def fit(images: np.ndarray, *, channels: int, size: int) -> np.ndarray:
    """Resize, crop and convert a batch of decoded images, each as `decode` does.

    Args:
        images: uint8 (N, H, W, 1 or 3).
        channels: 1 (grey) or 3 (RGB).
        size: height and width of the results.

    Returns:
        uint8 (N, size, size, channels); `images` itself if it already has this shape.
    """
    if images.shape[1:] == (size, size, channels):
        return images
    from_array = _pillow().fromarray
    result = np.empty((len(images), size, size, channels), np.uint8)
    for index, pixels in enumerate(images):
        image = from_array(pixels if pixels.shape[-1] == 3 else pixels[..., 0])
        result[index] = to_array(image, channels=channels, size=size)
    return result


@contextmanager
def _open_image(source: PathOrBytes) -> Iterator[Any]:
    """Open a Pillow image without decoding its pixels; errors become those of `decode`."""
    image_module = _pillow()
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with (
            open_errors(),
            warnings.catch_warnings(),
            image_module.open(file, formats=list(FORMATS)) as image,
        ):
            # Pillow warns from half the size at which it refuses an image.
            warnings.simplefilter("ignore", image_module.DecompressionBombWarning)
            yield image
    except image_module.UnidentifiedImageError:
        raise ValueError("not an image, or in a format that Pillow cannot read") from None
    except image_module.DecompressionBombError as error:
        limit = 2 * (image_module.MAX_IMAGE_PIXELS or 0) // 10**6
        raise ValueError(
            f"too large: expected at most {limit} megapixels; make it smaller, or save its pixels "
            f"as .npy, which is read in parts ({error})"
        ) from None
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"damaged image ({error})") from None


def _to_mode(image: Any, mode: str) -> Any:
    pillow = _pillow()
    # 16 bits, possibly stored in 32; Pillow's own conversion would clip instead of scale.
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.int64)
        image = pillow.fromarray((wide.clip(0, 65535) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError(
            "floating-point pixels, whose range is unknown; save the image with 8 or 16 bits"
        )
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
