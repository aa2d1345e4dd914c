"""The reader of videos: a file → an example of the shape that a model takes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..files import MAX_DECODED_BYTES, LazyArray, PathOrBytes
from ..reader import ArrayReader
from . import decode as video

# T frames · H height · W width · C channels


@dataclass(frozen=True)
class VideoReader(ArrayReader):
    """Videos, uint8 (T, H, W, C); see `video.decode`.

    The frames are spread over `seconds` in the middle of the video; None: over all of it. A whole
    one has so many frames a second, or all its own, cut to a multiple of `step`; with `own_length`,
    so is an example of a video shorter than `seconds`.

    Raises:
        ValueError: own length without `seconds`.
    """

    num_frames: int
    size: int
    channels: int
    seconds: float | None = None
    step: int = 1
    own_length: bool = False

    noun: ClassVar[str] = "videos"
    suffixes: ClassVar[frozenset[str]] = video.SUFFIXES
    dtype: ClassVar[type] = np.uint8

    def __post_init__(self) -> None:
        if self.own_length and self.seconds is None:
            raise ValueError(
                "own_length of a video needs its frames a second: set seconds, the time that "
                f"{self.num_frames} frames are spread over"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W, C)."""
        return self.num_frames, self.size, self.size, self.channels

    @property
    def smallest_shape(self) -> tuple[int, ...]:
        """(T, H, W, C)."""
        return self.step if self.own_length else self.num_frames, *self.shape[1:]

    @property
    def has_clips(self) -> bool:
        """See `Reader`: unless an example is a whole video."""
        return self.seconds is not None

    def decode(self, source: PathOrBytes) -> np.ndarray:
        """See `Reader`."""
        if self.seconds is None:
            return video.decode(
                source, num_frames=self.num_frames, size=self.size, channels=self.channels
            )
        return self.clips(source, 1)[0]

    def clips(self, source: PathOrBytes, count: int) -> np.ndarray:
        """See `Reader` and `video.clips`."""
        if self.seconds is None:
            raise ValueError("an example is a whole video, not a clip; give a length in seconds")
        if self.own_length and video.probe(source).seconds < self.seconds:
            return np.stack([self.decode_whole(source)[:]] * count)
        return video.clips(
            source,
            count=count,
            num_frames=self.num_frames,
            size=self.size,
            seconds=self.seconds,
            channels=self.channels,
        )

    def decode_whole(self, source: PathOrBytes) -> np.ndarray | LazyArray:
        """See `Reader`; the pictures are of the model's own size."""
        info = video.probe(source)
        rate = info.rate if self.seconds is None else self.num_frames / self.seconds
        frames = max(1, round(info.seconds * rate) // self.step) * self.step
        film = video.LazyVideo(
            source, num_frames=frames, rate=rate, size=self.size, channels=self.channels
        )
        return film if film.nbytes > MAX_DECODED_BYTES else film[:]
