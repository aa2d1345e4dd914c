"""Decoding of video files with FFmpeg into uint8 frames, sampled in time and resized like images.

Times are seconds from the start of the file, as in the decoding of sound: equal `start` and
`seconds` give matching frames and sound.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import override

from .. import media
from ..files import LazyArray, PathOrBytes
from ..image.decode import from_pixels

SUFFIXES = media.VIDEO_SUFFIXES
SEEK = 10.0  # seconds; for frames further ahead, seeking is faster than decoding all in between


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
    """Height in pixels after the rotation that the file asks for."""
    width: int
    """Width in pixels after the rotation that the file asks for."""
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
        timeline = _Timeline.of(source, container, track)
        height, width, _ = _pixels(_first(media.frames(container, track))).shape
        return VideoInfo(
            timeline.frames,
            timeline.rate,
            timeline.frames / timeline.rate,
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
    side cropped to its middle, rotated as the file says, transparent parts white.

    Args:
        source: a path, or the file's bytes.
        num_frames: T.
        size: height and width of the result.
        channels: 1 (grey) or 3 (RGB).
        start: seconds from the start of the file.
        seconds: length of the part over which the frames are spread; None: to the end.

    Returns:
        uint8 (num_frames, size, size, channels).

    Raises:
        ValueError: the file does not exist, has no video, uses an unknown codec, is damaged or has
            no frames, or `start` is after the end; the message does not name the file.
    """
    with media.open_track(source, "video") as (container, track):
        timeline = _Timeline.of(source, container, track)
        numbers = timeline.frame_numbers(num_frames, start, seconds)
        return _decode(container, track, timeline, numbers, size=size, channels=channels)


def clips(
    source: PathOrBytes,
    *,
    count: int,
    num_frames: int,
    size: int,
    seconds: float,
    channels: int = 3,
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

    Returns:
        uint8 (count, num_frames, size, size, channels).

    Raises:
        ValueError: `count` is below 1; or as `decode`.
    """
    if count < 1:
        raise ValueError(f"got count={count}; expected at least one clip")
    with media.open_track(source, "video") as (container, track):
        timeline = _Timeline.of(source, container, track)
        spare = max(0.0, timeline.frames / timeline.rate - seconds)
        starts = np.linspace(0, spare, count) if count > 1 else [spare / 2]
        first = timeline.offset  # clips lie within the video track, even if sound begins earlier
        numbers = [timeline.frame_numbers(num_frames, first + start, seconds) for start in starts]
        return _decode(container, track, timeline, np.stack(numbers), size=size, channels=channels)


class LazyVideo(LazyArray):
    """Frames of a long video, from its first one on and at a chosen rate, decoded on access.

    A frame is repeated for as long as it is shown, and the last one after the end.

    Args:
        source: a path, or the file's bytes.
        num_frames: T.
        rate: frames per second.
        size: height and width.
        channels: 1 (grey) or 3 (RGB).

    Raises:
        ValueError: as `decode`.
    """

    dtype = np.uint8

    def __init__(
        self, source: PathOrBytes, *, num_frames: int, rate: float, size: int, channels: int = 3
    ) -> None:
        self.source = source
        self.shape = num_frames, size, size, channels
        with media.open_track(source, "video") as (container, track):
            self._timeline = _Timeline.of(source, container, track)
        first = self._timeline.offset  # start with the video track, even if sound begins earlier
        self._numbers = self._timeline.frame_numbers(num_frames, first, num_frames / rate)

    @override
    def __getitem__(self, run: slice) -> np.ndarray:
        size, channels = self.shape[2:]
        with media.open_track(self.source, "video") as (container, track):
            numbers = self._numbers[run]
            return _decode(container, track, self._timeline, numbers, size=size, channels=channels)


@dataclass(frozen=True)
class _Timeline:
    """Conversion of times to frame numbers, which are exact; many containers round times."""

    frames: int
    """Number of frames."""
    rate: float
    """Frames per second, on average."""
    begin: float
    """Time of frame 0 on the container's clock, in seconds."""
    offset: float
    """Seconds from the start of the file to frame 0; above 0 if sound begins earlier."""
    counted: bool
    """Number frames by counting, because the container stores no times of reordered frames."""

    @classmethod
    def of(cls, source: PathOrBytes, container: Any, track: Any) -> "_Timeline":
        rate = float(track.average_rate or track.guessed_rate or 25)
        begin = float((track.start_time or 0) * track.time_base)
        end = media.declared_end_time(container, track)
        end = media.end_time(source, "video") if end is None else end
        frames = max(1, round((end - begin) * rate))
        counted = container.format.name in {"avi", "mpeg"} and track.codec_context.has_b_frames
        return cls(frames, rate, begin, max(0.0, begin - media.start_time(container)), counted)

    def numbered(self, frames: Iterator[Any]) -> Iterator[tuple[int, Any]]:
        """Yield frames with their numbers."""
        number = -1
        for frame in frames:
            if self.counted or frame.time is None:
                number += 1
            else:
                number = round((frame.time - self.begin) * self.rate)
            yield number, frame

    def end_number(self, number: int, frame: Any) -> float:
        """Return the frame number at which a frame stops being shown."""
        duration = (frame.duration or 0) * frame.time_base if frame.time_base else 0
        return number + float(duration) * self.rate

    def frame_numbers(self, num_frames: int, start: float, seconds: float | None) -> np.ndarray:
        """Return the numbers of the frames to decode, (num_frames,) ascending; see `decode`."""
        length = 1 if seconds is None else seconds
        if num_frames < 1 or not 0 <= start < math.inf or not 0 < length < math.inf:
            raise ValueError(
                f"got num_frames={num_frames}, start={start}, seconds={seconds}; expected at least "
                "one frame, a start of 0 or more, and a length above 0"
            )
        first = (start - self.offset) * self.rate
        if first >= self.frames:
            end = self.offset + self.frames / self.rate
            raise ValueError(f"no frame at {start:g} s; the video ends at {end:.2f} s")
        if seconds is None:
            first = max(first, 0.0)
            step = max(1.0, (self.frames - first) / num_frames)
        else:
            step = seconds * self.rate / num_frames
        middles = first + (np.arange(num_frames) + 0.5) * step
        return np.floor(middles + 1e-6).astype(np.int64).clip(0, self.frames - 1)


def _decode(
    container: Any,
    track: Any,
    timeline: _Timeline,
    numbers: np.ndarray,
    *,
    size: int,
    channels: int,
) -> np.ndarray:
    """Decode frames by number: `numbers` of any shape → that shape + (size, size, channels)."""
    unique, inverse = np.unique(numbers, return_inverse=True)
    pixels = np.empty((len(unique), size, size, channels), np.uint8)
    previous = None
    for index, frame in enumerate(_frames_at(container, track, timeline, unique.tolist())):
        if frame is previous:
            pixels[index] = pixels[index - 1]
        else:
            pixels[index] = from_pixels(_pixels(frame), channels=channels, size=size)
        previous = frame
    return pixels[inverse.reshape(numbers.shape)]


def _frames_at(
    container: Any, track: Any, timeline: _Timeline, numbers: list[int]
) -> Iterator[Any]:
    """Yield the frame that is shown at each of these ascending numbers."""
    frames = timeline.numbered(media.frames(container, track))
    current, frame = _first(frames)
    following = next(frames, None)
    for number in numbers:
        if number - current > SEEK * timeline.rate and not timeline.counted:
            time = timeline.begin + number / timeline.rate
            frames = timeline.numbered(media.frames_from(container, track, time))
            current, frame = next(frames, (current, frame))
            following = next(frames, None)
        while following is not None and following[0] <= number:
            (current, frame), following = following, next(frames, None)
        # Tolerate 10 % and two frames, because the number of frames is estimated from the length.
        if following is None and timeline.end_number(current, frame) < 0.9 * number - 2:
            raise ValueError(f"damaged video: it ends at frame {current} of {timeline.frames}")
        yield frame


def _first(frames: Iterator[Any]) -> Any:
    first = next(frames, None)
    if first is None:
        raise ValueError("no frames: the video is empty")
    return first


def _pixels(frame: Any) -> np.ndarray:
    """Return the pixels of a frame, uint8 (H, W, 3 or 4), rotated as the file says."""
    alpha = any(part.is_alpha for part in frame.format.components)
    pixels = frame.to_ndarray(format="rgba" if alpha else "rgb24")
    return np.rot90(pixels, round(frame.rotation / 90))
