"""Reading and writing of Keras weight files as named arrays, without Keras.

Only arrays are read; no code in a file is executed.
"""

import io
import math
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import missing_extra
from ..files import check_content, write_atomically
from ..reading import check_limit, file_errors

INSIDE = "model.weights.h5"  # the member of a .keras archive that holds the weights
SAVE_AGAIN = "; copy the file or save it again"
MAX_COMPRESSION = 8  # bytes of weights for each byte of their file
# Arrays that are not weights: training state, and states of random generators.
IGNORED = ("optimizer/", "seed_generator/")

Datasets = dict[str, Any]  # path in the file → h5py.Dataset, whose values are not read yet


@contextmanager
def weight_file(source: Any) -> Iterator[Path]:
    """Provide the weights of a path or of a live Keras model as a file.

    Args:
        source: the path of a file, or a Keras model, which is saved to a temporary file.

    Yields:
        The path of the file.

    Raises:
        ValueError: the source is neither a path nor a Keras model.
        FileNotFoundError: there is no such file.
    """
    if isinstance(source, str | Path):
        if not Path(source).is_file():
            raise FileNotFoundError(f"{source} is no file; expected a .weights.h5 or .keras file")
        yield Path(source)
        return
    if not hasattr(source, "save_weights"):
        raise ValueError(
            f"got {type(source).__name__}; expected a Keras model, or the path of its .weights.h5 "
            "or .keras file"
        )
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.weights.h5"
        source.save_weights(path)
        yield path


@contextmanager
def open_weights(path: Path) -> Iterator[Datasets]:
    """Open a `.weights.h5` or `.keras` file; the content, not the name, decides which it is.

    Links to other files are not followed. Training state is left out.

    Args:
        path: the file.

    Yields:
        The datasets by their path in the file.

    Raises:
        ValueError: it is another kind of file, damaged, or its arrays are in other files.
        ImportError: h5py is not installed.
    """
    h5py = import_h5py()
    datasets: Datasets = {}
    if path.is_file():
        check_content(path)
    with ExitStack() as stack:
        with file_errors(path, "file of weights", SAVE_AGAIN):
            file = stack.enter_context(h5py.File(_hdf5(path), "r"))
            file.visititems(lambda name, item: _collect(path, name, item, datasets))
            _check_size(path, sum(4 * math.prod(item.shape) for item in datasets.values()))
        yield datasets


def read_array(dataset: Any) -> np.ndarray:
    """Return the values of a dataset as float32.

    Args:
        dataset: a dataset that `open_weights` yielded.

    Raises:
        ValueError: the values cannot be read, or are not numbers.
    """
    with file_errors(dataset.name, "set of values", SAVE_AGAIN):
        if (
            dataset.attrs.get("dtype") == "bfloat16"
        ):  # stored as two bytes, for which NumPy has no type
            halves = np.asarray(dataset).view(np.uint16).reshape(dataset.shape)
            return (halves.astype(np.uint32) << 16).view(np.float32)
        return np.asarray(dataset, np.float32)


def write_weights(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a new HDF5 file; an existing file is replaced atomically.

    Args:
        path: the file.
        arrays: the arrays by their path in the file.

    Raises:
        OSError: the file cannot be written.
        ImportError: h5py is not installed.
    """
    h5py = import_h5py()

    def write(part: Path) -> None:
        with h5py.File(part, "w") as file:
            for name, array in arrays.items():
                file[name] = array

    write_atomically(path, write)


def import_h5py() -> Any:
    """Import h5py, or raise an ImportError that says how to install it."""
    try:
        import h5py
    except ImportError:
        raise missing_extra("h5py", "keras") from None
    return h5py


def _hdf5(path: Path) -> Path | io.BytesIO:
    """Return the HDF5 file: the path itself, or the member of a `.keras` archive."""
    if import_h5py().is_hdf5(path):
        return path
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if INSIDE in names:
                _check_size(path, archive.getinfo(INSIDE).file_size)
                return io.BytesIO(archive.read(INSIDE))
        raise ValueError(
            f"{path} is an archive of {_some(names)}; a .keras file holds {INSIDE}. Save the model "
            "with Keras: model.save_weights('name.weights.h5')"
        )
    with open(path, "rb") as file:
        start = file.read(8)
    raise ValueError(
        f"{path} starts with {start!r}: neither HDF5 nor a .keras archive, so it was not read. "
        "Save the model with Keras: model.save_weights('name.weights.h5')"
    )


def _collect(path: Path, name: str, item: Any, datasets: Datasets) -> None:
    """Add an item of the file to the datasets if it is a weight."""
    if not hasattr(item, "dtype") or any(part in name for part in IGNORED):
        return
    if item.external or item.is_virtual:
        raise ValueError(f"{path}: the values of {name} are in another file, which is not read")
    datasets[name] = item


def _check_size(path: Path, num_bytes: int) -> None:
    """Refuse a small file that states large contents; weights hardly shrink by compression."""
    if num_bytes > MAX_COMPRESSION * path.stat().st_size:
        check_limit("decoded_bytes", num_bytes, "bytes of weights")


def _some(names: list[str], limit: int = 6) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
