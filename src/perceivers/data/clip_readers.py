"""The readers of sound and video, of which clips can be examples: a file → an example."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from . import sound, video
from .reader import ArrayReader
from .source import WHOLE, Source, Unread

# H height · W width · C channels · T frames · S samples · K clips

SOUND_SUFFIXES = frozenset(
    {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aiff", ".wma"}
)
SEEK = 60.0  # seconds of sound from which clips are looked for in the file: it need not be decoded


@dataclass(frozen=True)
class SoundReader(ArrayReader):
    """Waveforms, float32 (S, C), resampled, also those of videos; see `sound.decode`.

    The middle of a longer one is kept; a shorter one lies in the middle of silence, or is read at
    its own length: of its middle as many whole steps as there are, of silence about it the rest of
    a single one.
    """

    num_samples: int
    rate: int
    channels: int
    step: int = 1
    own_length: bool = False

    noun: ClassVar[str] = "sound files"
    suffixes: ClassVar[frozenset[str]] = SOUND_SUFFIXES | video.SUFFIXES
    dtype: ClassVar[type] = np.float32

    @property
    def shape(self) -> tuple[int, ...]:
        """(S, C)."""
        return self.num_samples, self.channels

    @property
    def least(self) -> tuple[int, ...]:
        """(S, C)."""
        return self.step if self.own_length else self.num_samples, self.channels

    @property
    def has_clips(self) -> bool:
        """See `Reader`: yes."""
        return True

    def decode(self, source: Source) -> np.ndarray:
        """See `Reader`."""
        return self.clips(source, 1)[0]

    def clips(self, source: Source, count: int) -> np.ndarray:
        """See `Reader`: the first begins with the sound, the last ends with it."""
        if sound.length(source) > SEEK + self.num_samples / self.rate:
            return sound.clips(
                source,
                count=count,
                num_samples=self.num_samples,
                rate=self.rate,
                channels=self.channels,
            )
        wave = self._wave(source)
        length = self.num_samples
        if self.own_length:
            length = min(length, max(1, len(wave) // self.step) * self.step)
        spare = len(wave) - length
        if spare < 0:
            before = -spare // 2
            wave, spare = np.pad(wave, ((before, -spare - before), (0, 0))), 0
        starts = np.linspace(0, spare, count).astype(int) if count > 1 else [spare // 2]
        return np.stack([wave[start : start + length] for start in starts])

    def decode_whole(self, source: Source) -> np.ndarray | Unread:
        """See `Reader`: cut, or filled with silence, to a multiple of `step` samples."""
        stated = round(sound.length(source) * self.rate)
        if stated * self.nbytes > WHOLE * self.num_samples:
            stated = max(1, stated // self.step) * self.step
            return sound.Recording(
                source, num_samples=stated, rate=self.rate, channels=self.channels
            )
        wave = self._wave(source)
        length = max(1, len(wave) // self.step) * self.step
        return np.pad(wave[:length], ((0, length - len(wave[:length])), (0, 0)))

    def _wave(self, source: Source) -> np.ndarray:
        return sound.decode(source, rate=self.rate, channels=self.channels)


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
    def least(self) -> tuple[int, ...]:
        """(T, H, W, C)."""
        return self.step if self.own_length else self.num_frames, *self.shape[1:]

    @property
    def has_clips(self) -> bool:
        """See `Reader`: unless an example is a whole video."""
        return self.seconds is not None

    def decode(self, source: Source) -> np.ndarray:
        """See `Reader`."""
        if self.seconds is None:
            return video.decode(
                source, num_frames=self.num_frames, size=self.size, channels=self.channels
            )
        return self.clips(source, 1)[0]

    def clips(self, source: Source, count: int) -> np.ndarray:
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

    def decode_whole(self, source: Source) -> np.ndarray | Unread:
        """See `Reader`; the pictures are of the model's own size."""
        info = video.probe(source)
        rate = info.rate if self.seconds is None else self.num_frames / self.seconds
        frames = max(1, round(info.seconds * rate) // self.step) * self.step
        film = video.Film(
            source, num_frames=frames, rate=rate, size=self.size, channels=self.channels
        )
        return film if film.nbytes > WHOLE else film[:]
