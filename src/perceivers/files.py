"""Atomic writing of files, a lock on a directory, JSON and csv."""

import csv
import json
import logging
import os
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .places import write_error, write_errors
from .reading import check_regular, reason

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

LOCK = ".lock"  # in the directory that it locks
PART = re.compile(r"\.(\d+)-[0-9a-f]+\.part")  # an unfinished file: the process that writes it
MAX_JSON_BYTES = 2**24  # of a configuration


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Replace a file atomically: after an error or a crash it is either the old or the new one.

    The content is on the disk before it takes the place of the old one. A new file gets the
    permissions that the umask leaves, an existing one keeps its own.

    Args:
        path: the file.
        write: function that writes the new content to the path it is given, which lies beside
            `path`. Each call gets another path.

    Raises:
        OSError: the content could not be written; `path` is unchanged.
    """
    part = path.with_name(f".{os.getpid()}-{secrets.token_hex(6)}.part")
    try:
        part.touch()
        mode = (path if path.exists() else part).stat().st_mode & 0o777
        part.unlink()
        write(part)
        if part.stat().st_mode & 0o777 != mode:
            # Files of safetensors can be read by their owner only. Some disks know no permissions.
            with suppress(PermissionError):
                part.chmod(mode)
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
        _sync_directory(path.parent)
    except OSError as error:
        raise write_error(path, error, kept=os.path.lexists(path)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_if_possible(path: Path, write: Callable[[Path], object]) -> bool:
    """Replace a file atomically, or log a warning if that fails.

    This is for files without which a run goes on: nothing else is lost for them.

    Args:
        path: the file.
        write: see `write_atomically`.

    Returns:
        Whether the file was written.
    """
    try:
        write_atomically(path, write)
    except OSError as error:
        log.warning("%s", error)
        return False
    return True


def _sync_directory(directory: Path) -> None:
    """Bring the names in a directory to the disk, where the system can do that."""
    with suppress(OSError):  # Windows cannot open a directory
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(directory: Path) -> None:
    """Remove the unfinished files of processes that were killed while they wrote.

    Args:
        directory: directory to clean, without its sub-directories; it may not exist.
    """
    for path in directory.glob(".*.part"):
        match = PART.fullmatch(path.name)
        if match and not _is_running(int(match[1])):
            with suppress(OSError):
                path.unlink()


def is_unused(directory: Path) -> bool:
    """Return whether a directory holds nothing, except a lock or unfinished files."""
    return all(path.name == LOCK or PART.fullmatch(path.name) for path in directory.iterdir())


def _is_running(pid: int) -> bool:
    """Return whether there is a process of this number; True if that cannot be told."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


_locked: set[str] = set()  # directories that this process has locked
_guard = threading.Lock()


@contextmanager
def lock(directory: Path) -> Iterator[None]:
    """Lock a directory, so that only one process or thread at a time writes to it.

    The operating system releases the lock of a process that ends, however it ends.

    Args:
        directory: existing directory.

    Raises:
        BlockingIOError: another process or thread has the lock.
        OSError: the directory cannot be written to.
    """
    path = directory / LOCK
    key = os.path.realpath(path)
    with _guard:
        if key in _locked:
            raise _locked_by(directory, f"{os.getpid()} (this one)")
        _locked.add(key)
    try:
        with write_errors(directory):
            descriptor = _take(path)
        try:
            os.write(descriptor, f"{os.getpid()} on {socket.gethostname()}\n".encode())
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)
    finally:
        _locked.discard(key)


def _take(path: Path) -> int:
    """Open and lock a file; return its descriptor, which holds the lock."""
    if fcntl is None:  # the file itself is the lock
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            raise _locked_by(path.parent, _owner(path), f"or delete {path} if it has") from None
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            # Unlike flock, this lock is not shared by child processes, which may live on for a
            # few seconds after a kill.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            owner = _owner(path)
            os.close(descriptor)
            raise _locked_by(path.parent, owner) from None
        except OSError as error:  # some network file systems have no locks
            log.warning("%s cannot be locked (%s); start no second run there", path.parent, error)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                os.ftruncate(descriptor, 0)
                return descriptor
        os.close(descriptor)  # its owner deleted the file before we had the lock


def _owner(path: Path) -> str:
    try:
        return path.read_text().strip() or "that has just started"
    except OSError:
        return "that has just ended"


def _locked_by(directory: Path, owner: str, more: str = "") -> BlockingIOError:
    return BlockingIOError(
        f"{directory} is being written to by process {owner}; wait until it has ended"
        f"{', ' + more if more else ''}, or choose another directory"
    )


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write a JSON object to a file atomically.

    Raises:
        OSError: see `write_atomically`.
    """
    write_atomically(path, lambda part: part.write_text(json_text(data)))


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write rows as csv in UTF-8, atomically.

    Args:
        path: the file.
        rows: the cells of each row, the names of the columns first.

    Raises:
        OSError: it could not be written.
    """

    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)

    write_atomically(path, write)


def json_text(data: dict[str, Any]) -> str:
    """Return a JSON object as the text of a file."""
    return json.dumps(data, indent=1) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises:
        ValueError: the file holds no JSON object, or is no regular file.
    """
    check_content(path)
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise ValueError(f"{path}: {size:,} bytes; expected at most {MAX_JSON_BYTES:,} of JSON")
    try:
        data = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}: not valid JSON ({reason(error)}); restore it from a copy"
        ) from error
    if not isinstance(data, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(data).__name__}")
    return data


def check_content(path: Path) -> None:
    """Check that a file is not what a failed download leaves in its place.

    Args:
        path: existing file.

    Raises:
        ValueError: it is a pointer of Git LFS or a web page, or no regular file.
    """
    try:
        check_regular(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    with open(path, "rb") as file:
        start = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"version https://git-lfs.github.com/spec/"):
        raise ValueError(
            f"{path}: a pointer of Git LFS, not the file itself; fetch it: git lfs pull"
        )
    if start.startswith((b"<!doctype html", b"<html")):
        raise ValueError(
            f"{path}: a web page, not the file itself; download it again, from the address of the "
            "file and not of the page about it"
        )
