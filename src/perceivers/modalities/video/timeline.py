"""When the frames of a video are shown: times, and the whole numbers that stand for them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import media
from ..files import PathOrBytes

TICK_RATE = 500  # ticks per second, approximately; see `Timeline`


@dataclass(frozen=True)
class Timeline:
    """Conversion of times to whole ticks, which are exact; many containers round times.

    A tick is a whole fraction of an average frame, so that frames whose rate varies keep their
    times, and those of a constant rate have multiples of `ticks` as numbers.
    """

    seconds: float
    """Length of the video track."""
    rate: float
    """Frames per second, on average."""
    begin: float
    """Time of the first frame on the container's clock, in seconds."""
    offset: float
    """Seconds from the start of the file to the first frame; above 0 if sound begins earlier."""
    counted: bool
    """Number frames by counting, because the container stores no times of reordered frames."""
    ticks: int
    """Ticks in an average frame."""

    @classmethod
    def of(cls, source: PathOrBytes, container: Any, track: Any) -> "Timeline":
        """Return the timeline of the track of an open file.

        Args:
            source: the path or the bytes that the container was opened from.
            container: an open PyAV container.
            track: its video track.
        """
        rate = float(track.average_rate or track.guessed_rate or 25)
        begin = float((track.start_time or 0) * track.time_base)
        end = media.declared_end_time(container, track)
        if end is None:
            end = media.end_time(source, "video")
        elif track.average_rate != track.guessed_rate and track.codec_context.has_b_frames:
            # The frame rate varies. Of reordered frames, the declared end may be that of the
            # decoding, which is before the last frames are shown.
            end = max(end, media.last_time(source, "video", end))
        frames = max(1.0, (end - begin) * rate)
        counted = container.format.name in {"avi", "mpeg"} and track.codec_context.has_b_frames
        # Times may be rounded to milliseconds: to half a tick at most.
        ticks = 1 if counted else max(1, int(TICK_RATE / rate))
        seconds = round(frames * ticks) / ticks / rate
        offset = max(0.0, begin - media.start_time(container))
        return cls(seconds, rate, begin, offset, counted, ticks)

    @property
    def frames(self) -> int:
        """Number of frames, which is exact if the frame rate is constant."""
        return max(1, round(self.seconds * self.rate))

    @property
    def tick_rate(self) -> float:
        """Ticks per second."""
        return self.rate * self.ticks

    def numbered(self, frames: Iterator[Any]) -> Iterator[tuple[int, Any]]:
        """Yield frames with the tick at which each is first shown."""
        number = -self.ticks
        for frame in frames:
            if self.counted or frame.time is None:
                number += self.ticks
            else:
                number = round((frame.time - self.begin) * self.tick_rate)
            yield number, frame

    def end_number(self, number: int, frame: Any) -> float:
        """Return the tick at which a frame stops being shown."""
        duration = (frame.duration or 0) * frame.time_base if frame.time_base else 0
        return number + float(duration) * self.tick_rate

    def frame_numbers(self, num_frames: int, start: float, seconds: float | None) -> np.ndarray:
        """Return the ticks of the frames to decode, (num_frames,) ascending; see `decode`."""
        length = 1 if seconds is None else seconds
        if num_frames < 1 or not 0 <= start < math.inf or not 0 < length < math.inf:
            raise ValueError(
                f"got num_frames={num_frames}, start={start}, seconds={seconds}; expected at least "
                "one frame, a start of 0 or more, and a length above 0"
            )
        frames = self.seconds * self.rate
        first = (start - self.offset) * self.rate
        if first >= frames:
            end = self.offset + self.seconds
            raise ValueError(f"no frame at {start:g} s; the video ends at {end:.2f} s")
        if seconds is None:
            first = max(first, 0.0)
            step = max(1.0, (frames - first) / num_frames)
        else:
            step = seconds * self.rate / num_frames
        middles = first + (np.arange(num_frames) + 0.5) * step
        last = max(0, round(frames * self.ticks) - 1)
        return np.floor(middles * self.ticks + 1e-6).astype(np.int64).clip(0, last)
