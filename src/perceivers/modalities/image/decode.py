"""Decoding of image files with Pillow into uint8 pixels, for training and prediction alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import has_channels_first, is_image, what_it_may_be
from ..files import PathOrBytes
from ..notices import notice
from . import levels
from .colours import WITHOUT_LIGHT, check_varies, is_one_colour
from .opening import (
    ANIMATED,
    check_pixels,
    colours_of_16_bits,
    is_array_file,
    is_wide,
    load_npy,
    open_image,
    pillow,
    strips,
)

EXIF_ORIENTATION = 0x0112  # the tag's number
EIGHT_BITS = "has 8 bits, so it is not scaled by model.input.value_range as the others"
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
    if is_array_file(source):
        return _probe_array(load_npy(source))
    with open_image(source) as image:
        width, height = image.size
        if image.getexif().get(EXIF_ORIENTATION, 1) in SIDEWAYS:
            width, height = height, width
        grey = len(image.getbands()) < 3 and image.mode not in ("P", "PA")  # P: palette of colours
        return ImageInfo(height, width, 1 if grey else 3)


def _probe_array(array: np.ndarray) -> ImageInfo:
    if not is_image(array):
        raise ValueError(what_it_may_be(array))
    channels = array.shape[2] if array.ndim == 3 else 1
    return ImageInfo(array.shape[0], array.shape[1], 1 if channels < 3 else 3)


def decode(
    source: PathOrBytes,
    *,
    channels: int,
    size: int | None,
    value_range: Sequence[float] | None = None,
    crop: float = 1.0,
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
        crop: share of the shorter side of which a square in the middle is cut out first; with 1 the
            shorter side is kept. Without a `size` nothing is cut.

    Returns:
        uint8 (size, size, channels).

    Raises:
        ValueError: the file is not an image, is damaged or is too large, or has floating-point
            pixels without `value_range`; the message does not name the file.
    """
    if is_array_file(source):
        array = load_npy(source)
        if array.dtype == np.uint16:
            value_range = value_range or levels.FULL
        pixels = from_pixels(
            array, channels=channels, size=size, value_range=value_range, crop=crop
        )
        if size is not None and is_one_colour(pixels):
            check_varies(source)
        return pixels
    with open_image(source) as image:
        if image.format in ANIMATED and getattr(image, "is_animated", False):
            notice("has several frames or pages, of which only the first is read")
        # JPEG files can be decoded at down to an eighth of their size; other formats ignore this.
        if size is not None and crop == 1:
            image.draft("L" if channels == 1 else "RGB", (2 * size, 2 * size))
        shown = image
        if value_range is not None and not is_wide(image):
            values = colours_of_16_bits(source, image)
            if values is None:
                notice(EIGHT_BITS)
            else:
                shown = pillow().fromarray(levels.scale(values, value_range))
                shown.info["exif"] = image.info.get("exif", b"")
        pixels = to_array(shown, channels=channels, size=size, value_range=value_range, crop=crop)
        if is_one_colour(pixels):
            check_varies(source)
        return pixels


def wide_values(source: PathOrBytes) -> np.ndarray | None:
    """Return the values of an image file of more than 8 bits; None if it has 8 bits or fewer.

    Args:
        source: a path, or the file's bytes.

    Returns:
        Integers or floats (H, W) or (H, W, C); of an array in a file, some of them.

    Raises:
        ValueError: as `decode`.
    """
    if is_array_file(source):
        array = load_npy(source)
        if array.dtype in (np.uint8, np.bool_):
            return None
        # 16 bits have a range of their own; that of other types is always measured.
        return array if array.dtype == np.uint16 else levels.sample(array).astype(np.float64)
    with open_image(source) as image:
        if is_wide(image):
            return np.asarray(image)
        return colours_of_16_bits(source, image)


def to_array(
    image: Any,
    *,
    channels: int,
    size: int | None,
    value_range: Sequence[float] | None = None,
    crop: float = 1.0,
) -> np.ndarray:
    """Convert a Pillow image to uint8 pixels, as `decode` does.

    Args:
        image: the image.
        channels: 1 (grey) or 3 (RGB).
        size: height and width of the result; None: those of the image.
        value_range: see `decode`.
        crop: see `decode`.

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
        for top, strip in strips(image):
            converted = np.asarray(_to_mode(strip, mode, value_range), np.uint8)
            pixels[top : top + strip.height] = converted.reshape(-1, image.width, channels)
        return pixels
    if image.mode != mode or image.has_transparency_data:
        whole = pillow().new(mode, image.size)
        for top, strip in strips(image):
            whole.paste(_to_mode(strip, mode, value_range), (0, top))
        image = whole
    return np.asarray(fitted(image, size, crop), np.uint8).reshape(size, size, channels)


def fitted(image: Any, size: int, crop: float = 1.0, *, nearest: bool = False) -> Any:
    """Resize and crop a Pillow image to a square, as `decode` does.

    Args:
        image: the image.
        size: height and width of the result.
        crop: see `decode`.
        nearest: take the nearest pixel instead of interpolating.
    """
    from PIL import ImageOps

    method = pillow().Resampling.NEAREST if nearest else pillow().Resampling.BICUBIC
    if crop != 1:
        return _middle(image, crop).resize((size, size), method)
    return image if image.size == (size, size) else ImageOps.fit(image, (size, size), method=method)


def from_pixels(
    pixels: np.ndarray,
    *,
    channels: int,
    size: int | None,
    value_range: Sequence[float] | None = None,
    crop: float = 1.0,
) -> np.ndarray:
    """Convert an array of pixels to the size and channels of the result, as `decode` does.

    Args:
        pixels: (H, W) or (H, W, C), C from 1 to 4: uint8, or other numbers with `value_range`.
        channels: 1 (grey) or 3 (RGB).
        size: height and width of the result; None: those of the array, which is then returned
            without a copy if it already has these channels.
        value_range: the values that become 0 and 255 if they are not uint8.
        crop: see `decode`.

    Returns:
        uint8 (size, size, channels).

    Raises:
        ValueError: the array has another dtype or shape.
    """
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    has_range = value_range is not None and pixels.dtype.kind in "iuf"
    if not (pixels.dtype == np.uint8 or has_range) or pixels.ndim not in (2, 3) or not pixels.size:
        raise ValueError(
            f"array of {pixels.dtype} and shape {pixels.shape}; expected uint8 of shape "
            "(height, width) or (height, width, channels); pixels of other types need "
            f"model.input.value_range, which training measures{_as_uint8(pixels)}"
        )
    if has_channels_first(pixels.shape):
        raise ValueError(
            f"array of shape {pixels.shape}; expected the channels last, (height, width, "
            "channels): np.moveaxis(array, 0, -1)"
        )
    if pixels.dtype != np.uint8:
        check_pixels(pixels.shape[0] * pixels.shape[1])
        values, pixels = pixels, levels.scale(pixels, value_range)
        if is_one_colour(pixels) and (values != values[:1, :1]).any():
            notice(WITHOUT_LIGHT)
    elif value_range is not None:
        notice(EIGHT_BITS)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if size is None and pixels.shape[-1] == channels:
        return pixels  # possibly memory-mapped
    if pixels.shape[-1] not in (1, 2, 3, 4):
        raise ValueError(f"array of {pixels.shape[-1]} channels; expected 1 to 4")
    check_pixels(pixels.shape[0] * pixels.shape[1])
    image = pillow().fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return to_array(image, channels=channels, size=size, crop=crop)


def _as_uint8(pixels: np.ndarray) -> str:
    """Return how an array of 8 bits in another type is converted, for the end of a message."""
    if pixels.dtype.kind not in "iuf" or not pixels.size or not pixels.min() >= 0:
        return ""
    high = pixels.max()
    if pixels.dtype.kind == "f" and high <= 1:
        return "; pixels from 0 to 1: (255 * array).astype(np.uint8)"
    return "; pixels from 0 to 255: array.astype(np.uint8)" if high <= 255 else ""


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
    from_array = pillow().fromarray
    result = np.empty((len(images), size, size, channels), np.uint8)
    for index, pixels in enumerate(images):
        image = from_array(pixels if pixels.shape[-1] == 3 else pixels[..., 0])
        result[index] = to_array(image, channels=channels, size=size)
    return result


def _middle(image: Any, crop: float) -> Any:
    """Cut out the square in the middle whose side is a share of the shorter side."""
    side = max(1, int(crop * min(image.size)))
    left, top = ((length - side) // 2 for length in image.size)
    return image.crop((left, top, left + side, top + side))


def _to_mode(image: Any, mode: str, value_range: Sequence[float] | None) -> Any:
    library = pillow()
    if is_wide(image):  # Pillow's own conversion would clip instead of scale
        image = library.fromarray(levels.scale(np.asarray(image), value_range))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = library.alpha_composite(library.new("RGBA", image.size, "white"), image)
    return image.convert(mode)
