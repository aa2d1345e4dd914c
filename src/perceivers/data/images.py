"""One image in: any file Pillow reads → uint8 pixels, the same for training and prediction."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import missing_extra

Source = str | Path | bytes


def decode(source: Source, *, channels: int, size: int) -> np.ndarray:
    """An image file → uint8 (size, size, channels).

    The first frame of an animation; turned as its EXIF tag says; 16 bits brought to 8; transparent
    parts on white; grey and palette images as RGB, or RGB as grey, whichever `channels` asks for.
    The shorter side is resized to `size` (bicubic, antialiased), the middle of the longer is kept.

    Args:
        source: a path, or the file's bytes.
        channels: 1 (grey) or 3 (RGB).
        size: height and width of the result.

    Raises:
        ValueError: not an image, damaged, or too large; the message does not name the file.
    """
    image_module = _pillow()
    opened = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with image_module.open(opened) as image:
            # JPEG can be decoded at an eighth of its size; other formats ignore this.
            image.draft("L" if channels == 1 else "RGB", (2 * size, 2 * size))
            return to_array(image, channels=channels, size=size)
    except FileNotFoundError:
        raise ValueError("no such file; check the path") from None
    except image_module.UnidentifiedImageError:
        raise ValueError("not an image, or of a kind that Pillow cannot read") from None
    except image_module.DecompressionBombError as error:
        limit = 2 * (image_module.MAX_IMAGE_PIXELS or 0) // 10**6
        raise ValueError(
            f"too large: expected at most {limit} megapixels; make it smaller ({error})"
        ) from None
    except (OSError, SyntaxError, EOFError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise ValueError(f"cannot be opened: {error.strerror}") from None
        raise ValueError(f"damaged image ({error})") from None


def to_array(image: Any, *, channels: int, size: int) -> np.ndarray:
    """A Pillow image → uint8 (size, size, channels); see `decode`."""
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    image = _to_mode(image, "L" if channels == 1 else "RGB")
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), method=_pillow().Resampling.BICUBIC)
    return np.asarray(image, np.uint8).reshape(size, size, channels)


def fit(images: np.ndarray, *, channels: int, size: int) -> np.ndarray:
    """Decoded images, uint8 (N, H, W, 1 or 3) → (N, size, size, channels), each as by `decode`."""
    if images.shape[1:] == (size, size, channels):
        return images
    from_array = _pillow().fromarray
    fitted = np.empty((len(images), size, size, channels), np.uint8)
    for index, pixels in enumerate(images):
        image = from_array(pixels if pixels.shape[-1] == 3 else pixels[..., 0])
        fitted[index] = to_array(image, channels=channels, size=size)
    return fitted


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
