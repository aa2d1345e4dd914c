"""The reader of sound: a file → an example of the shape that a model takes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..files import MAX_DECODED_BYTES, LazyArray, PathOrBytes
from ..media import VIDEO_SUFFIXES
from ..reader import ArrayReader
from . import decode as sound

# S samples · C channels · K clips

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
    suffixes: ClassVar[frozenset[str]] = SOUND_SUFFIXES | VIDEO_SUFFIXES
    dtype: ClassVar[type] = np.float32

    @property
    def shape(self) -> tuple[int, ...]:
        """(S, C)."""
        return self.num_samples, self.channels

    @property
    def smallest_shape(self) -> tuple[int, ...]:
        """(S, C)."""
        return self.step if self.own_length else self.num_samples, self.channels

    @property
    def has_clips(self) -> bool:
        """See `Reader`: yes."""
        return True

    def decode(self, source: PathOrBytes) -> np.ndarray:
        """See `Reader`."""
        return self.clips(source, 1)[0]

    def clips(self, source: PathOrBytes, count: int) -> np.ndarray:
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

    def decode_whole(self, source: PathOrBytes) -> np.ndarray | LazyArray:
        """See `Reader`: cut, or filled with silence, to a multiple of `step` samples."""
        stated = round(sound.length(source) * self.rate)
        if stated * self.nbytes > MAX_DECODED_BYTES * self.num_samples:
            stated = max(1, stated // self.step) * self.step
            return sound.LazySound(
                source, num_samples=stated, rate=self.rate, channels=self.channels
            )
        wave = self._wave(source)
        length = max(1, len(wave) // self.step) * self.step
        return np.pad(wave[:length], ((0, length - len(wave[:length])), (0, 0)))

    def _wave(self, source: PathOrBytes) -> np.ndarray:
        return sound.decode(source, rate=self.rate, channels=self.channels)
