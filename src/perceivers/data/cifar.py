"""Read CIFAR-10 and CIFAR-100 from their official files, in any published form.

The forms are the python and the binary version, each as an archive or unpacked.
"""

import hashlib
import io
import pickle
import pickletools
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..reading import check_limit, check_regular, parser_errors, reason

MAX_ARCHIVE_BYTES = 10**9  # of all files in an archive
Arrays = tuple[np.ndarray, np.ndarray]  # images (N, 32, 32, 3) uint8, labels (N,) int64


@dataclass(frozen=True)
class Layout:
    """The files of a published version of a data set."""

    archive: str
    """File name of the archive."""
    folder: str
    """Name of the folder inside the archive."""
    train: dict[str, str]
    """MD5 checksum of each file of training images, by file name."""
    test: dict[str, str]
    """MD5 checksum of each file of test images, by file name."""
    names: str
    """Name of the file of class names."""


# The python and the binary version of each data set. The checksums are those of the files in the
# archives that are published at https://www.cs.toronto.edu/~kriz/cifar.html.
LAYOUTS: dict[str, tuple[Layout, Layout]] = {
    "cifar10": (
        Layout(
            "cifar-10-python.tar.gz",
            "cifar-10-batches-py",
            {
                "data_batch_1": "c99cafc152244af753f735de768cd75f",
                "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
                "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
                "data_batch_4": "634d18415352ddfa80567beed471001a",
                "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            },
            {"test_batch": "40351d587109b95175f43aff81a1287e"},
            "batches.meta",
        ),
        Layout(
            "cifar-10-binary.tar.gz",
            "cifar-10-batches-bin",
            {
                "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
                "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
                "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
                "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
                "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
            },
            {"test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d"},
            "batches.meta.txt",
        ),
    ),
    "cifar100": (
        Layout(
            "cifar-100-python.tar.gz",
            "cifar-100-python",
            {"train": "16019d7e3df5f24257cddd939b257f8d"},
            {"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
            "meta",
        ),
        Layout(
            "cifar-100-binary.tar.gz",
            "cifar-100-binary",
            {"train.bin": "6172c7755cfe09b2fe270c85cebc1b15"},
            {"test.bin": "4499cfba6c016c1be1438163640a0898"},
            "fine_label_names.txt",
        ),
    ),
}


def is_cifar(name: str, path: Path) -> bool:
    """Return whether `path` holds the official files of a data set, in any form.

    Args:
        name: name of the data set; only "cifar10" and "cifar100" have such files.
        path: path of the archive, of its unpacked folder, or of the folder that holds either.
    """
    return name in LAYOUTS and _locate(name, path) is not None


def read_cifar(name: str, path: Path) -> tuple[Arrays, Arrays, tuple[str, ...]]:
    """Read the images, labels and class names of CIFAR-10 or CIFAR-100.

    Args:
        name: "cifar10" or "cifar100" (its 100 fine labels).
        path: path of the archive, of its unpacked folder, or of the folder that holds either.

    Returns:
        Training arrays, test arrays and class names. The arrays are images (N, 32, 32, 3) uint8
        and labels (N,) int64.

    Raises:
        FileNotFoundError: a file of the data set is missing.
        ValueError: a file differs from the published one or is cut short.
    """
    located = _locate(name, path)
    if located is None:
        raise FileNotFoundError(
            f"{path} holds no official files of {name}; expected one of "
            + ", ".join(f"{layout.archive} or {layout.folder}/" for layout in LAYOUTS[name])
        )
    layout, read = located
    binary = layout.names.endswith(".txt")
    decode = _decode_binary if binary else _decode_python

    @parser_errors("CIFAR file", "; download it again")
    def arrays(files: dict[str, str]) -> Arrays:
        parts = [decode(name, _read_verified(read, file, md5)) for file, md5 in files.items()]
        return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])

    train, test = arrays(layout.train), arrays(layout.test)
    raw = read(layout.names)
    with parser_errors(f"file of class names {layout.names}", "; download it again"):
        if binary:
            names = tuple(raw.decode().split())
        else:
            meta = restricted_loads(raw)
            key = b"label_names" if name == "cifar10" else b"fine_label_names"
            names = tuple(label.decode() for label in meta[key])
    return train, test, names


def _locate(name: str, path: Path) -> tuple[Layout, Callable[[str], bytes]] | None:
    """Return the layout of the files at `path`, and a function that reads a file by name."""
    for layout in LAYOUTS[name]:
        first = next(iter(layout.train))
        for folder in (path, path / layout.folder):
            if (folder / first).is_file() and (folder / layout.names).is_file():
                return layout, lambda file, folder=folder: _read_file(folder / file)
        for archive in (path, path / layout.archive):
            if archive.is_file() and archive.name == layout.archive:
                wanted = {*layout.train, *layout.test, layout.names}
                return layout, _ArchiveReader(archive, layout.folder, wanted)
    return None


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; unpack the whole archive again")
    check_limit("decoded_bytes", check_regular(path), f"bytes in {path.name}")
    return path.read_bytes()


class _ArchiveReader:
    """Read files of a tar archive by name.

    The wanted ones are read into memory in one pass, because seeking backwards in a gzip file is
    slow.
    """

    def __init__(self, archive: Path, folder: str, wanted: set[str]) -> None:
        self.archive, self.folder, self.wanted = archive, folder, wanted
        self.members: dict[str, bytes] = {}

    def __call__(self, member: str) -> bytes:
        if not self.members:
            self.members = self._read_all()
        if member not in self.members:
            raise FileNotFoundError(
                f"{self.archive} has no file {self.folder}/{member}; download it again"
            )
        return self.members[member]

    def _read_all(self) -> dict[str, bytes]:
        members: dict[str, bytes] = {}
        size, total = self.archive.stat().st_size, 0
        problem = f"{self.archive} is damaged or its download was cut short ({size:,} bytes: "
        try:
            with tarfile.open(self.archive, "r|*") as tar:
                for info in tar:
                    name, total = Path(info.name).name, total + info.size
                    if total > MAX_ARCHIVE_BYTES:
                        raise ValueError(
                            f"states more than {MAX_ARCHIVE_BYTES:,} bytes of files, the published "
                            "one 186 million; download it again"
                        )
                    if name in self.wanted and info.isfile():
                        check_limit("decoded_bytes", info.size, f"bytes in {name}")
                        file = tar.extractfile(info)
                        members[name] = file.read() if file else b""
        except ValueError as error:
            raise ValueError(f"{self.archive}: {error}") from error
        except Exception as error:
            raise ValueError(f"{problem}{reason(error)}); download it again") from error
        return members


def _read_verified(read: Callable[[str], bytes], file: str, md5: str) -> bytes:
    raw = read(file)
    got = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if got != md5:
        raise ValueError(
            f"{file} has MD5 checksum {got}; expected {md5}, that of the published file: it is "
            "damaged or altered, download it again"
        )
    return raw


def _decode_binary(name: str, raw: bytes) -> Arrays:
    label_bytes = 1 if name == "cifar10" else 2  # CIFAR-100: coarse label, then fine label
    rows = np.frombuffer(raw, np.uint8).reshape(-1, label_bytes + 3072)
    return _channels_last(rows[:, label_bytes:]), rows[:, label_bytes - 1].astype(np.int64)


def _decode_python(name: str, raw: bytes) -> Arrays:
    batch = restricted_loads(raw)
    labels = batch[b"labels" if name == "cifar10" else b"fine_labels"]
    return _channels_last(batch[b"data"]), np.asarray(labels, np.int64)


def _channels_last(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


class _NumpyUnpickler(pickle.Unpickler):
    """Unpickle plain containers and NumPy arrays; refuse a pickle that refers to anything else."""

    allowed = {"_reconstruct", "ndarray", "dtype"}  # noqa: RUF012

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "numpy" and name in self.allowed:
            # The files name NumPy modules of 2009, which have moved since.
            return np.empty(0).__reduce__()[0] if name == "_reconstruct" else getattr(np, name)
        raise ValueError(
            f"the pickle refers to {module}.{name}, which no CIFAR file does; it is refused "
            "because it could run code: download the file from its official page"
        )


def restricted_loads(raw: bytes) -> Any:
    """Unpickle containers, strings (as bytes), numbers and NumPy arrays, and nothing else.

    Args:
        raw: the pickle.

    Raises:
        ValueError: the pickle is damaged, or refers to any other class or function.
    """
    try:
        _check_memo(raw)
        return _NumpyUnpickler(io.BytesIO(raw), encoding="bytes").load()
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith("the pickle refers"):
            raise
        raise ValueError(
            f"the file is not a readable CIFAR pickle ({reason(error)}); download it again"
        ) from error


def _check_memo(raw: bytes) -> None:
    """Raise a ValueError if a pickle numbers its objects so high that the numbers fill the memory.

    The unpickler keeps a table that is twice as long as the largest number.
    """
    for opcode, argument, _ in pickletools.genops(raw):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(raw):
            raise ValueError(f"an object has the number {argument}, in a file of {len(raw)} bytes")
