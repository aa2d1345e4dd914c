"""Frames of an open video: found by their times, and turned into upright, square pixels."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...reading import check_limit
from .. import media
from ..image import levels
from .timeline import Timeline

SEEK = 10.0  # seconds; for frames further ahead, seeking is faster than decoding all in between
MAX_ASPECT = 8  # of a pixel; a larger one is not believed


def frames_at(container: Any, track: Any, timeline: Timeline, numbers: list[int]) -> Iterator[Any]:
    """Yield the frame that is shown at each of these ascending ticks."""
    frames = timeline.numbered(media.frames(container, track))
    current, frame = first_frame(frames)
    following = next(frames, None)
    for number in numbers:
        if number - current > SEEK * timeline.tick_rate and not timeline.counted:
            time = timeline.begin + number / timeline.tick_rate
            frames = timeline.numbered(media.frames_from(container, track, time))
            current, frame = next(frames, (current, frame))
            following = next(frames, None)
        while following is not None and following[0] <= number:
            (current, frame), following = following, next(frames, None)
        # Tolerate 10 % and two frames, because the number of frames is estimated from the length.
        shortest = 0.9 * number - 2 * timeline.ticks
        if following is None and timeline.end_number(current, frame) < shortest:
            last = current // timeline.ticks
            raise ValueError(f"damaged video: it ends at frame {last} of {timeline.frames}")
        yield frame


def first_frame(frames: Iterator[Any]) -> Any:
    """Return the first of some frames.

    Raises:
        ValueError: there is none.
    """
    first = next(frames, None)
    if first is None:
        raise ValueError("no frames: the video is empty")
    return first


def is_wide(frame: Any) -> bool:
    """Return whether a frame, or the frames of a codec, are grey of more than 8 bits."""
    kind = None if frame is None else frame.format
    return kind is not None and len(kind.components) == 1 and kind.components[0].bits > 8


def square_pixels(frame: Any, track: Any, value_range: Sequence[float] | None) -> np.ndarray:
    """Return the square pixels of a frame, uint8 (H, W, 1, 3 or 4), oriented as the file says."""
    alpha = any(part.is_alpha for part in frame.format.components)
    aspect = float(track.sample_aspect_ratio or 1)  # width of a pixel / its height
    square: dict[str, Any] = {}
    if aspect != 1 and 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
        square = {
            "width": round(frame.width * max(1.0, aspect)),
            "height": round(frame.height / min(1.0, aspect)),
            "interpolation": "BICUBIC",
        }
    check_limit(
        "frame_pixels",
        square.get("width", frame.width) * square.get("height", frame.height),
        "pixels in a frame",
    )
    if value_range is not None and is_wide(frame):
        values = frame.to_ndarray(format="gray16le", **square)
        return _oriented(levels.scale(values, value_range)[..., None], frame)
    return _oriented(frame.to_ndarray(format="rgba" if alpha else "rgb24", **square), frame)


def _oriented(pixels: np.ndarray, frame: Any) -> np.ndarray:
    """Turn and mirror pixels as the display matrix of their frame says, in right angles.

    The matrix shows the pixel in column x and row y in column a·x + c·y and row b·x + d·y
    (ISO/IEC 14496-12, 8.3.2).
    """
    matrix = next((d for d in frame.side_data if d.type.name == "DISPLAYMATRIX"), None)
    if matrix is None:
        return pixels
    a, b, _, c, d = np.frombuffer(bytes(matrix)[:20], "=i4").astype(np.int64)
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels, columns, rows = pixels.swapaxes(0, 1), c, b
    else:
        columns, rows = a, d
    return pixels[:: -1 if rows < 0 else 1, :: -1 if columns < 0 else 1]
