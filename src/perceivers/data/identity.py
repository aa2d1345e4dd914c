"""How examples are recognised when a data set is read again: by file name and by content."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ..modalities.flow.files import FlowTile
from ..modalities.fusion.rows import Row
from ..modalities.series.decode import Window

HASH_BYTES = 8  # 100 million examples have a collision with a probability of 0.03%
WHOLE_BYTES = 8 * 2**20  # of a larger file, only parts are hashed
NUM_PARTS, PART_BYTES = 16, 2**16  # evenly spaced


class Identity(NamedTuple):
    """What an example is recognised by."""

    name: str
    """Name of its file, or its place in a file or a data set."""
    content: str
    """Hash of its content; empty if it cannot be read."""
    by: Literal["name", "content", "position"] = "content"
    """Whether an example with this name and another content is still the same: files are known by
    their names, lines and rows by their content alone, items of a torch dataset by position."""
    labels: str = ""
    """Hash of the labels of its elements, where they are not a part of its content, such as its
    mask; empty if there are none."""


def hash_bytes(*parts: bytes) -> str:
    """Return a short hash of some bytes, 16 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """Return a hash of the content of a file; empty if it is no regular file or unreadable.

    Files of up to `WHOLE_BYTES` are read whole; of larger ones, their size and evenly spaced parts
    are hashed.
    """
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            return ""
        if info.st_size <= WHOLE_BYTES:
            return hash_bytes(path.read_bytes())
        parts = [str(info.st_size).encode()]
        with path.open("rb") as file:
            for part in range(NUM_PARTS):
                file.seek((info.st_size - PART_BYTES) * part // (NUM_PARTS - 1))
                parts.append(file.read(PART_BYTES))
        return hash_bytes(*parts)
    except (OSError, ValueError):  # ValueError: a name with a null character
        return ""


def hash_array(example: Any) -> str:
    """Return a hash of an example: a tensor, an array, or a dictionary or list of them."""
    return hash_bytes(*_array_parts(example))


def _array_parts(example: Any) -> Iterable[bytes]:
    if isinstance(example, dict):
        for name, part in example.items():
            yield str(name).encode()
            yield from _array_parts(part)
    elif isinstance(example, list | tuple):
        for part in example:
            yield from _array_parts(part)
    else:
        array = torch.as_tensor(example).detach().cpu().contiguous()
        yield f"{array.dtype}{tuple(array.shape)}".encode()
        yield array.flatten().view(torch.uint8).numpy().tobytes() if array.numel() else b""


def identify(
    name: str,
    source: Any,
    file_columns: Iterable[str] = (),
    companions: Callable[[Path], Iterable[Path]] = lambda path: (),
) -> Identity:
    """Return the identity of what a reader decodes.

    Args:
        name: its name for messages.
        source: a path, bytes, a row of a table, a window of a series, or a pair of frames.
        file_columns: columns whose cells name files; the content of such a row includes theirs.
        companions: returns the files with the labels of a file.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        labels = "".join(hash_file(file) for file in companions(path))
        return Identity(name, hash_file(path), "name", labels)
    if isinstance(source, Window):
        return Identity(name, hash_bytes(source.content))
    if isinstance(source, FlowTile):
        hashes = [hash_file(path) for path in source.files]
        content = hash_bytes(f"{hashes} {source.top} {source.left}".encode())
        return Identity(name, content if all(hashes) else "", "name")
    if isinstance(source, Row):
        return Identity(name, _hash_row(source, frozenset(file_columns)))
    return Identity(name, hash_bytes(source))


def _hash_row(row: Row, file_columns: frozenset[str]) -> str:
    cells = []
    for column, cell in sorted(row.cells.items()):
        if column in file_columns and cell is not None:
            cell = hash_file(row.folder / cell) or cell
        cells.append(f"{column}\x1e{cell!r}")
    return hash_bytes("\x1f".join(cells).encode("utf-8", "surrogatepass"))


def relative(identities: Iterable[Identity], path: str | None) -> list[Identity]:
    """Return identities whose names are relative to the folder of the data.

    Args:
        identities: the identities.
        path: path of the data, a folder or a file in it; None: the names stay as they are.
    """
    prefix = _folder(path)
    return [identity._replace(name=identity.name.removeprefix(prefix)) for identity in identities]


def relative_names(names: Iterable[str], path: str | None) -> list[str]:
    """Return names of examples relative to the folder of the data.

    Args:
        names: the names.
        path: see `relative`.
    """
    prefix = _folder(path)
    return [name.removeprefix(prefix) for name in names]


def _folder(path: str | None) -> str:
    """Return what names of files in a folder, or beside a file, begin with."""
    if path is None:
        return ""
    place = Path(path).expanduser()
    return f"{place if place.is_dir() else place.parent}{os.sep}"


def hash_labels(labels: Tensor) -> str:
    """Return a hash of the labels of a whole split."""
    return hash_array(labels)
