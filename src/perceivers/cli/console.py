"""What the command line prints: safe lines on streams that may be closed, full or not UTF-8."""

import contextlib
import io
import logging
import os
import sys

from typing_extensions import override

from ..printing import ERRORS, LineFormatter, printable


class _Once(logging.Filter):
    """Passes each line of this package once: data is listed for the plan and for the training."""

    def __init__(self) -> None:
        super().__init__(__package__.partition(".")[0])
        self._passed: set[str] = set()

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        line = record.getMessage()
        if super().filter(record) and line in self._passed:
            return False
        self._passed.add(line)
        return True


def prepare() -> None:
    """Prepare stdout, stderr and the log for a command.

    Streams that the parent process closed write to the null device: else the first file that is
    opened would take their number, and messages would be written into it. Lines are written at
    once, also to pipes. Characters that the encoding lacks are replaced, not an error.
    """
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(null)
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False))
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ERRORS, line_buffering=True)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter("%(message)s"))
    handler.addFilter(_Once())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)


class OutputError(Exception):
    """Stdout cannot be written to. It is no `OSError`, so that nothing else takes it for its own.

    Args:
        reason: the error of the operating system.
    """

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def say(line: object = "") -> None:
    """Print one line to stdout, with escapes in place of what could change the terminal.

    Raises:
        OutputError: stdout cannot be written to.
    """
    write(f"{printable(line)}\n")


def write(text: str, *, flush: bool = False) -> None:
    """Write text to stdout as it is.

    Args:
        text: the text.
        flush: show it at once, even if no line ends here.

    Raises:
        OutputError: stdout cannot be written to.
    """
    try:
        sys.stdout.write(text)
        if flush:
            sys.stdout.flush()
    except OSError as error:
        raise OutputError(error) from None


def complain(message: object) -> None:
    """Print an error as one line to stderr; nothing happens if stderr cannot be written to."""
    with contextlib.suppress(OSError):
        print(f"perceivers: {printable(message)}", file=sys.stderr)


def finish() -> bool:
    """Write out stdout, and return whether that worked."""
    try:
        sys.stdout.flush()
    except OSError as error:
        drop_output(error)
        return False
    return True


def drop_output(reason: OSError) -> None:
    """Drop what stdout did not take, and say why unless its reader has closed it, as `head` does.

    Otherwise Python would try again when it exits.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not isinstance(reason, BrokenPipeError):
        complain(f"could not write the output: {reason.strerror}")
