"""Several clips of each file, to average predictions over."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from typing_extensions import override

from .files import PathOrBytes
from .reader import Example, Examples, Reader

# B files · K clips


@dataclass(frozen=True)
class ClipReader(Reader):
    """Decodes several clips of each file, evenly spread over it, to average predictions over.

    A batch of B files holds B·K examples; the clips of a file follow one another.
    """

    reader: Reader
    """The reader of single clips."""
    count: int
    """K, number of clips per file."""

    @property
    @override
    def noun(self) -> str:
        return self.reader.noun

    @property
    @override
    def suffixes(self) -> frozenset[str]:
        return self.reader.suffixes

    @property
    @override
    def nbytes(self) -> int:
        return self.count * self.reader.nbytes

    @property
    @override
    def has_clips(self) -> bool:
        return self.reader.has_clips

    @override
    def decode(self, source: PathOrBytes) -> Example:
        """Decode the clips of a file, (K, …); arguments and errors are those of `Reader.decode`."""
        return self.reader.clips(source, self.count)

    @override
    def decode_whole(self, source: PathOrBytes) -> Example:
        """Raise a ValueError: clips and whole files exclude each other."""
        raise ValueError("a whole file has no clips; leave out own_size or clips")

    @override
    def clips(self, source: PathOrBytes, count: int) -> Example:
        return self.reader.clips(source, count)

    @override
    def batch(self, examples: Examples) -> Any:
        """Turn examples of clips (B, K, …) into a raw batch of B·K examples."""
        if isinstance(examples, dict):
            return self.reader.batch({name: _flatten(x) for name, x in examples.items()})
        return self.reader.batch(_flatten(examples))

    @override
    def lengths(self, examples: Examples) -> Tensor | None:
        """Return None: clips are not used in training, so they need not be sorted by length."""
        return None


def _flatten(clips: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
    """Flatten the clips of all examples, (B, K, …), into one batch or list of B·K."""
    if isinstance(clips, Tensor):
        return clips.flatten(0, 1)
    return [clip for example in clips for clip in example]


def with_clips(reader: Reader, count: int) -> Reader:
    """Return a reader of `count` clips per file.

    Args:
        reader: a reader of single clips.
        count: clips per file; 1: the reader itself, which decodes the middle of a file.

    Raises:
        ValueError: `count` is below 1, or it is above 1 and the files have no clips.
    """
    if count < 1:
        raise ValueError(f"clips={count}; expected at least 1")
    if count > 1 and not reader.has_clips:
        raise ValueError(
            f"clips={count}, but this model reads {reader.noun} as a whole; leave clips out (only "
            "sound has clips, and videos of a model that was trained with a length in seconds, "
            "model.input.seconds)"
        )
    return reader if count == 1 else ClipReader(reader, count)


def without_clips(reader: Reader) -> Reader:
    """Return the reader inside a `ClipReader`; any other reader is returned unchanged."""
    return reader.reader if isinstance(reader, ClipReader) else reader
