"""A file of any modality → an example of the shape that a model takes; examples → a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from . import images, points, sound, text
from .source import Source

# H height · W width · C channels · S samples · M points · L bytes


class Reader(Protocol):
    """What knows the files of a modality."""

    noun: ClassVar[str]
    """What the files are called, in the plural."""
    suffixes: ClassVar[frozenset[str]]
    """Endings of file names, in small letters with their dot."""
    dtype: ClassVar[type]
    """NumPy's type of the numbers of an example."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every example."""

    def decode(self, source: Source) -> np.ndarray:
        """A file → an example of `shape`; ValueError, which does not name it, if it cannot be."""

    def decode_whole(self, source: Source) -> np.ndarray:
        """All of a file, in its own size; errors as of `decode`."""

    def batch(self, examples: Tensor) -> Tensor:
        """Examples side by side (B, …) → the model's raw batch."""


@dataclass(frozen=True)
class ImageReader:
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

    def batch(self, examples: Tensor) -> Tensor:
        """See `Reader`."""
        return examples


@dataclass(frozen=True)
class SoundReader:
    """Waveforms, float32 (S, C), resampled; see `sound.decode`.

    The middle of a longer one is kept; a shorter one lies in the middle of silence.
    """

    num_samples: int
    rate: int
    channels: int
    step: int = 1

    noun: ClassVar[str] = "sound files"
    suffixes: ClassVar[frozenset[str]] = frozenset(
        {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aiff", ".wma"}
    )
    dtype: ClassVar[type] = np.float32

    @property
    def shape(self) -> tuple[int, ...]:
        """(S, C)."""
        return self.num_samples, self.channels

    def decode(self, source: Source) -> np.ndarray:
        """See `Reader`."""
        wave = self._wave(source)
        before = (self.num_samples - len(wave)) // 2
        if before < 0:
            return wave[-before : self.num_samples - before]
        after = self.num_samples - len(wave) - before
        return np.pad(wave, ((before, after), (0, 0)))

    def decode_whole(self, source: Source) -> np.ndarray:
        """See `Reader`: cut, or filled with silence, to a multiple of `step` samples."""
        wave = self._wave(source)
        length = max(1, len(wave) // self.step) * self.step
        return np.pad(wave[:length], ((0, length - len(wave[:length])), (0, 0)))

    def _wave(self, source: Source) -> np.ndarray:
        return sound.decode(source, rate=self.rate, channels=self.channels)

    def batch(self, examples: Tensor) -> Tensor:
        """See `Reader`."""
        return examples


@dataclass(frozen=True)
class PointReader:
    """Point clouds, float32 (M, C), centred and scaled; see `points.decode`.

    Of more points a random part is taken, always the same of a file; of fewer, all are given again
    and again until there are enough.
    """

    num_points: int
    channels: int

    noun: ClassVar[str] = "point clouds"
    suffixes: ClassVar[frozenset[str]] = points.POINT_SUFFIXES
    dtype: ClassVar[type] = np.float32

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, C)."""
        return self.num_points, self.channels

    def decode(self, source: Source) -> np.ndarray:
        """See `Reader`."""
        cloud = points.decode(
            source, num_points=self.num_points, channels=self.channels, normalise=True
        )
        return np.resize(cloud, self.shape)

    def decode_whole(self, source: Source) -> np.ndarray:
        """See `Reader`."""
        return points.decode(source, channels=self.channels, normalise=True)

    def batch(self, examples: Tensor) -> Tensor:
        """See `Reader`."""
        return examples


@dataclass(frozen=True)
class TextReader:
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


def stack(reader: Reader, sources: Sequence[Any]) -> Tensor:
    """Files → the raw batch of a model."""
    return reader.batch(torch.from_numpy(np.stack([reader.decode(source) for source in sources])))
