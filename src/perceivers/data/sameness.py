"""Examples that tell a model nothing: constant ones, and those that are read as the same."""

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..modalities.clips import without_clips
from ..modalities.fusion.presence import PRESENT
from ..modalities.fusion.rows import Row, RowReader, array_readers
from ..modalities.reader import Example, Reader, all_same
from .identity import HASH_BYTES, identify

log = logging.getLogger(__name__)

MIN_SHARE = 0.1  # of a split; fewer examples that are read as others are may be so by chance
MIN_SAME = 3
MAX_EXAMINED = 100_000  # examples of a split, which take about 20 MB
MIN_ELEMENTS = 16  # of an array that is not constant by chance
MAX_NAMED = 3  # examples that a line names

Source = tuple[str, Any]  # name for messages; what is decoded: a path, bytes or a table row


class Sameness:
    """Collects which examples are constant, and which are read as the same array as others.

    Examples may be added by several threads, each once or more often. Only the first
    `MAX_EXAMINED` are examined.

    Args:
        reader: the reader that decodes them.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = without_clips(reader)
        self._readers = array_readers(self._reader)
        self._hashes: dict[str, dict[int, bytes]] = {part: {} for part in self._readers}
        self._constant: dict[str, set[int]] = {part: set() for part in self._readers}

    def add(self, file: int, example: Example) -> None:
        """Add an example.

        Args:
            file: index of its file.
            example: the example, one clip of its file.
        """
        parts = example if isinstance(example, dict) else {"": example}
        for part, reader in self._readers.items():
            absent = not np.all(parts.get(f"{part}{PRESENT}", True))
            if absent or len(self._hashes[part]) >= MAX_EXAMINED:
                continue
            array = np.asarray(parts[part])
            digest = hashlib.sha256(array.tobytes()).digest()[:HASH_BYTES]
            constant = reader.is_constant(array)
            self._hashes[part][file] = digest
            if constant:
                self._constant[part].add(file)

    def report(self, split: str, source_of: Callable[[int], Source]) -> None:
        """Log how many examples are constant, and how many differ in their files alone.

        Args:
            split: name of their split.
            source_of: returns the source of a file by its index.
        """
        for part, reader in self._readers.items():
            begin = f"{split}, {part}" if part else split
            total = len(self._hashes[part])
            if constant := sorted(self._constant[part]):
                log.warning(
                    "%s: %d of %d %s %s %s once read: %s",
                    begin,
                    len(constant),
                    total,
                    reader.noun,
                    "is" if len(constant) == 1 else "are",
                    reader.constant,
                    _few(source_of(file)[0] for file in constant),
                )
            if same := self._same(part, source_of):
                log.warning(
                    "%s: %d of %d %s are the same as others once read, although their files "
                    "differ%s: %s",
                    begin,
                    len(same),
                    total,
                    reader.noun,
                    "" if part else ", so no model can tell them apart",
                    _few(source_of(file)[0] for file in same),
                )

    def _same(self, part: str, source_of: Callable[[int], Source]) -> list[int]:
        """Return the files whose examples are the same as those of files of another content."""
        hashes = self._hashes[part]
        groups: dict[bytes, list[int]] = {}
        for file, digest in hashes.items():
            groups.setdefault(digest, []).append(file)
        several = [sorted(files) for files in groups.values() if len(files) > 1]
        if not _many(sum(map(len, several)), len(hashes)):
            return []  # so that no file is read again
        differing = [
            file
            for files in several
            if len({self._content(part, source_of(file)) for file in files}) > 1
            for file in files
        ]
        return differing if _many(len(differing), len(hashes)) else []

    def _content(self, part: str, source: Source) -> str:
        """Return a hash of what a part of an example is decoded from."""
        name, content = source
        if isinstance(content, Row) and isinstance(self._reader, RowReader):
            column = self._reader.files.get(part)
            if column is None:
                return str(content.cells.get(self._reader.texts[part]))
            content = content.folder / str(content.cells.get(column))
        return identify(name, content).content


def report_items(name: str, contents: Sequence[str], constant: Sequence[int]) -> None:
    """Log how many items of a torch dataset are constant, and whether most are the same.

    Args:
        name: name of the dataset.
        contents: hash of each item.
        constant: indices of the items whose elements are all the same.
    """
    total = len(contents)
    if constant:
        log.warning(
            "%s: all elements of %d of %d examples are the same: %s",
            name,
            len(constant),
            total,
            _few(f"{name}[{index}]" for index in constant),
        )
    # Items that are repeated on purpose, to balance classes, are fewer.
    common, count = Counter(contents).most_common(1)[0]
    if common and count >= max(MIN_SAME, total / 2):
        same = (f"{name}[{index}]" for index, content in enumerate(contents) if content == common)
        log.warning("%s: %d of %d examples are the same: %s", name, count, total, _few(same))


def is_constant_item(example: Any) -> bool:
    """Return whether all elements of an example that is an array (…, channels) are the same.

    Vectors and small arrays may be so by chance.

    Args:
        example: an array or a tensor, or anything else.
    """
    shape = getattr(example, "shape", ())
    if len(shape) < 2 or math.prod(shape[:-1]) < MIN_ELEMENTS:
        return False
    return all_same(np.asarray(example), axes=len(shape) - 1)


def _many(count: int, total: int) -> bool:
    return count >= max(MIN_SAME, MIN_SHARE * total)


def _few(names: Iterator[str]) -> str:
    each = list(names)
    return ", ".join(each[:MAX_NAMED]) + (", …" if len(each) > MAX_NAMED else "")
