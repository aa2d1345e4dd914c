"""The log file of a run. Imports no torch."""

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from typing_extensions import override

from ..printing import LineFormatter


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
    package = logging.getLogger(__name__.split(".")[0])
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.setLevel(level)
        package.removeHandler(handler)
