"""Places to write to: checked before long work, and what to say of those that cannot be written.

Imports the standard library alone.
"""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ELSEWHERE = "choose another place"
SPACE = "free some space, or choose another place"
FIXES = {
    errno.ENOSPC: SPACE,
    errno.EDQUOT: SPACE,
    errno.ENOTDIR: "a part of this path is a file; choose another place",
    errno.EEXIST: "a part of this path is no directory; choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the number of files that may be open (ulimit -n)",
}


def write_error(path: str | Path, error: OSError, *, kept: bool = False) -> OSError:
    """Return the error for a place that cannot be written to: what, where, and the fix.

    Args:
        path: the file or directory.
        error: the error of the operating system, or of a library without a number.
        kept: whether a previous file is unchanged.
    """
    unchanged = "; the previous file is unchanged" if kept else ""
    fix = FIXES.get(error.errno or 0, ELSEWHERE)
    return OSError(f"could not write {path}: {error.strerror or error}{unchanged}; {fix}")


@contextmanager
def write_errors(path: str | Path) -> Iterator[None]:
    """Turn the operating system's errors on writing into `write_error`; others pass unchanged.

    Args:
        path: what is written, a file or a directory.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise write_error(path, error) from error


def make_directory(directory: Path) -> None:
    """Create a directory and its parents, unless they exist.

    Raises:
        OSError: it cannot be created.
    """
    with write_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)


def check_place(path: Path) -> None:
    """Check that a file or directory can be written, before long work. Nothing is left behind.

    Args:
        path: the file or directory, which may exist; the parents need not.

    Raises:
        OSError: the nearest directory that exists cannot be written to, or is none.
    """
    with write_errors(path):
        place = path.absolute()
        if not place.is_dir():
            place = place.parent
        while not os.path.lexists(place):
            place = place.parent
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        tempfile.TemporaryFile(dir=place).close()


def system_message(error: OSError) -> str:
    """Return what to tell a user about an error of the operating system that nothing expected."""
    names = " and ".join(str(name) for name in (error.filename, error.filename2) if name)
    what = error.strerror or str(error)
    if not names:
        return what
    fix = FIXES.get(error.errno or 0, "check the path, and whether you may read and write there")
    return f"{names}: {what}; {fix}"
