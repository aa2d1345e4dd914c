"""What decoders have to say about files that they can read: collected, counted and said once.

Imports no torch.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

log = logging.getLogger(__name__)

_local = threading.local()
_said: set[str] = set()


def notice(text: str) -> None:
    """Say something about the file that is being decoded.

    Inside `collecting`, the text is collected; elsewhere it is logged, once in each process.

    Args:
        text: a sentence without its subject, the same for all files that it is said of, such as
            "is an animation, of which only the first frame is read".
    """
    found: list[str] | None = getattr(_local, "found", None)
    if found is not None:
        found += [text] * (text not in found)
    elif text not in _said:
        _said.add(text)
        log.warning("a file %s", text)


@contextmanager
def collecting() -> Iterator[list[str]]:
    """Collect the notices of this thread while a file is decoded."""
    before = getattr(_local, "found", None)
    found: list[str] = []
    _local.found = found
    try:
        yield found
    finally:
        _local.found = before


class Notices:
    """Notices about the files of a set, by text; each text is logged with the number of files."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}
        self._said: set[str] = set()

    def add(self, name: str, texts: list[str]) -> None:
        """Add the notices about a file.

        Args:
            name: name of the file.
            texts: the notices.
        """
        for text in texts:
            self._files.setdefault(text, []).append(name)

    def take(self) -> dict[str, list[str]]:
        """Return the names of the files that each text is said of, and forget them."""
        files, self._files = self._files, {}
        return files

    def merge(self, files: Mapping[str, Sequence[str]]) -> None:
        """Add what `take` returned in another process, without texts that are logged already."""
        for text, names in files.items():
            if text not in self._said:
                self._files.setdefault(text, []).extend(names)

    def log_first(self) -> None:
        """Log each text that is new, with the first file it is said of, and forget the files."""
        for text, names in self.take().items():
            if text not in self._said:
                self._said.add(text)
                log.warning("%s %s (said of the first such file only)", names[0], text)

    def log_counts(self, total: int, noun: str) -> None:
        """Log how many files each text is said of, and forget them.

        Args:
            total: number of all files.
            noun: what they are called, in the plural.
        """
        for text, names in self._files.items():
            log.warning("of %d of %d %s, each %s: %s", len(names), total, noun, text, _few(names))
        self._said |= set(self._files)
        self._files.clear()


def _few(names: list[str]) -> str:
    """Join the first three names, with an ellipsis if there are more."""
    return ", ".join(sorted(names)[:3]) + (", …" if len(names) > 3 else "")
