"""The reader of sound: it decodes files to examples of the shape that a model takes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from ..files import MAX_DECODED_BYTES, LazyArray, PathOrBytes
from ..media import VIDEO_SUFFIXES
from ..reader import ArrayReader, exceeds
from . import decode as sound

# S samples · C channels · K clips

SOUND_SUFFIXES = frozenset(
    {".wav", ".wave", ".w64", ".flac", ".mp3", ".mp2", ".ogg", ".oga", ".opus", ".spx", ".m4a"}
    | {".m4b", ".aac", ".ac3", ".aiff", ".aif", ".aifc", ".wma", ".au", ".snd", ".amr", ".caf"}
    | {".mka", ".weba", ".wv", ".ape", ".tta"}
)
# Seconds. A sound that is longer than this and an example together is not decoded whole; its clips
# are found by seeking.
MIN_SEEK_LENGTH = 60.0
MAX_SECONDS = 100 * 3600.0  # of a sound that is read in parts; more are not believed


@dataclass(frozen=True)
class SoundReader(ArrayReader):
    """Decode sound files, and the sound of videos, to resampled waveforms float32 (S, C).

    A longer sound is cut to its middle. A shorter one is padded with silence on both sides or, with
    `own_length`, cut to as many whole steps as it has; if it has less than one step, it is padded
    to one. Clips are evenly spread over a file: the first one starts where the sound starts, the
    last one ends where it ends. A file that is decoded whole is cut or padded at its end to whole
    steps. See `perceivers.modalities.sound.decode`.

    Args:
        num_samples: S; with `own_length`, the most that an example has.
        rate: samples per second.
        channels: C, 1 or 2.
        step: samples per step of the model, the hop from one patch to the next.
        own_length: give each file as many samples as it has, up to `num_samples`.
    """

    num_samples: int
    rate: int
    channels: int
    step: int = 1
    own_length: bool = False

    noun: ClassVar[str] = "sound files"
    suffixes: ClassVar[frozenset[str]] = SOUND_SUFFIXES | VIDEO_SUFFIXES
    dtype: ClassVar[type] = np.float32
    constant: ClassVar[str] = "silent"

    @property
    @override
    def shape(self) -> tuple[int, ...]:
        return self.num_samples, self.channels

    @property
    @override
    def smallest_shape(self) -> tuple[int, ...]:
        return self.step if self.own_length else self.num_samples, self.channels

    @property
    @override
    def has_clips(self) -> bool:
        return True

    @override
    def doubt(self, example: np.ndarray) -> str | None:
        if not exceeds(example, sound.NOT_SAMPLES):
            return None
        return (
            "has samples far outside [-1, 1], which are taken as they are; divide them by their "
            "full scale, such as 32,768"
        )

    @override
    def decode(self, source: PathOrBytes) -> np.ndarray:
        return self.clips(source, 1)[0]

    @override
    def clips(self, source: PathOrBytes, count: int) -> np.ndarray:
        if sound.length(source) > MIN_SEEK_LENGTH + self.num_samples / self.rate:
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
            length = min(length, self._whole_steps(len(wave)))
        spare = len(wave) - length
        if spare < 0:
            before = -spare // 2
            wave, spare = np.pad(wave, ((before, -spare - before), (0, 0))), 0
        starts = np.linspace(0, spare, count).astype(int) if count > 1 else [spare // 2]
        return np.stack([wave[start : start + length] for start in starts])

    @override
    def decode_whole(self, source: PathOrBytes) -> np.ndarray | LazyArray:
        seconds = sound.length(source)
        if seconds > MAX_SECONDS:
            raise ValueError(f"damaged sound: it states a length of {seconds:,.0f} seconds")
        num_samples = round(seconds * self.rate)
        # `nbytes` is the size of an example of `self.num_samples`.
        if num_samples * self.nbytes > MAX_DECODED_BYTES * self.num_samples:
            return sound.LazySound(
                source,
                num_samples=self._whole_steps(num_samples),
                rate=self.rate,
                channels=self.channels,
            )
        wave = self._wave(source)
        length = self._whole_steps(len(wave))
        wave = wave[:length]
        return np.pad(wave, ((0, length - len(wave)), (0, 0)))

    def _whole_steps(self, num_samples: int) -> int:
        """Round a number of samples down to whole steps, but to one step at least."""
        return max(1, num_samples // self.step) * self.step

    def _wave(self, source: PathOrBytes) -> np.ndarray:
        return sound.decode(source, rate=self.rate, channels=self.channels)
