"""Decoding of image files with Pillow into uint8 pixels, for training and prediction alike."""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import missing_extra
from ...reading import check_limit, check_regular, limits, open_errors, parser_errors
from ..files import PathOrBytes
from ..notices import notice
from . import levels

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
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
EXIF_ORIENTATION = 0x0112  # the tag's number
WITHOUT_LIGHT = (
    "becomes one colour, because its values fill too little of the range that is scaled to 0…255; "
    "set model.input.value_range to the values that are black and white"
)
ONE_COLOUR = (
    "becomes one colour, although its file holds more: what differs is transparent, or outside the "
    "square in the middle, or of equal brightness"
)
SIDEWAYS = {5, 6, 7, 8}  # its values that swap height and width
STRIP_PIXELS = 2**22  # pixels of a large image that are converted together


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


def decode(
    source: PathOrBytes,
    *,
    channels: int,
    size: int | None,
    value_range: Sequence[float] | None = None,
) -> np.ndarray:
    """Decode an image file to uint8 pixels.

    The image is turned and mirrored as its EXIF tag says. More than 8 bits are scaled to 8,
    transparent parts become white, and all modes are converted to grey or RGB. The shorter side is
    resized to `size` (bicubic, antialiased), and the longer side is cropped to its middle. Of an
    animation, the first frame is decoded. The path of a `.npy` file of pixels is accepted too.

    A notice is given of an animation, and of an image that becomes one colour although its file
    holds more than one.

    Args:
        source: a path, or the file's bytes.
        channels: 1 (grey) or 3 (RGB).
        size: height and width of the result; None: those of the image. With None, a `.npy` file is
            memory-mapped instead of read if it already has these channels.
        value_range: the values of more than 8 bits that become 0 and 255; None: 0 and 65,535.

    Returns:
        uint8 (size, size, channels).

    Raises:
        ValueError: the file is not an image, is damaged or is too large, or has floating-point
            pixels without `value_range`; the message does not name the file.
    """
    if not isinstance(source, bytes) and Path(source).suffix.lower() == ".npy":
        array = _load_npy(Path(source))
        return from_pixels(array, channels=channels, size=size, value_range=value_range)
    with _open_image(source) as image:
        if image.format in ANIMATED and getattr(image, "is_animated", False):
            notice("has several frames or pages, of which only the first is read")
        # JPEG files can be decoded at down to an eighth of their size; other formats ignore this.
        if size is not None:
            image.draft("L" if channels == 1 else "RGB", (2 * size, 2 * size))
        shown = image
        if value_range is not None and not _is_wide(image):
            values = _colours_of_16_bits(source, image)
            if values is None:
                notice("has 8 bits, so it is not scaled by model.input.value_range as the others")
            else:
                shown = _pillow().fromarray(levels.scale(values, value_range))
                shown.info["exif"] = image.info.get("exif", b"")
        pixels = to_array(shown, channels=channels, size=size, value_range=value_range)
        if _is_one_colour(pixels):
            _check_varies(source)
        return pixels


def wide_values(source: PathOrBytes) -> np.ndarray | None:
    """Return the values of an image file of more than 8 bits; None if it has 8 bits or fewer.

    Args:
        source: a path, or the file's bytes.

    Returns:
        Integers or floats (H, W) or (H, W, C).

    Raises:
        ValueError: as `decode`.
    """
    if not isinstance(source, bytes) and Path(source).suffix.lower() == ".npy":
        array = _load_npy(Path(source))
        return None if array.dtype == np.uint8 else array
    with _open_image(source) as image:
        if _is_wide(image):
            return np.asarray(image)
        return _colours_of_16_bits(source, image)


def to_array(
    image: Any, *, channels: int, size: int | None, value_range: Sequence[float] | None = None
) -> np.ndarray:
    """Convert a Pillow image to uint8 pixels, as `decode` does.

    Args:
        image: the image.
        channels: 1 (grey) or 3 (RGB).
        size: height and width of the result; None: those of the image.
        value_range: see `decode`.

    Returns:
        (size, size, channels).

    Raises:
        ValueError: the image has floating-point pixels, and no range is given.
    """
    from PIL import ImageOps

    image.load()
    if image.getexif().get(EXIF_ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    mode = "L" if channels == 1 else "RGB"
    if size is None:
        pixels = np.empty((image.height, image.width, channels), np.uint8)
        for top, strip in _strips(image):
            converted = np.asarray(_to_mode(strip, mode, value_range), np.uint8)
            pixels[top : top + strip.height] = converted.reshape(-1, image.width, channels)
        return pixels
    if image.mode != mode or image.has_transparency_data:
        whole = _pillow().new(mode, image.size)
        for top, strip in _strips(image):
            whole.paste(_to_mode(strip, mode, value_range), (0, top))
        image = whole
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), method=_pillow().Resampling.BICUBIC)
    return np.asarray(image, np.uint8).reshape(size, size, channels)


def _strips(image: Any) -> Iterator[tuple[int, Any]]:
    """Yield a few rows of an image at a time, each with the index of its first row."""
    rows = max(1, STRIP_PIXELS // max(1, image.width))
    if image.height <= rows:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def from_pixels(
    pixels: np.ndarray,
    *,
    channels: int,
    size: int | None,
    value_range: Sequence[float] | None = None,
) -> np.ndarray:
    """Convert an array of pixels to the size and channels of the result, as `decode` does.

    Args:
        pixels: (H, W) or (H, W, C), C from 1 to 4: uint8, or other numbers with `value_range`.
        channels: 1 (grey) or 3 (RGB).
        size: height and width of the result; None: those of the array, which is then returned
            without a copy if it already has these channels.
        value_range: the values that become 0 and 255 if they are not uint8.

    Returns:
        uint8 (size, size, channels).

    Raises:
        ValueError: the array has another dtype or shape.
    """
    has_range = value_range is not None and pixels.dtype.kind in "iuf"
    if not (pixels.dtype == np.uint8 or has_range) or pixels.ndim not in (2, 3) or not pixels.size:
        raise ValueError(
            f"array of {pixels.dtype} and shape {pixels.shape}; expected uint8 of shape "
            "(height, width) or (height, width, channels); pixels of other types need "
            "model.input.value_range, which training measures"
        )
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4) and min(pixels.shape[1:]) > 4:
        raise ValueError(
            f"array of shape {pixels.shape}; expected the channels last, (height, width, "
            "channels): np.moveaxis(array, 0, -1)"
        )
    if pixels.dtype != np.uint8:
        _check_pixels(pixels.shape[0] * pixels.shape[1])
        pixels = levels.scale(pixels, value_range)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if size is None and pixels.shape[-1] == channels:
        return pixels  # possibly memory-mapped
    if pixels.shape[-1] not in (1, 2, 3, 4):
        raise ValueError(f"array of {pixels.shape[-1]} channels; expected 1 to 4")
    _check_pixels(pixels.shape[0] * pixels.shape[1])
    image = _pillow().fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return to_array(image, channels=channels, size=size)


def _load_npy(path: Path) -> np.ndarray:
    check_regular(path)
    with parser_errors("file, or not an array that NumPy saved"), open_errors():
        array: np.ndarray = np.lib.format.open_memmap(path, mode="r")
    return array


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
    if not isinstance(source, bytes):
        check_regular(source)
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
                _check_pixels(image.width * image.height)
                yield image
        except image_module.UnidentifiedImageError as error:
            raise ValueError("not an image, or in a format that Pillow cannot read") from error
        except image_module.DecompressionBombError as error:
            pixels = next((int(n) for n in re.findall(r"\d+", str(error))), 2 * most)
            _check_pixels(pixels)
            raise


def _check_pixels(count: int) -> None:
    """Refuse an image of more pixels than the limit."""
    fix = "Make it smaller, save its pixels as .npy, which is read in parts"
    check_limit("pixels", count, "pixels", fix)


def _to_mode(image: Any, mode: str, value_range: Sequence[float] | None) -> Any:
    pillow = _pillow()
    if _is_wide(image):  # Pillow's own conversion would clip instead of scale
        image = pillow.fromarray(levels.scale(np.asarray(image), value_range))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = pillow.alpha_composite(pillow.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def _is_wide(image: Any) -> bool:
    """Return whether an image has one channel of 16 or 32 bits."""
    return image.mode == "F" or image.mode.startswith("I")


def _colours_of_16_bits(source: PathOrBytes, image: Any) -> np.ndarray | None:
    """Return all 16 bits of an open image of colours; None if it has fewer.

    Pillow keeps the upper 8 of the 16 bits of a colour. In the opposite byte order, it keeps the
    lower 8.
    """
    if not _has_16_bit_colours(image):
        return None
    with _lower_bits(source) as lower:
        return np.asarray(image).astype(np.uint16) * 256 + np.asarray(lower)


def _raw_mode(image: Any) -> str:
    """Return Pillow's name of how the pixels of an open image are stored."""
    arguments = image.tile[0][3] if image.tile else ""
    return arguments if isinstance(arguments, str) else str((*(arguments or ()), "")[0])


def _has_16_bit_colours(image: Any) -> bool:
    return _raw_mode(image)[:-1] in ("RGB;16", "RGBA;16")


@contextmanager
def _lower_bits(source: PathOrBytes) -> Iterator[Any]:
    """Open an image of 16-bit colours so that Pillow keeps their lower 8 bits."""
    with _open_image(source) as image:
        raw = _raw_mode(image)
        swapped = raw[:-1] + ("L" if raw[-1] == "B" else "B")
        image.tile = [
            (*tile[:3], swapped if isinstance(tile[3], str) else (swapped, *tile[3][1:]))
            for tile in image.tile
        ]
        yield image


def _is_one_colour(pixels: np.ndarray) -> bool:
    return pixels[..., 0].size > 1 and bool((pixels == pixels[:1, :1]).all())


def _check_varies(source: PathOrBytes) -> None:
    """Give a notice if an image that has become one colour is not of one colour in its file."""
    if not isinstance(source, bytes) and Path(source).suffix.lower() == ".npy":
        array = _load_npy(Path(source))
        if (array != array[:1, :1]).any():
            notice(ONE_COLOUR if array.dtype == np.uint8 else WITHOUT_LIGHT)
        return
    with _open_image(source) as image:
        deep = _has_16_bit_colours(image)
        wide, palette = _is_wide(image), image.mode in ("P", "PA")
        if wide or palette:  # Pillow has no extrema of all modes of 16 bits
            mode = "RGBA" if palette else image.mode
            first = np.asarray(image.crop((0, 0, 1, 1)).convert(mode))
            strips = (np.asarray(strip.convert(mode)) for _, strip in _strips(image))
            varies = any((strip != first).any() for strip in strips)
        else:
            varies = _bands_vary(image)
    if deep and not varies:
        with _lower_bits(source) as lower:
            varies = _bands_vary(lower)
    if varies:
        notice(WITHOUT_LIGHT if deep or wide else ONE_COLOUR)


def _bands_vary(image: Any) -> bool:
    return any(low != high for low, high in np.reshape(image.getextrema(), (-1, 2)))


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise missing_extra("Pillow", "images") from None
    return Image
