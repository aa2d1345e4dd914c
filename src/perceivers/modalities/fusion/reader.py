"""The reader of files that hold several modalities."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ..files import PathOrBytes
from ..media import NoTrack
from ..reader import ArrayReader
from ..sound.reader import SoundReader
from ..video.reader import VideoReader
from .presence import PRESENT, batch_parts, part_lengths

# T frames · S samples · K clips


@dataclass(frozen=True)
class FusionReader:
    """Sound and pictures of one file: a dictionary of what each part's reader makes of it.

    A part "audio" gives the two entries "audio" and "audio.present", which is False, and "audio"
    all zeros, where the file has no such track. Both parts of a file are taken about its middle,
    so that they belong together if its tracks are equally long.
    """

    parts: Mapping[str, SoundReader | VideoReader]

    @property
    def noun(self) -> str:
        """See `Reader`."""
        return "videos with sound"

    @property
    def suffixes(self) -> frozenset[str]:
        """See `Reader`: also files of one modality alone."""
        return frozenset().union(*(part.suffixes for part in self.parts.values()))

    @property
    def nbytes(self) -> int:
        """See `Reader`."""
        return sum(part.nbytes + 1 for part in self.parts.values())

    def decode(self, source: PathOrBytes) -> dict[str, np.ndarray]:
        """See `Reader`.

        Raises:
            ValueError: also if the file has none of the modalities.
        """
        return self._each(lambda part: part.decode(source), ())

    def decode_whole(self, source: PathOrBytes) -> dict[str, Any]:
        """See `Reader`: each part by itself, held or `LazyArray`."""
        return self._each(lambda part: part.decode_whole(source), ())

    @property
    def has_clips(self) -> bool:
        """See `Reader`: if all parts have."""
        return all(part.has_clips for part in self.parts.values())

    def clips(self, source: PathOrBytes, count: int) -> dict[str, np.ndarray]:
        """See `Reader`."""
        return self._each(lambda part: part.clips(source, count), (count,))

    def batch(self, examples: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `batch_parts`."""
        return batch_parts(self.parts, examples)

    def lengths(self, examples: dict[str, Any]) -> Tensor | None:
        """See `part_lengths`."""
        return part_lengths(self.parts, examples)

    def _each(self, read: Callable[[ArrayReader], Any], before: tuple[int, ...]) -> dict[str, Any]:
        """What `read` makes of a file by each part; `before`: axes ahead of those of an example."""
        example: dict[str, Any] = {}
        reasons = []
        for name, part in self.parts.items():
            there = True
            try:
                example[name] = read(part)
            except NoTrack as error:
                reasons.append(str(error))
                there = False
                example[name] = np.zeros((*before, *part.smallest_shape), part.dtype)
            example[f"{name}{PRESENT}"] = np.full(before, there)
        if len(reasons) == len(self.parts):
            raise ValueError("; ".join(reasons))
        return example
