"""Video in: any file FFmpeg reads → uint8 frames sampled in time, each brought to size as an image.

Times are seconds from where the file starts, as in `sound`: the same `start` and `seconds` give the
sound that belongs to the pictures.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import media
from ..files import LazyArray, PathOrBytes
from ..image.decode import from_pixels

SUFFIXES = media.VIDEO_SUFFIXES
SEEK = 10.0  # seconds ahead from which it pays to look for a nearer key frame instead of reading on


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says about itself."""

    frames: int
    """`seconds` · `rate`: the count of frames, unless their rate varies."""
    rate: float
    """Frames per second, on average."""
    seconds: float
    """Length of the pictures."""
    height: int
    """Pixels as they are shown: a video turned by its player is turned here too."""
    width: int
    has_sound: bool
    codec: str
    """As FFmpeg names it: h264, vp9, ffv1, …"""


def probe(source: PathOrBytes) -> VideoInfo:
    """Frames, rate, length, size, sound and codec; one frame is decoded.

    Where the container does not write its length down (a recording from a browser), the packets are
    counted.

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
    """A video file → uint8 (num_frames, size, size, channels), frames evenly spread in time.

    The part from `start` on is cut into `num_frames` equal spans, and the frame shown in the middle
    of each is taken. Every s-th frame at a rate r, then, is `seconds = num_frames · s / r`: the 32
    frames at 25 per second of arXiv 2103.03206v2, §4.2, are `seconds=1.28`.

    A video with fewer frames than asked gives each of them once and repeats the last: a single
    frame works. With `seconds` given time is kept instead: a frame is repeated while it is shown,
    and the last one after the end.

    Each frame is resized as `images.decode` does: the shorter side to `size`, the middle kept,
    turned as the file says, transparent parts on white.

    Args:
        source: a path, or the file's bytes.
        num_frames: T.
        size: height and width of the result.
        channels: 1 (grey) or 3 (RGB).
        start: where to begin, in seconds.
        seconds: how much time the frames are spread over; None: all from `start` on.

    Raises:
        ValueError: no such file, no video, unknown codec, damaged, no frames, or `start` after the
            end; the message does not name the file.
    """
    with media.open_track(source, "video") as (container, track):
        timeline = _Timeline.of(source, container, track)
        shown = timeline.spread(num_frames, start, seconds)
        return _read(container, track, timeline, shown, size=size, channels=channels)


def clips(
    source: PathOrBytes,
    *,
    count: int,
    num_frames: int,
    size: int,
    seconds: float,
    channels: int = 3,
) -> np.ndarray:
    """Clips evenly spread over a video, uint8 (count, num_frames, size, size, channels).

    To average a model's predictions over: the first clip begins with the video, the last ends with
    it, and a single one lies in the middle. Where the video is shorter than a clip, all are alike.
    The frames of all clips are held; each is decoded once.

    Args:
        source: a path, or the file's bytes.
        count: how many clips.
        num_frames: T of each.
        size: height and width of the result.
        seconds: length of each; see `decode`.
        channels: 1 (grey) or 3 (RGB).

    Raises:
        ValueError: as `decode`.
    """
    if count < 1:
        raise ValueError(f"got count={count}; expected at least one clip")
    with media.open_track(source, "video") as (container, track):
        timeline = _Timeline.of(source, container, track)
        spare = max(0.0, timeline.frames / timeline.rate - seconds)
        starts = np.linspace(0, spare, count) if count > 1 else [spare / 2]
        first = timeline.offset  # clips lie in the pictures, also where sound begins before them
        shown = [timeline.spread(num_frames, first + start, seconds) for start in starts]
        return _read(container, track, timeline, np.stack(shown), size=size, channels=channels)


class LazyVideo(LazyArray):
    """Frames of a video from its first on, at a rate of their own, for one too long to hold.

    A frame is repeated while it is shown, and the last one after the end.

    Args:
        source: a path, or the file's bytes.
        num_frames: T.
        rate: frames a second.
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
        first = self._timeline.offset  # also where sound begins before the pictures
        self._shown = self._timeline.spread(num_frames, first, num_frames / rate)

    def __getitem__(self, run: slice) -> np.ndarray:
        """See `LazyArray`."""
        size, channels = self.shape[2:]
        with media.open_track(self.source, "video") as (container, track):
            shown = self._shown[run]
            return _read(container, track, self._timeline, shown, size=size, channels=channels)


@dataclass(frozen=True)
class _Timeline:
    """Frames by number. Times are rounded in many containers; a frame's number is not."""

    frames: int
    rate: float
    begin: float
    """Time of frame 0 on the container's clock."""
    offset: float
    """Seconds by which the pictures begin after the file does: its sound may come first."""
    counted: bool
    """The container keeps no times of frames shown in another order than they are stored in."""

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
        """Frames with their numbers."""
        number = -1
        for frame in frames:
            if self.counted or frame.time is None:
                number += 1
            else:
                number = round((frame.time - self.begin) * self.rate)
            yield number, frame

    def after(self, number: int, frame: Any) -> float:
        """Number of the frame that follows this one, which may be shown for long."""
        shown = (frame.duration or 0) * frame.time_base if frame.time_base else 0
        return number + float(shown) * self.rate

    def spread(self, num_frames: int, start: float, seconds: float | None) -> np.ndarray:
        """Numbers of the frames to show, (num_frames,) ascending; see `decode`."""
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


def _read(
    container: Any, track: Any, timeline: _Timeline, shown: np.ndarray, *, size: int, channels: int
) -> np.ndarray:
    """Frames by number, any shape → that shape + (size, size, channels)."""
    numbers, places = np.unique(shown, return_inverse=True)
    pictures = np.empty((len(numbers), size, size, channels), np.uint8)
    last = None
    for index, frame in enumerate(_frames(container, track, timeline, numbers.tolist())):
        if frame is last:
            pictures[index] = pictures[index - 1]
        else:
            pictures[index] = from_pixels(_pixels(frame), channels=channels, size=size)
        last = frame
    return pictures[places.reshape(shown.shape)]


def _frames(container: Any, track: Any, timeline: _Timeline, numbers: list[int]) -> Iterator[Any]:
    """The frame that is shown at each of these ascending numbers."""
    frames = timeline.numbered(media.frames(container, track))
    place, shown = _first(frames)
    coming = next(frames, None)
    for number in numbers:
        if number - place > SEEK * timeline.rate and not timeline.counted:
            time = timeline.begin + number / timeline.rate
            frames = timeline.numbered(media.frames_from(container, track, time))
            place, shown = next(frames, (place, shown))
            coming = next(frames, None)
        while coming is not None and coming[0] <= number:
            (place, shown), coming = coming, next(frames, None)
        if coming is None and timeline.after(place, shown) < 0.9 * number - 2:
            raise ValueError(f"damaged video: it ends at frame {place} of {timeline.frames}")
        yield shown


def _first(frames: Iterator[Any]) -> Any:
    first = next(frames, None)
    if first is None:
        raise ValueError("no frames: the video is empty")
    return first


def _pixels(frame: Any) -> np.ndarray:
    """A frame → uint8 (H, W, 3 or 4), turned as it is to be shown."""
    alpha = any(part.is_alpha for part in frame.format.components)
    pixels = frame.to_ndarray(format="rgba" if alpha else "rgb24")
    return np.rot90(pixels, round(frame.rotation / 90))
