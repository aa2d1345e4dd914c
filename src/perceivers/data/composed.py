"""Readers made of readers: several modalities of one file, and several clips of one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .clip_readers import SoundReader, VideoReader
from .media import NoTrack
from .reader import ArrayReader, Example, Examples, Reader
from .source import Source

# T frames · S samples · K clips

THERE = ".there"
"""After the name of a modality: which examples of a batch have it, boolean (B,)."""


@dataclass(frozen=True)
class FusionReader:
    """Sound and pictures of one file: a dictionary of what each part's reader makes of it.

    A part "audio" gives the two entries "audio" and "audio.there", which is False, and "audio"
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

    def decode(self, source: Source) -> dict[str, np.ndarray]:
        """See `Reader`.

        Raises:
            ValueError: also if the file has none of the modalities.
        """
        return self._each(lambda part: part.decode(source), ())

    def decode_whole(self, source: Source) -> dict[str, Any]:
        """See `Reader`: each part by itself, held or `Unread`."""
        return self._each(lambda part: part.decode_whole(source), ())

    @property
    def has_clips(self) -> bool:
        """See `Reader`: if all parts have."""
        return all(part.has_clips for part in self.parts.values())

    def clips(self, source: Source, count: int) -> dict[str, np.ndarray]:
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
                example[name] = np.zeros((*before, *part.least), part.dtype)
            example[f"{name}{THERE}"] = np.full(before, there)
        if len(reasons) == len(self.parts):
            raise ValueError("; ".join(reasons))
        return example


def batch_parts(parts: Mapping[str, Any], examples: Mapping[str, Any]) -> dict[str, Any]:
    """Each part's batch as its reader makes it; what all examples have is not said of each."""
    return {
        name: parts[name].batch(x) if name in parts else x
        for name, x in examples.items()
        if not (name.endswith(THERE) and bool(x.all()))
    }


def part_lengths(parts: Mapping[str, Any], examples: Mapping[str, Any]) -> Tensor | None:
    """Of each example the shares of all parts that vary, averaged; None: none does."""
    found = [part.lengths(examples[name]) for name, part in parts.items()]
    varying = [lengths for lengths in found if lengths is not None]
    return torch.stack(varying).mean(0) if varying else None


@dataclass(frozen=True)
class ClipReader:
    """Several clips of each file, evenly spread over it, to average a model's predictions over.

    A batch of B files is one of B·`count` examples, the clips of a file one after another.
    """

    reader: Reader
    count: int

    @property
    def noun(self) -> str:
        """See `Reader`."""
        return self.reader.noun

    @property
    def suffixes(self) -> frozenset[str]:
        """See `Reader`."""
        return self.reader.suffixes

    @property
    def nbytes(self) -> int:
        """See `Reader`."""
        return self.count * self.reader.nbytes

    def decode(self, source: Source) -> Example:
        """See `Reader`: (K, …)."""
        return self.reader.clips(source, self.count)

    def decode_whole(self, source: Source) -> Example:
        """See `Reader`: a whole one has no clips."""
        raise ValueError("a whole file has no clips; leave out own_size or clips")

    @property
    def has_clips(self) -> bool:
        """See `Reader`."""
        return self.reader.has_clips

    def clips(self, source: Source, count: int) -> Example:
        """See `Reader`."""
        return self.reader.clips(source, count)

    def batch(self, examples: Examples) -> Any:
        """See `Reader`: (B, K, …) → a batch of B·K."""
        if isinstance(examples, dict):
            return self.reader.batch({name: _in_a_row(x) for name, x in examples.items()})
        return self.reader.batch(_in_a_row(examples))

    def lengths(self, examples: Examples) -> Tensor | None:
        """See `Reader`: it is only for looking, where order does not matter."""
        return None


def _in_a_row(clips: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
    """Clips of each example, (K, …), one example after another."""
    if isinstance(clips, Tensor):
        return clips.flatten(0, 1)
    return [clip for of_one in clips for clip in of_one]


def in_clips(reader: Reader, count: int) -> Reader:
    """The reader itself for a single clip, the middle; else one of `count` clips a file.

    Raises:
        ValueError: fewer than one, or several of what has none.
    """
    if count < 1:
        raise ValueError(f"clips={count}; expected at least 1")
    if count > 1 and not reader.has_clips:
        raise ValueError(
            f"clips={count}, but this model reads {reader.noun} as a whole; leave clips out (sound "
            "has clips, and videos of a model that was trained with a length in seconds, "
            "model.input.seconds)"
        )
    return reader if count == 1 else ClipReader(reader, count)


def without_clips(reader: Reader) -> Reader:
    """What `in_clips` was given."""
    return reader.reader if isinstance(reader, ClipReader) else reader


def missing(examples: Examples) -> str:
    """How many examples lack which modality, in words; empty if none lacks any."""
    if not isinstance(examples, dict):
        return ""
    flags = {
        name: x.flatten(1).all(1) if x.ndim > 1 else x
        for name, x in examples.items()
        if isinstance(x, Tensor)
    }
    lacking = {
        name.removesuffix(THERE): f"{int((~there).sum()):,} of {len(there):,}"
        for name, there in flags.items()
        if name.endswith(THERE) and not bool(there.all())
    }
    return ", ".join(f"{count} have no {name}" for name, count in lacking.items())
