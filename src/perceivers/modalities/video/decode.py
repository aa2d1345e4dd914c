"""Decoding of video files with FFmpeg into uint8 frames, sampled in time and resized like images.

Times are seconds from the start of the file, as in the decoding of sound: equal `start` and
`seconds` give matching frames and sound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from typing_extensions import override

from .. import media
from ..files import LazyArray, PathOrBytes
from ..image.colours import WITHOUT_LIGHT
from ..image.decode import from_pixels
from ..notices import notice
from .frames import first_frame, frames_at, is_wide, square_pixels
from .timeline import Timeline

SUFFIXES = media.VIDEO_SUFFIXES | {".gif"}
MAX_FRAMES = 20_000_000  # of a video that is read in parts; more are not believed
FRAMES_MEASURED = 32  # first frames of a video, of which some are measured


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a video file."""

    frames: int
    """Number of frames: `seconds` · `rate`, which is exact if the frame rate is constant."""
    rate: float
    """Frames per second, on average."""
    seconds: float
    """Length of the video track."""
    height: int
    """Height in square pixels after the rotation that the file asks for."""
    width: int
    """Width in square pixels after the rotation that the file asks for."""
    has_sound: bool
    """Whether the file has a sound track."""
    codec: str
    """Name of the codec in FFmpeg, such as h264, vp9 or ffv1."""


def probe(source: PathOrBytes) -> VideoInfo:
    """Read the properties of a video file; only its first frame is decoded.

    If the container does not declare its length (as in recordings of browsers), all packets are
    read to measure it.

    Args:
        source: a path, or the file's bytes.

    Raises:
        ValueError: as `decode`.
    """
    with media.open_track(source, "video") as (container, track):
        timeline = Timeline.of(source, container, track)
        height, width, _ = square_pixels(
            first_frame(media.frames(container, track)), track, None
        ).shape
        return VideoInfo(
            timeline.frames,
            timeline.rate,
            timeline.seconds,
            height,
            width,
            container.streams.best("audio") is not None,
            track.codec_context.codec.canonical_name,
        )


def decode(
    source: PathOrBytes,
    *,
    num_frames: int,
    size: int,
    channels: int = 3,
    start: float = 0.0,
    seconds: float | None = None,
    value_range: Sequence[float] | None = None,
) -> np.ndarray:
    """Decode frames of a video file that are evenly spread in time.

    The part from `start` on is divided into `num_frames` equal spans; the result holds the frame
    shown in the middle of each. To take every s-th frame at r frames per second, set
    `seconds = num_frames · s / r`: the 32 frames at 25 per second of arXiv 2103.03206v2, §4.2, are
    `seconds=1.28`.

    If `seconds` is None and the video has fewer frames than `num_frames`, each frame occurs once
    and the last is repeated; so a single frame works too. If `seconds` is given, frames keep their
    times instead: a frame is repeated for as long as it is shown, and the last one after the end.

    Each frame is resized like an image by `images.decode`: the shorter side to `size`, the longer
    side cropped to its middle, turned and mirrored as the file says, transparent parts white.
    Pixels that are not square are made so first.

    Args:
        source: a path, or the file's bytes.
        num_frames: T.
        size: height and width of the result.
        channels: 1 (grey) or 3 (RGB).
        start: seconds from the start of the file.
        seconds: length of the part over which the frames are spread; None: to the end.
        value_range: values of grey frames of more than 8 bits that become 0 and 255, of 16 bits;
            None: 0 and 65,535.

    Returns:
        uint8 (num_frames, size, size, channels).

    Raises:
        ValueError: the file does not exist, has no video, uses an unknown codec, is damaged or has
            no frames, or `start` is after the end; the message does not name the file.
    """
    with media.open_track(source, "video") as (container, track):
        timeline = Timeline.of(source, container, track)
        numbers = timeline.frame_numbers(num_frames, start, seconds)
        look: dict[str, Any] = {"size": size, "channels": channels, "value_range": value_range}
        return _decode(container, track, timeline, numbers, **look)


def clips(
    source: PathOrBytes,
    *,
    count: int,
    num_frames: int,
    size: int,
    seconds: float,
    channels: int = 3,
    value_range: Sequence[float] | None = None,
) -> np.ndarray:
    """Decode clips evenly spread over a video, to average a model's predictions over.

    The first clip begins with the video and the last ends with it; a single clip is the middle. If
    the video is shorter than a clip, all clips are equal. Each frame is decoded once, and those of
    all clips are in memory together.

    Args:
        source: a path, or the file's bytes.
        count: number of clips.
        num_frames: T of each clip.
        size: height and width of the result.
        seconds: length of each clip; see `decode`.
        channels: 1 (grey) or 3 (RGB).
        value_range: see `decode`.

    Returns:
        uint8 (count, num_frames, size, size, channels).

    Raises:
        ValueError: `count` is below 1; or as `decode`.
    """
    if count < 1:
        raise ValueError(f"got count={count}; expected at least one clip")
    with media.open_track(source, "video") as (container, track):
        timeline = Timeline.of(source, container, track)
        spare = max(0.0, timeline.seconds - seconds)
        starts = np.linspace(0, spare, count) if count > 1 else [spare / 2]
        first = timeline.offset  # clips lie within the video track, even if sound begins earlier
        numbers = [timeline.frame_numbers(num_frames, first + start, seconds) for start in starts]
        look: dict[str, Any] = {"size": size, "channels": channels, "value_range": value_range}
        return _decode(container, track, timeline, np.stack(numbers), **look)


class LazyVideo(LazyArray):
    """Frames of a long video, from its first one on and at a chosen rate, decoded on access.

    A frame is repeated for as long as it is shown, and the last one after the end.

    Args:
        source: a path, or the file's bytes.
        num_frames: T.
        rate: frames per second.
        size: height and width.
        channels: 1 (grey) or 3 (RGB).
        value_range: see `decode`.

    Raises:
        ValueError: as `decode`.
    """

    dtype = np.uint8

    def __init__(
        self,
        source: PathOrBytes,
        *,
        num_frames: int,
        rate: float,
        size: int,
        channels: int = 3,
        value_range: Sequence[float] | None = None,
    ) -> None:
        if num_frames > MAX_FRAMES:
            raise ValueError(f"damaged video: it states a length of {num_frames:,} frames")
        self.source, self.value_range = source, value_range
        self.shape = num_frames, size, size, channels
        with media.open_track(source, "video") as (container, track):
            self._timeline = Timeline.of(source, container, track)
        first = self._timeline.offset  # start with the video track, even if sound begins earlier
        self._numbers = self._timeline.frame_numbers(num_frames, first, num_frames / rate)

    @override
    def __getitem__(self, run: slice) -> np.ndarray:
        size, channels = self.shape[2:]
        with media.open_track(self.source, "video") as (container, track):
            numbers = self._numbers[run]
            look: dict[str, Any] = {
                "size": size,
                "channels": channels,
                "value_range": self.value_range,
            }
            return _decode(container, track, self._timeline, numbers, **look)


def _decode(
    container: Any,
    track: Any,
    timeline: Timeline,
    numbers: np.ndarray,
    *,
    size: int,
    channels: int,
    value_range: Sequence[float] | None = None,
) -> np.ndarray:
    """Decode frames by tick: `numbers` of any shape → that shape + (size, size, channels)."""
    unique, inverse = np.unique(numbers, return_inverse=True)
    pixels = np.empty((len(unique), size, size, channels), np.uint8)
    previous = None
    for index, frame in enumerate(frames_at(container, track, timeline, unique.tolist())):
        if frame is previous:
            pixels[index] = pixels[index - 1]
        else:
            shown = square_pixels(frame, track, value_range)
            pixels[index] = from_pixels(shown, channels=channels, size=size)
        previous = frame
    if previous is not None and is_wide(previous) and (pixels == pixels[:1, :1, :1]).all():
        values = previous.to_ndarray(format="gray16le")
        if values.min() < values.max():
            notice(WITHOUT_LIGHT)
    return pixels[inverse.reshape(numbers.shape)]


def wide_values(source: PathOrBytes) -> np.ndarray | None:
    """Return values of the first frames of a grey video of more than 8 bits; None for any other.

    Args:
        source: a path, or the file's bytes.

    Returns:
        uint16 (frames, H, W).

    Raises:
        ValueError: as `decode`.
    """
    with media.open_track(source, "video") as (container, track):
        if not is_wide(track.codec_context):
            return None
        frames = islice(media.frames(container, track), 0, FRAMES_MEASURED, 4)
        return np.stack([frame.to_ndarray(format="gray16le") for frame in frames])
