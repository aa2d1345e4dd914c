"""What an array in a file can be, by its shape and type: an image, or a cloud of points."""

from typing import Any

MAX_PLANES = 4  # channels of an image
MIN_SIDE = 8  # of a square that is an image; fewer points of so many channels are still a cloud
MAX_POINT_CHANNELS = (
    12  # of clouds with whole numbers: coordinates, normals, colours and a few more
)


def is_image(array: Any) -> bool:
    """Return whether an array can only be an image: (H, W), or (H, W, C) with C from 1 to 4.

    Of two axes, squares are images, and so are whole numbers with more columns than points have
    channels. Other arrays of two axes can be points (M, C).

    Args:
        array: an array, of which only the shape and the type are read.
    """
    shape = array.shape
    if array.dtype.kind not in "biuf" or 0 in shape:
        return False
    if len(shape) == 3:
        return shape[-1] <= MAX_PLANES and not has_channels_first(shape)
    if len(shape) != 2:
        return False
    if shape[0] == shape[1]:
        return bool(shape[0] >= MIN_SIDE)
    return array.dtype.kind != "f" and min(shape) > MAX_POINT_CHANNELS


def has_channels_first(shape: tuple[int, ...]) -> bool:
    """Return whether a shape of three axes is that of an image with its channels first."""
    return len(shape) == 3 and shape[0] in (1, 3, 4) and min(shape[1:]) > MAX_PLANES


def what_it_may_be(array: Any) -> str:
    """Describe an array that is neither an image nor a cloud, and how such data is saved."""
    shape = tuple(array.shape)
    text = f"array of {array.dtype} and shape {shape}"
    if array.dtype.kind not in "biuf":
        return f"{text}; expected real numbers"
    if has_channels_first(shape):
        return (
            f"{text}; an image has its channels last, (height, width, channels): save "
            "np.moveaxis(array, 0, -1)"
        )
    advice = {
        1: "save a sound as wav, and numbers as the columns of a table",
        3: "save each image of a batch, or the frames of a video (as mp4), by themselves",
        4: "save each image of a batch, or the frames of a video (as mp4), by themselves",
    }
    expected = "an image (height, width) or (height, width, 1 to 4), or points (points, 3 or more)"
    fix = advice.get(len(shape))
    return f"{text}; expected {expected}{f'; {fix}' if fix else ''}"
