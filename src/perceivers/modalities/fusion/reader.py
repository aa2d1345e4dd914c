"""The reader of files that hold several modalities."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor
from typing_extensions import override

from ..files import PathOrBytes
from ..media import NoTrack
from ..reader import ArrayReader, Reader
from ..sound.reader import SoundReader
from ..video.reader import VideoReader
from .presence import PRESENT, batch_parts, part_lengths


@dataclass(frozen=True)
class FusionReader(Reader):
    """Read the sound and pictures of one file as a dictionary with an example of each part.

    A part "audio" has two entries: the example "audio", and "audio.present", which is False if the
    file has no such track; "audio" is all zeros then. Each part is taken around the middle of its
    own track, so sound and pictures belong together if the tracks are equally long.
    """

    parts: Mapping[str, SoundReader | VideoReader]
    """The reader of each part by its name."""

    @property
    @override
    def noun(self) -> str:
        return "videos with sound"

    @property
    @override
    def suffixes(self) -> frozenset[str]:
        """Suffixes of the files of all parts, also of files that hold only one modality."""
        return frozenset().union(*(part.suffixes for part in self.parts.values()))

    @property
    @override
    def nbytes(self) -> int:
        return sum(part.nbytes + 1 for part in self.parts.values())

    @override
    def decode(self, source: PathOrBytes) -> dict[str, np.ndarray]:
        """Decode each part of a file.

        Args:
            source: a path, or the bytes of a file.

        Raises:
            ValueError: the file cannot be read, or has the track of no part.
        """
        return self._read_parts(lambda part: part.decode(source), ())

    @override
    def decode_whole(self, source: PathOrBytes) -> dict[str, Any]:
        """Decode all of each part of a file, as an array or, if it is long, a `LazyArray`."""
        return self._read_parts(lambda part: part.decode_whole(source), ())

    @property
    @override
    def has_clips(self) -> bool:
        """Whether all parts have clips."""
        return all(part.has_clips for part in self.parts.values())

    @override
    def clips(self, source: PathOrBytes, count: int) -> dict[str, np.ndarray]:
        return self._read_parts(lambda part: part.clips(source, count), (count,))

    @override
    def batch(self, examples: dict[str, Tensor]) -> dict[str, Tensor]:
        return batch_parts(self.parts, examples)

    @override
    def lengths(self, examples: dict[str, Any]) -> Tensor | None:
        return part_lengths(self.parts, examples)

    def _read_parts(
        self, read: Callable[[ArrayReader], Any], leading_shape: tuple[int, ...]
    ) -> dict[str, Any]:
        """Read each part of a file.

        Args:
            read: reads a part with its reader.
            leading_shape: axes of what `read` returns before those of an example.
        """
        example: dict[str, Any] = {}
        reasons = []
        for name, part in self.parts.items():
            present = True
            try:
                example[name] = read(part)
            except NoTrack as error:
                reasons.append(str(error))
                present = False
                example[name] = np.zeros((*leading_shape, *part.smallest_shape), part.dtype)
            example[f"{name}{PRESENT}"] = np.full(leading_shape, present)
        if len(reasons) == len(self.parts):
            raise ValueError("; ".join(reasons))
        return example
