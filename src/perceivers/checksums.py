"""Checksums inside weight files. Imports the standard library alone.

A file has one mark: the words of `MARK`, the number of the run that it belongs to, and the SHA-256
of the whole file with zeros in place of the checksum itself. In safetensors files the mark is an
entry of the metadata, in checkpoints the last line. It is written with the weights, so that a crash
cannot come between them.
"""

import hashlib
import re
import secrets
from pathlib import Path

MARK = "written-by-perceivers-with-checksum"
METADATA, LAST_LINE = "metadata", "last line"  # where the mark is
NO_RUN = "0" * 32  # of weights in a directory without a number
EMPTY = "0" * 64
PATTERN = re.compile(rb"%s\W{1,3}([0-9a-f]{32}) ([0-9a-f]{64})\W" % MARK.encode())
WORDS = (
    b"written-by-perceivers",
    b"-with-checksum",
)  # one of them is left if the mark itself is damaged
CHUNK = 1 << 20


class Damaged(ValueError):
    """A file is not the one that was written. The message is a clause without the file's name."""


def new_run_id() -> str:
    """Return a random number for a run, as 32 hexadecimal digits."""
    return secrets.token_hex(16)


def mark(run_id: str) -> str:
    """Return the value of a mark without its checksum.

    Args:
        run_id: number of the run.
    """
    return f"{run_id} {EMPTY}"


def seal(path: Path, where: str) -> None:
    """Write the checksum of a file into its mark.

    Args:
        path: file that has a `mark`.
        where: `METADATA` or `LAST_LINE`.
    """
    start, text = _part_with_mark(path, where)
    match = PATTERN.search(text)
    assert match is not None
    offset = start + match.start(2)
    checksum = _checksum(path, offset)
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(checksum)


def verify(path: Path, where: str, run_id: str | None = None, *, required: bool = False) -> None:
    """Check that a file is what was written, and that it belongs to a run.

    A file without a mark is accepted, because other programs and older versions write such files.

    Args:
        path: existing file.
        where: `METADATA` or `LAST_LINE`.
        run_id: number of the run; None: not known.
        required: refuse a file without a mark.

    Raises:
        Damaged: the content has changed, or the file belongs to another run.
    """
    start, text = _part_with_mark(path, where)
    match = PATTERN.search(text)
    if match is None:
        if required or any(word in text for word in WORDS):
            raise Damaged("its checksum is missing or damaged")
        return
    if _checksum(path, start + match.start(2)) != match[2]:
        raise Damaged("its content does not match its checksum")
    if run_id is not None and match[1] not in (run_id.encode(), NO_RUN.encode()):
        raise Damaged("it belongs to another run than the config.json")


def _part_with_mark(path: Path, where: str) -> tuple[int, bytes]:
    """Return the offset and the content of the part of a file that its mark is in."""
    with open(path, "rb") as file:
        if where == METADATA:
            length = int.from_bytes(file.read(8), "little")
            return 8, file.read(min(length, 100 * CHUNK))  # the largest header of safetensors
        size = file.seek(0, 2)
        start = max(0, size - len(MARK) - 200)
        file.seek(start)
        return start, file.read()


def _checksum(path: Path, offset: int) -> bytes:
    """Return the checksum of a file whose checksum is at an offset, as hexadecimal digits."""
    checksum = hashlib.sha256()
    with open(path, "rb") as file:
        left = offset
        while left:
            chunk = file.read(min(left, CHUNK))
            if not chunk:
                break  # the file was cut while it was read
            checksum.update(chunk)
            left -= len(chunk)
        checksum.update(EMPTY.encode())
        file.seek(len(EMPTY), 1)
        while chunk := file.read(CHUNK):
            checksum.update(chunk)
    return checksum.hexdigest().encode()
