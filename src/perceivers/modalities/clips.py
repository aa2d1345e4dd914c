"""Several clips of each file, to average predictions over."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .files import PathOrBytes
from .reader import Example, Examples, Reader

# K clips


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

    def decode(self, source: PathOrBytes) -> Example:
        """See `Reader`: (K, …)."""
        return self.reader.clips(source, self.count)

    def decode_whole(self, source: PathOrBytes) -> Example:
        """See `Reader`: a whole one has no clips."""
        raise ValueError("a whole file has no clips; leave out own_size or clips")

    @property
    def has_clips(self) -> bool:
        """See `Reader`."""
        return self.reader.has_clips

    def clips(self, source: PathOrBytes, count: int) -> Example:
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


def with_clips(reader: Reader, count: int) -> Reader:
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
