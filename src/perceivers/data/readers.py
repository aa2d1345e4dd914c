"""The readers of single modalities: a file → an example of the shape that a model takes."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from . import images, points, sound, text, video
from .reader import ArrayReader
from .source import Source, Unread

# H height · W width · C channels · T frames · S samples · M points · L bytes · K clips

SOUND_SUFFIXES = frozenset(
    {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aiff", ".wma"}
)
WHOLE = 2**26  # bytes of what is read whole; of more, parts are decoded when they are needed
SEEK = 60.0  # seconds of sound from which clips are looked for in the file: it need not be decoded


@dataclass(frozen=True)
class ImageReader(ArrayReader):
    """Images, uint8 (H, W, C), brought to one size; see `images.decode`.

    A whole one is cut to a multiple of `stride` pixels about its middle.
    """

    size: int
    channels: int
    stride: int = 1

    noun: ClassVar[str] = "images"
    suffixes: ClassVar[frozenset[str]] = images.SUFFIXES
    dtype: ClassVar[type] = np.uint8

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C)."""
        return self.size, self.size, self.channels

    def decode(self, source: Source) -> np.ndarray:
        """See `Reader`."""
        return images.decode(source, channels=self.channels, size=self.size)

    def decode_whole(self, source: Source) -> np.ndarray:
        """See `Reader`."""
        return self._cut(images.decode(source, channels=self.channels, size=None))

    def from_pixels(self, pixels: np.ndarray, *, whole: bool) -> np.ndarray:
        """An example of an array; see `images.from_pixels`."""
        size = None if whole else self.size
        return self._cut(images.from_pixels(pixels, channels=self.channels, size=size))

    def from_image(self, image: Any, *, whole: bool) -> np.ndarray:
        """An example of a Pillow image."""
        size = None if whole else self.size
        return self._cut(images.to_array(image, channels=self.channels, size=size))

    def _cut(self, pixels: np.ndarray) -> np.ndarray:
        """The middle that divides into steps; what is smaller than one stays, for its error."""
        height, width = pixels.shape[:2]
        rows, columns = (max(1, side // self.stride) * self.stride for side in (height, width))
        top, left = max(0, height - rows) // 2, max(0, width - columns) // 2
        return pixels[top : top + rows, left : left + columns]


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


@dataclass(frozen=True)
class PointReader(ArrayReader):
    """Point clouds, float32 (M, C), centred and scaled; see `points.decode`.

    Of more points a random part is taken, always the same of a file; of fewer, all are given again
    and again until there are enough, or with `own_length` once.

    Raises:
        ValueError: fewer channels than coordinates and what is added to them.
    """

    num_points: int
    channels: int
    own_length: bool = False
    size_channel: bool = False
    neighbours: tuple[int, ...] = ()

    noun: ClassVar[str] = "point clouds"
    suffixes: ClassVar[frozenset[str]] = points.POINT_SUFFIXES
    dtype: ClassVar[type] = np.float32

    def __post_init__(self) -> None:
        least = points.AXES + points.channels_added(self.size_channel, self.neighbours)
        if self.channels < least:
            raise ValueError(
                f"channels={self.channels}, size_channel={self.size_channel}, "
                f"neighbours={self.neighbours}; expected at least {least} channels"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, C)."""
        return self.num_points, self.channels

    @property
    def least(self) -> tuple[int, ...]:
        """(M, C)."""
        return 1 if self.own_length else self.num_points, self.channels

    def decode(self, source: Source) -> np.ndarray:
        """See `Reader`."""
        cloud = self._points(source, self.num_points)
        return cloud if self.own_length else np.resize(cloud, self.shape)

    def decode_whole(self, source: Source) -> np.ndarray | Unread:
        """See `Reader`: of a `.npy` file that is too large, the points are read from disk."""
        channels = self.channels - points.channels_added(False, self.neighbours)
        large = points.open_large(source, WHOLE, channels=channels, size_channel=self.size_channel)
        if large is not None and self.neighbours:
            raise ValueError(
                f"{len(large):,} points are too many to look for the neighbours of each, which "
                "this model reads; leave own_size out"
            )
        return self._points(source, None) if large is None else large

    def _points(self, source: Source, count: int | None) -> np.ndarray:
        return points.decode(
            source,
            num_points=count,
            channels=self.channels,
            normalise=True,
            size_channel=self.size_channel,
            neighbours=self.neighbours,
        )


@dataclass(frozen=True)
class TextReader(ArrayReader):
    """Text, ids of its UTF-8 bytes (L,), 0 after its end, longer ones cut; see `text.encode`."""

    max_length: int

    noun: ClassVar[str] = "texts"
    suffixes: ClassVar[frozenset[str]] = frozenset({".txt"})
    dtype: ClassVar[type] = np.int16

    @property
    def shape(self) -> tuple[int, ...]:
        """(L,)."""
        return (self.max_length,)

    def decode(self, source: Source) -> np.ndarray:
        """See `Reader`; bytes are the text itself."""
        ids = text.encode([text.decode(source)], self.max_length)[0].numpy().astype(np.int16)
        return np.pad(ids, (0, self.max_length - len(ids)))

    def decode_whole(self, source: Source) -> np.ndarray:
        """See `Reader`: a model has learned so many positions and no more."""
        raise ValueError(f"this model reads up to {self.max_length} bytes; leave own_size out")

    def batch(self, examples: Tensor) -> Tensor:
        """Without the columns in which all texts have ended."""
        length = int((examples != text.PAD).sum(dim=1).max()) if len(examples) else 0
        return examples[:, : max(length, 1)].long()

    def lengths(self, examples: Any) -> Tensor:
        """See `Reader`: texts are held at one length, and end before it."""
        return (examples != text.PAD).sum(dim=1) / self.max_length
