"""Images that become one colour although their files hold more."""

from typing import Any

import numpy as np

from ..files import PathOrBytes
from ..notices import notice
from .opening import (
    has_16_bit_colours,
    is_array_file,
    is_wide,
    load_npy,
    lower_bits,
    open_image,
    strips,
)

WITHOUT_LIGHT = (
    "becomes one colour, because its values fill too little of the range that is scaled to 0…255; "
    "set model.input.value_range to the values that are black and white"
)
ONE_COLOUR = (
    "becomes one colour, although its file holds more: what differs is transparent, or outside the "
    "square in the middle, or of equal brightness"
)


def is_one_colour(pixels: np.ndarray) -> bool:
    """Return whether all pixels (H, W, C) of an image of several are the same."""
    return pixels[..., 0].size > 1 and bool((pixels == pixels[:1, :1]).all())


def check_varies(source: PathOrBytes) -> None:
    """Give a notice if an image that has become one colour is not of one colour in its file."""
    if is_array_file(source):
        array = load_npy(source)
        if (array != array[:1, :1]).any():
            notice(ONE_COLOUR if array.dtype == np.uint8 else WITHOUT_LIGHT)
        return
    with open_image(source) as image:
        deep = has_16_bit_colours(image)
        wide, palette = is_wide(image), image.mode in ("P", "PA")
        if wide or palette:  # Pillow has no extrema of all modes of 16 bits
            mode = "RGBA" if palette else image.mode
            first = np.asarray(image.crop((0, 0, 1, 1)).convert(mode))
            parts = (np.asarray(strip.convert(mode)) for _, strip in strips(image))
            varies = any((part != first).any() for part in parts)
        else:
            varies = _bands_vary(image)
    if deep and not varies:
        with lower_bits(source) as lower:
            varies = _bands_vary(lower)
    if varies:
        notice(WITHOUT_LIGHT if deep or wide else ONE_COLOUR)


def _bands_vary(image: Any) -> bool:
    return any(low != high for low, high in np.reshape(image.getextrema(), (-1, 2)))
