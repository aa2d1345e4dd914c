"""Sources to decode, a path or the bytes of a file, and arrays that are decoded in parts."""

import math
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..reading import open_errors as open_errors
from ..reading import read_bytes as read_bytes

PathOrBytes = str | Path | bytes

MAX_DECODED_BYTES = 2**26  # larger examples become a `LazyArray`


class LazyArray(ABC):
    """An array too large for memory; slices along its first axis are decoded on access.

    It can be read any number of times; reading it in order is cheapest. `Adapter.stream` takes one
    as an example.
    """

    shape: tuple[int, ...]
    dtype: type
    """NumPy type of the elements."""

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the whole decoded array in bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @abstractmethod
    def __getitem__(self, run: slice) -> np.ndarray:
        """Decode a contiguous slice along the first axis.

        Raises:
            ValueError: the file is damaged there.
        """


def suffix_of(source: PathOrBytes, kind: str | None) -> str:
    """Return the format of a file as a suffix in lower case without a dot, such as "csv".

    Args:
        source: a path, or the file's bytes.
        kind: the format; None: the suffix of the path.

    Raises:
        ValueError: `source` is bytes and `kind` is None.
    """
    if kind is None and isinstance(source, bytes):
        raise ValueError("bytes have no suffix; name their format, such as kind='csv'")
    return (Path(str(source)).suffix if kind is None else kind).lower().lstrip(".")


def as_tensor(array: np.ndarray | Tensor) -> Tensor:
    """Return an array as a tensor; NumPy arrays are copied, which reads a memory-mapped file.

    Args:
        array: a tensor, an array, or a slice of a memory-mapped one.

    Returns:
        The tensor itself, or a copy of the array.
    """
    return array if isinstance(array, Tensor) else torch.from_numpy(np.array(array))
