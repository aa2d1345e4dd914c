"""The reader of videos, which decodes files into examples."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from ..files import MAX_DECODED_BYTES, LazyArray, PathOrBytes
from ..reader import ArrayReader, all_same, exceeds
from . import decode as video

MAX_PIXEL = 8.0  # of floats; pixels that were normalised reach about 3

# T frames · H height · W width · C channels


@dataclass(frozen=True)
class VideoReader(ArrayReader):
    """Decodes videos to uint8 (T, H, W, C); see `video.decode`.

    A video read whole has num_frames / seconds frames per second, or all its own frames if
    `seconds` is None; it is cut to a multiple of `step` frames. With `own_length`, a video shorter
    than `seconds` is always read whole.

    Raises:
        ValueError: `own_length` is set without `seconds`.
    """

    num_frames: int
    """T of an example."""
    size: int
    """Height and width in pixels."""
    channels: int
    """C: 1 (grey) or 3 (RGB)."""
    seconds: float | None = None
    """Length of the middle part over which the frames are spread; None: the whole video."""
    step: int = 1
    """Frames from one patch of the model to the next."""
    own_length: bool = False
    """Read fewer frames from shorter videos; False: repeat the last frame."""
    value_range: tuple[float, ...] | None = None
    """Values of grey frames of more than 8 bits that become 0 and 255; None: 0 and 65,535."""

    noun: ClassVar[str] = "videos"
    suffixes: ClassVar[frozenset[str]] = video.SUFFIXES
    dtype: ClassVar[type] = np.uint8
    constant: ClassVar[str] = "the same in all frames"

    def __post_init__(self) -> None:
        if self.own_length and self.seconds is None:
            raise ValueError(
                "own_length=True with seconds=None; set seconds, the length in seconds over which "
                f"{self.num_frames} frames are spread"
            )

    @property
    @override
    def shape(self) -> tuple[int, ...]:
        return self.num_frames, self.size, self.size, self.channels

    @property
    @override
    def smallest_shape(self) -> tuple[int, ...]:
        return self.step if self.own_length else self.num_frames, *self.shape[1:]

    @override
    def is_constant(self, example: np.ndarray) -> bool:
        return all_same(example, axes=1 if len(example) > 1 else 3)

    @override
    def doubt(self, example: np.ndarray) -> str | None:
        if not exceeds(example, MAX_PIXEL):
            return None
        return (
            "has floating-point pixels far above 1, which are taken as they are; give uint8 from "
            "0 to 255, or floats from 0 to 1"
        )

    @property
    @override
    def has_clips(self) -> bool:
        return self.seconds is not None

    @override
    def decode(self, source: PathOrBytes) -> np.ndarray:
        if self.seconds is None:
            return video.decode(
                source,
                num_frames=self.num_frames,
                size=self.size,
                channels=self.channels,
                value_range=self.value_range,
            )
        return self.clips(source, 1)[0]

    @override
    def clips(self, source: PathOrBytes, count: int) -> np.ndarray:
        if self.seconds is None:
            raise ValueError(
                "an example is a whole video, not a clip; set model.input.seconds, the length of a "
                "clip in seconds"
            )
        if self.own_length and video.probe(source).seconds < self.seconds:
            return np.stack([self.decode_whole(source)[:]] * count)
        return video.clips(
            source,
            count=count,
            num_frames=self.num_frames,
            size=self.size,
            seconds=self.seconds,
            channels=self.channels,
            value_range=self.value_range,
        )

    @override
    def decode_whole(self, source: PathOrBytes) -> np.ndarray | LazyArray:
        """Decode all of a video at its own length; frames have the model's size.

        Args:
            source: a path, or the file's bytes.

        Returns:
            uint8 (T, H, W, C), T a multiple of `step`; a `LazyArray` if it is too large for memory.

        Raises:
            ValueError: the file cannot be decoded; the message does not name it.
        """
        info = video.probe(source)
        rate = info.rate if self.seconds is None else self.num_frames / self.seconds
        frames = max(1, round(info.seconds * rate) // self.step) * self.step
        lazy = video.LazyVideo(
            source,
            num_frames=frames,
            rate=rate,
            size=self.size,
            channels=self.channels,
            value_range=self.value_range,
        )
        return lazy if lazy.nbytes > MAX_DECODED_BYTES else lazy[:]
