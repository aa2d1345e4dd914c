"""Keras weight files as named arrays, read and written without Keras. Nothing in them is run."""

import io
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import missing_extra

INSIDE = "model.weights.h5"  # the member of a .keras archive that holds the weights
# What a file may hold beside a model's weights: training state, and states of random generators.
IGNORED = ("optimizer/", "seed_generator/")

Datasets = dict[str, Any]  # path in the file → h5py.Dataset, its values not read yet


@contextmanager
def weight_file(source: Any) -> Iterator[Path]:
    """The file of a source: its path as it is, or a live Keras model's weights in a temporary file.

    Raises:
        ValueError: the source is neither.
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
    """The datasets of a `.weights.h5` or `.keras` file by their path, told by content, not by name.

    Links out of the file are not followed. Training state is left out.

    Raises:
        ValueError: it is another kind of file, damaged, or keeps its arrays in other files.
    """
    h5py = import_h5py()
    found: Datasets = {}
    try:
        file = h5py.File(_hdf5(path), "r")
    except (OSError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from None
    with file:
        try:
            file.visititems(lambda name, item: _collect(path, name, item, found))
        except (OSError, RuntimeError) as error:
            raise _damaged(path, error) from None
        yield found


def read_array(dataset: Any) -> np.ndarray:
    """A dataset's values as float32.

    Raises:
        ValueError: they cannot be read, or are no numbers.
    """
    try:
        if dataset.attrs.get("dtype") == "bfloat16":  # kept as two bytes NumPy has no name for
            halves = np.asarray(dataset).view(np.uint16).reshape(dataset.shape)
            return (halves.astype(np.uint32) << 16).view(np.float32)
        return np.asarray(dataset, np.float32)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise _damaged(dataset.name, error) from None


def write_weights(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Arrays by path into a new HDF5 file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    h5py = import_h5py()
    part = path.with_name(path.name + ".part")
    try:
        with h5py.File(part, "w") as file:
            for name, array in arrays.items():
                file[name] = array
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def import_h5py() -> Any:
    """h5py, or the error that says how to get it."""
    try:
        import h5py
    except ImportError:
        raise missing_extra("h5py", "keras") from None
    return h5py


def _hdf5(path: Path) -> Path | io.BytesIO:
    """The HDF5 file itself, or that inside an archive."""
    if import_h5py().is_hdf5(path):
        return path
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if INSIDE in names:
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


def _collect(path: Path, name: str, item: Any, found: Datasets) -> None:
    if not hasattr(item, "dtype") or any(part in name for part in IGNORED):
        return
    if item.external or item.is_virtual:
        raise ValueError(f"{path}: {name} keeps its values in another file, which is not read")
    found[name] = item


def _damaged(what: object, error: Exception) -> ValueError:
    return ValueError(f"{what}: damaged or cut short ({error}); copy it or save it again")


def _some(names: list[str], limit: int = 6) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
