"""What can be decoded: a path, or a file's bytes; and what of it stays undecoded for its size."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

PathOrBytes = str | Path | bytes

MAX_DECODED_BYTES = (
    2**26
)  # bytes of what is read whole; of more, parts are decoded when they are needed


class LazyArray(ABC):
    """An example too large to hold: an array, of which runs along its first axis are decoded.

    A pass over it in order is cheapest; there may be several. What `Adapter.stream` takes apart.
    """

    shape: tuple[int, ...]
    dtype: type
    """NumPy's type of its numbers."""

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size, were it decoded."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @abstractmethod
    def __getitem__(self, run: slice) -> np.ndarray:
        """The run from start to stop, decoded.

        Raises:
            ValueError: damaged there.
        """


def read_bytes(source: PathOrBytes) -> bytes:
    """The bytes of a source.

    Raises:
        ValueError: cannot be opened; the message does not name the file.
    """
    if isinstance(source, bytes):
        return source
    with open_errors():
        return Path(source).read_bytes()


@contextmanager
def open_errors() -> Iterator[None]:
    """What the system says of a file that cannot be opened becomes a ValueError."""
    try:
        yield
    except FileNotFoundError:
        raise ValueError("no such file; check the path") from None
    except OSError as error:
        if error.strerror is None:
            raise  # not the system's
        raise ValueError(f"cannot be opened: {error.strerror}") from None


def suffix_of(source: PathOrBytes, kind: str | None) -> str:
    """The kind of a file: `kind` if given, else the suffix of its path; no dot, small letters.

    Raises:
        ValueError: bytes without a kind.
    """
    if kind is None and isinstance(source, bytes):
        raise ValueError("bytes have no suffix; say what they are, such as kind='csv'")
    return (Path(str(source)).suffix if kind is None else kind).lower().lstrip(".")


def as_tensor(array: np.ndarray | Tensor) -> Tensor:
    """Return an array as a tensor. An array is copied, so that a memory-mapped file is read here.

    Args:
        array: a tensor, an array, or a slice of a memory-mapped one.
    """
    return array if isinstance(array, Tensor) else torch.from_numpy(np.array(array))
