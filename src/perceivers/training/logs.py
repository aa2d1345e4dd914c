"""The log file of a run. Imports no torch."""

import logging
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from typing_extensions import override

from ..printing import LineFormatter

PACKAGE = __name__.partition(".")[0]


class Remembered(logging.Handler):
    """Handler that keeps the log lines of this package until a log file can be opened for them."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def lines(self) -> list[str]:
        """Return the different lines in the order in which they first came."""
        return list(dict.fromkeys(record.getMessage() for record in self.records))


class _LogFile(logging.FileHandler):
    """Log file without which a run goes on if it can no longer be written."""

    failed = False

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self.failed:
            self.failed = True
            print(f"could not write {self.baseFilename}: {error.strerror}", file=sys.stderr)

    @override
    def close(self) -> None:
        with suppress(OSError):
            super().close()


@contextmanager
def remembered_log() -> Iterator[Remembered]:
    """Collect this package's log lines, from level INFO, as notes for `log_file`."""
    handler = Remembered()
    with _listening(handler):
        yield handler


FOUND = "found: "  # what begins a line about the data that a recipe was chosen for


def news(lines: Iterable[str], said: Collection[str]) -> list[str]:
    """Return the lines that say something new.

    Args:
        lines: lines about data, of which some begin with the name of a file.
        said: lines before them, of which some begin with `FOUND` instead.
    """
    found = [f": {line.removeprefix(FOUND)}" for line in said if line.startswith(FOUND)]
    return [line for line in lines if line not in said and not line.endswith(tuple(found))]


@contextmanager
def without_findings(lines: Sequence[str]) -> Iterator[None]:
    """Keep what was found in the data from being printed again by what reads it.

    Files such as `log.txt` are not affected.

    Args:
        lines: lines that are printed otherwise, of which some begin with `FOUND`.
    """
    found = [line for line in lines if line.startswith(FOUND)]

    def is_new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return text in found or bool(news([text], found))

    handlers = [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler)]
    for handler in handlers:
        handler.addFilter(is_new)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(is_new)


@contextmanager
def log_file(run_dir: Path, notes: Sequence[str] = ()) -> Iterator[Callable[[str], None]]:
    """Append this package's log lines, from level INFO, to `log.txt` in the run directory.

    An error that ends the context is written too.

    Args:
        run_dir: existing run directory.
        notes: lines to write first, such as those logged before the directory existed.

    Yields:
        A function that writes a line to the file alone.
    """
    handler = _LogFile(run_dir / "log.txt", encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(LineFormatter("%(asctime)s %(message)s", "%H:%M:%S"))

    def write(line: str) -> None:
        handler.emit(logging.makeLogRecord({"msg": line, "name": __name__}))

    for note in notes:
        write(note)
    try:
        with _listening(handler):
            yield write
    except Exception as error:
        write(f"ended by an error: {' '.join(str(error).split())}")
        raise
    finally:
        handler.close()


@contextmanager
def _listening(handler: logging.Handler) -> Iterator[None]:
    """Pass this package's log lines, from level INFO, to a handler."""
    package = logging.getLogger(PACKAGE)
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.setLevel(level)
        package.removeHandler(handler)
