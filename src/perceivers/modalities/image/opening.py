"""Opening of image files with Pillow: formats, limits, and values of more than 8 bits."""

import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import missing_extra
from ...reading import check_limit, check_regular, limits, open_errors, parser_errors
from ..files import PathOrBytes

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
ANIMATED = {"GIF", "PNG", "WEBP", "AVIF", "TIFF"}  # formats of several frames or pages
ARRAY_SUFFIX = ".npy"  # of arrays of pixels, saved by NumPy
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
STRIP_PIXELS = 2**22  # pixels of a large image that are converted together


@contextmanager
def open_image(source: PathOrBytes) -> Iterator[Any]:
    """Open a Pillow image without decoding its pixels; errors become those of `decode`."""
    image_module = pillow()
    if not (len(source) if isinstance(source, bytes) else check_regular(source)):
        raise ValueError("the file is empty; expected an image")
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    most = limits().pixels
    if image_module.MAX_IMAGE_PIXELS is not None and most > 2 * image_module.MAX_IMAGE_PIXELS:
        image_module.MAX_IMAGE_PIXELS = most  # as the user asked
    with parser_errors("image"):
        try:
            with (
                open_errors(),
                warnings.catch_warnings(),
                image_module.open(file, formats=list(FORMATS)) as image,
            ):
                # Pillow warns from half the size at which it refuses an image.
                warnings.simplefilter("ignore", image_module.DecompressionBombWarning)
                check_pixels(image.width * image.height)
                yield image
        except image_module.UnidentifiedImageError as error:
            raise ValueError("not an image, or in a format that Pillow cannot read") from error
        except image_module.DecompressionBombError as error:
            pixels = next((int(n) for n in re.findall(r"\d+", str(error))), 2 * most)
            check_pixels(pixels)
            raise


def check_pixels(count: int) -> None:
    """Refuse an image of more pixels than the limit."""
    fix = "Make it smaller, save its pixels as .npy, which is read in parts"
    check_limit("pixels", count, "pixels", fix)


def is_array_file(source: PathOrBytes) -> bool:
    """Return whether a source is the path of a `.npy` file, or the bytes of one."""
    if isinstance(source, bytes):
        return source.startswith(np.lib.format.MAGIC_PREFIX)
    return Path(source).suffix.lower() == ARRAY_SUFFIX


def load_npy(source: PathOrBytes) -> np.ndarray:
    """Return the array of a `.npy` file, memory-mapped, or a view of its bytes."""
    with parser_errors("file, or not an array that NumPy saved"), open_errors():
        if isinstance(source, bytes):
            return _view_npy(source)
        check_regular(source)
        array: np.ndarray = np.lib.format.open_memmap(source, mode="r")
    return array


def _view_npy(raw: bytes) -> np.ndarray:
    file = io.BytesIO(raw)
    first = np.lib.format.read_magic(file) == (1, 0)
    read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    count = math.prod(shape)
    if dtype.hasobject or file.tell() + count * dtype.itemsize > len(raw):
        raise ValueError("damaged file, or not an array of numbers that NumPy saved")
    array = np.frombuffer(raw, dtype, count, file.tell())
    return array.reshape(shape, order="F" if is_fortran else "C")


def is_wide(image: Any) -> bool:
    """Return whether an image has one channel of 16 or 32 bits."""
    return image.mode == "F" or image.mode.startswith("I")


def colours_of_16_bits(source: PathOrBytes, image: Any) -> np.ndarray | None:
    """Return all 16 bits of an open image of colours; None if it has fewer.

    Pillow keeps the upper 8 of the 16 bits of a colour. In the opposite byte order, it keeps the
    lower 8.
    """
    if not has_16_bit_colours(image):
        return None
    with lower_bits(source) as lower:
        return np.asarray(image).astype(np.uint16) * 256 + np.asarray(lower)


def _raw_mode(image: Any) -> str:
    """Return Pillow's name of how the pixels of an open image are stored."""
    arguments = image.tile[0][3] if image.tile else ""
    return arguments if isinstance(arguments, str) else str((*(arguments or ()), "")[0])


def has_16_bit_colours(image: Any) -> bool:
    """Return whether an open image has several channels of 16 bits."""
    return _raw_mode(image)[:-1] in ("RGB;16", "RGBA;16")


@contextmanager
def lower_bits(source: PathOrBytes) -> Iterator[Any]:
    """Open an image of 16-bit colours so that Pillow keeps their lower 8 bits."""
    with open_image(source) as image:
        raw = _raw_mode(image)
        swapped = raw[:-1] + ("L" if raw[-1] == "B" else "B")
        image.tile = [
            (*tile[:3], swapped if isinstance(tile[3], str) else (swapped, *tile[3][1:]))
            for tile in image.tile
        ]
        yield image


def strips(image: Any) -> Iterator[tuple[int, Any]]:
    """Yield a few rows of an image at a time, each with the index of its first row."""
    rows = max(1, STRIP_PIXELS // max(1, image.width))
    if image.height <= rows:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def pillow() -> Any:
    """Return the module `PIL.Image`.

    Raises:
        ImportError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise missing_extra("Pillow", "images") from None
    return Image


def png_bytes(pixels: np.ndarray) -> bytes:
    """Return pixels as the content of a png file.

    Args:
        pixels: uint8 (H, W, C), grey or RGB.
    """
    file = io.BytesIO()
    pillow().fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "png")
    return file.getvalue()
