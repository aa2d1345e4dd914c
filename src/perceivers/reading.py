"""What reading any file has in common: limits, regular files only, and errors of parsers.

Files come from anywhere, and the libraries that parse them raise whatever they like and allocate
whatever a header states. Imports the standard library alone.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

LFS_POINTER = b"version https://git-lfs.github.com/spec/"  # the beginning of such a file
PACKAGE = __name__.partition(".")[0]
KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that is read of one file, so that a damaged or hostile one cannot fill the memory.

    With the default limits, reading one file takes less than about 1 GB.
    """

    pixels: int = 100_000_000
    """Pixels of an image file."""
    frame_pixels: int = 36_000_000
    """Pixels of a frame of a video; 8K has 33 million."""
    seconds: float = 3600.0
    """Seconds of a sound that is decoded in one piece; longer ones are read in parts."""
    points: int = 5_000_000
    """Points, or vertices and faces, of a file; a .npy file of more is read in parts."""
    cells: int = 60_000_000
    """Cells of a table."""
    file_bytes: int = 150_000_000
    """Bytes of a text, a table, or a file of points."""
    decoded_bytes: int = 200_000_000
    """Bytes of one decoded array or example, and of a file inside an archive."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"limits.{name}={value}; expected more than 0")


STRANGERS = Limits(
    pixels=25_000_000,
    frame_pixels=9_000_000,
    seconds=300.0,
    points=1_000_000,
    cells=1_000_000,
    file_bytes=20_000_000,
    decoded_bytes=100_000_000,
)
"""Limits of a service, which reads files of strangers, several at the same time."""

_chosen: ContextVar[Limits | None] = ContextVar("limits", default=None)
_typed: ContextVar[Mapping[str, Any]] = ContextVar("typed limits", default=MappingProxyType({}))


def limits() -> Limits:
    """Return the limits that hold now: those set by `using`, else the defaults."""
    return limits_of(Limits())


def limits_of(saved: Limits) -> Limits:
    """Return the limits for reading the files of a run.

    Args:
        saved: the limits that were saved with the run.

    Returns:
        The limits set by `using`; if there are none, the saved ones with those that were typed in
        their place (`overriding`).
    """
    return _chosen.get() or replace(saved, **_typed.get())


@contextmanager
def using(chosen: Limits | None) -> Iterator[None]:
    """Read with other limits in this thread; None changes nothing."""
    token = _chosen.set(chosen or _chosen.get())
    try:
        yield
    finally:
        _chosen.reset(token)


@contextmanager
def overriding(typed: Mapping[str, Any]) -> Iterator[None]:
    """Let the limits that a user typed take the place of those saved with a run, in this thread."""
    token = _typed.set(typed)
    try:
        yield
    finally:
        _typed.reset(token)


def check_limit(name: str, amount: float, what: str, fix: str = "") -> None:
    """Raise a ValueError if an amount exceeds a limit. Its message says how to raise the limit.

    Args:
        name: name of the field of `Limits`.
        amount: the amount that reading would take.
        what: what is counted, such as "pixels".
        fix: what else to do about it, such as "make it smaller".
    """
    most = getattr(limits(), name)
    if not amount <= most:
        raise ValueError(
            f"too large: {amount:,.0f} {what}; expected at most {most:,.0f}. "
            f"{fix}{', or r' if fix else 'R'}aise the limit if the file is sound: "
            f"--limits.{name} {amount:.0f} (in Python: perceivers.Limits({name}={amount:.0f}))"
        )


def read_bytes(source: str | Path | bytes) -> bytes:
    """Return the bytes of a source.

    Args:
        source: a path, or the file's bytes.

    Raises:
        ValueError: the file cannot be opened, is no regular file, or is larger than
            `Limits.file_bytes`; the message does not name it.
    """
    if not isinstance(source, bytes):
        check_limit("file_bytes", check_regular(source), "bytes")
        with open_errors():
            return Path(source).read_bytes()
    check_limit("file_bytes", len(source), "bytes")
    return source


def check_regular(path: str | Path) -> int:
    """Check that a path is a regular file or a link to one, and return its size in bytes.

    Opening a pipe would wait for ever, and a device may have no end.

    Raises:
        ValueError: there is no such file, or it is something else, such as a pointer of Git LFS;
            the message does not name it.
    """
    with open_errors():
        try:
            status = os.stat(path)
        except ValueError as error:
            raise ValueError(f"not the name of a file ({error})") from error
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        what = KINDS.get(kind, "no file")
        raise ValueError(f"cannot be opened: it is {what}; expected a regular file")
    if len(LFS_POINTER) < status.st_size < 1024:
        with open_errors(), open(path, "rb") as file:
            if file.read(len(LFS_POINTER)) == LFS_POINTER:
                raise ValueError(
                    "a pointer of Git LFS, not the file itself; fetch it: git lfs pull"
                )
    return status.st_size


@contextmanager
def open_errors() -> Iterator[None]:
    """Turn the operating system's errors on opening a file into a ValueError.

    Raises:
        ValueError: the file cannot be opened; the message does not name it.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise ValueError("no such file; check the path") from error
    except OSError as error:
        if error.strerror is None:
            raise  # a library's own error, not the operating system's
        raise ValueError(f"cannot be opened: {error.strerror}") from error


@contextmanager
def parser_errors(what: str, fix: str = "") -> Iterator[None]:
    """Turn whatever a parser raises while it reads a file into a ValueError.

    A ValueError, ImportError or OSError that this package raised passes unchanged. It also
    decorates a function that decodes a file.

    Args:
        what: what is read, such as "image", for the message.
        fix: what to do about it.

    Raises:
        ValueError: "damaged {what} ({reason}){fix}", from the parser's exception; it does not name
            the file.
    """
    try:
        yield
    except MemoryError as error:
        raise ValueError(
            f"damaged {what}, or too large for the memory of this machine{fix}"
        ) from error
    except Exception as error:
        if _is_ours(error):
            raise
        raise ValueError(f"damaged {what} ({reason(error)}){fix}") from error


@contextmanager
def file_errors(path: str | Path, what: str, fix: str = "") -> Iterator[None]:
    """Do as `parser_errors`, and put the name of the file before the message.

    Args:
        path: the file.
        what: what it is, such as "checkpoint".
        fix: what to do about it.
    """
    try:
        with parser_errors(what, fix):
            yield
    except ValueError as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path}: {error}") from error


def reason(error: BaseException) -> str:
    """Return the first line of an error's message with the name of its class if that says more."""
    text = str(getattr(error, "strerror", None) or error).strip()
    line = text.splitlines()[0] if text else ""
    named = bool(line) and isinstance(error, OSError | ValueError | RuntimeError | EOFError)
    return line if named else f"{type(error).__name__}: {line}".removesuffix(": ")


def _is_ours(error: BaseException) -> bool:
    """Return whether this package raised an error for users, and not a library that it called."""
    if isinstance(error, OSError) and error.errno is None:
        pass
    elif not (type(error) in (ValueError, ImportError) or _within(type(error).__module__)):
        return False  # such as UnicodeDecodeError, which is a ValueError
    last = error.__traceback__
    while last and last.tb_next:
        last = last.tb_next
    return last is None or _within(last.tb_frame.f_globals.get("__name__", ""))


def _within(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE
