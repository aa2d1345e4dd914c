"""Sizes of prepared examples, and streams of those that are too large for one piece."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..core import Inputs
from .adapter import Adapter
from .files import LazyArray
from .fusion.adapter import FusionAdapter
from .fusion.presence import PRESENT
from .fusion.reader import FusionReader
from .reader import Reader

Progress = Callable[[float], None]
"""A function that is called with the completed fraction."""


def num_elements(example: Any, reader: Reader, adapter: Adapter) -> int:
    """Estimate the number of elements M of a prepared example of any size.

    Args:
        example: an array or `LazyArray`, or a dictionary of them by modality.
        reader: the reader that prepared it.
        adapter: the adapter that takes it.
    """
    if isinstance(reader, FusionReader) and isinstance(adapter, FusionAdapter):
        parts: dict[str, Any] = dict(adapter.parts.items())
        return sum(
            num_elements(example[name], part, parts[name])
            for name, part in reader.parts.items()
            if example.get(f"{name}{PRESENT}", True)
        )
    return math.ceil(example.nbytes / reader.nbytes * adapter.num_inputs)


def is_lazy(example: Any) -> bool:
    """Return whether an example, or one of its parts, is decoded only while it is read."""
    parts = example.values() if isinstance(example, dict) else [example]
    return any(isinstance(part, LazyArray) for part in parts)


class ProgressStream:
    """A stream of elements that reports the completed fraction of all passes over it.

    Args:
        stream: the stream, which can be read several times.
        total: number of elements of all passes together.
        report: function that is called with the fraction after each chunk; None: none.
    """

    def __init__(self, stream: Iterable[Inputs], total: int, report: Progress | None) -> None:
        self.stream, self.total, self.report, self.completed = stream, total, report, 0

    def __iter__(self) -> Iterator[Inputs]:
        for part in self.stream:
            yield part
            self.completed += part.content.shape[1]
            if self.report:
                self.report(min(1.0, self.completed / self.total))
