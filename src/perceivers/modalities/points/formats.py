"""Parsers of files of point clouds and meshes."""

import io
import math
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np

from ...errors import unknown
from ...reading import check_limit, check_regular, parser_errors
from ..arrays import MAX_POINT_CHANNELS, is_image
from ..notices import notice
from ..text.decode import decode as decode_text
from .meshes import Cloud, Mesh, full_scale, read_geometry

COORDINATES = ("x", "y", "z")
COLOURS = (("red", "green", "blue"), ("r", "g", "b"))
MAX_TRANSPOSED = MAX_POINT_CHANNELS  # rows that are taken for channels if there are more columns
MAX_FRACTION = 2.0  # shade up to which fractions are taken for those of full brightness
COMMENTS = ("#", "//")  # CloudCompare writes "//"


def parse(raw: bytes, kind: str) -> Cloud | Mesh:
    """Parse a file's bytes.

    Args:
        raw: contents of the file.
        kind: its suffix in lower case, without the dot.

    Raises:
        ValueError: unknown kind, damaged, or without points and faces.
    """
    if kind not in READERS:
        raise unknown("kind of point file", kind, READERS)
    with parser_errors(f"{kind} file"):
        geometry = READERS[kind](raw, kind)
    if isinstance(geometry, Cloud) and len(geometry.values) == 0:
        raise ValueError(f"this {kind} file has no points and no faces")
    return geometry


def memory_map(path: str | Path) -> Cloud | None:
    """Memory-map the array of a `.npy` file.

    Args:
        path: the file.

    Returns:
        The points, not yet read from disk. None if the file cannot be mapped; reading and parsing
        it then raises the error.

    Raises:
        ValueError: the array is not two-dimensional or does not hold numbers.
    """
    try:
        check_regular(path)
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception:  # damaged, or an empty array
        return None
    _check_points(array, "the array")
    return Cloud(array)


def _read_npy(raw: bytes, kind: str) -> Cloud:
    with parser_errors("npy file, or an array of Python objects"):
        array = _read_array(io.BytesIO(raw), len(raw), kind)
    return _from_array(array, "the array")


def _read_npz(raw: bytes, kind: str) -> Cloud:
    """Parse the only array of the file, or the one called "points"."""
    with (
        parser_errors("npz file, or arrays of Python objects"),
        zipfile.ZipFile(io.BytesIO(raw)) as archive,
    ):
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        name = next(iter(members)) if len(members) == 1 else "points"
        if name not in members:
            raise ValueError(
                f"this npz file has the arrays {list(members)[:10]}; expected a single one, or one "
                "named 'points'"
            )
        with archive.open(members[name]) as file:
            array = _read_array(file, members[name].file_size, kind)
    return _from_array(array, f"array {name!r}")


def _read_array(file: BinaryIO | IO[bytes], num_bytes: int, kind: str) -> np.ndarray:
    """Read an array in npy format, unless its header states more than the file has or the limit."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"npy format {version}; expected an array of numbers")
    read_header = (np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0)
    shape, _, dtype = read_header[version[0] - 1](file)
    count = math.prod(shape)
    if count < 0 or count * dtype.itemsize > num_bytes:
        raise ValueError(f"damaged {kind} file: its header states {dtype} of shape {shape}")
    check_limit("decoded_bytes", 8 * count, "bytes of numbers")
    check_limit("points", shape[0] if shape else 0, "points", "Save it as .npy")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _from_array(array: np.ndarray, what: str) -> Cloud:
    _check_points(array, what)
    return Cloud(array.astype(np.float64))


def _check_points(array: np.ndarray, what: str) -> None:
    """Refuse an array that is not of points, such as an image."""
    if is_image(array):
        raise ValueError(
            f"{what} is {array.dtype} of shape {array.shape}, which is an image, not points "
            "(points, channels); images are read from npy and png, and such a cloud from csv"
        )
    _check_array(array, what)


def _check_array(array: np.ndarray, what: str, *, named: bool = False) -> None:
    """Refuse an array that cannot be (points, channels); give a notice of an unlikely one.

    Args:
        array: the array.
        what: what it is called in messages.
        named: whether its columns have names, which say what they are.
    """
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{what} is {array.dtype} of shape {array.shape}; expected numbers of shape "
            "(points, channels)"
        )
    if array.shape[0] <= MAX_TRANSPOSED < array.shape[1]:
        raise ValueError(
            f"{what} has shape {array.shape}, which would be {array.shape[0]} points of "
            f"{array.shape[1]} channels; expected (points, channels): save its transpose, array.T"
        )
    if named:
        return
    if array.shape[0] < array.shape[1]:
        notice(
            "is read as fewer points than they have channels; if its rows are the channels, save "
            "its transpose, array.T"
        )
    elif array.shape[1] > MAX_POINT_CHANNELS:
        notice(
            f"is read as points of {array.shape[1]} channels, of which the first three are x, y "
            "and z; if it is no cloud, save images as png, sounds as wav, and numbers in a table"
        )


def _read_text(raw: bytes, kind: str) -> Cloud:
    """Parse rows of numbers separated by commas, semicolons or blanks, with or without names."""
    check_limit("points", raw.count(b"\n"), "lines", "Save the points as .npy")
    lines = decode_text(raw).split("\n")
    rows = (index for index, line in enumerate(lines) if _is_row(line))
    start = next(rows, None)
    if start is None:
        return Cloud(np.empty((0, 3)))
    delimiter = next((d for d in ",;" if d in lines[start]), None)
    first = _cells(lines[start], delimiter)
    names = None if any(_is_number(cell) for cell in first) else first
    if names is not None and (start := next(rows, None)) is None:
        return Cloud(np.empty((0, 3)))
    body = ((i, line) for i, line in enumerate(lines[start:], start + 1) if _is_row(line))
    try:
        values = np.loadtxt(
            (line for line in lines[start:] if _is_row(line)),
            delimiter=delimiter, comments=None, quotechar='"', ndmin=2,
        )  # fmt: skip
    except ValueError as error:
        raise _text_error(body, delimiter, names or first) or ValueError(
            f"damaged {kind} file ({error})"
        ) from None
    _check_array(values, "the text", named=names is not None)
    if names is None:
        return Cloud(values)
    if len(names) != values.shape[1]:
        raise ValueError(
            f"{len(names)} names {names} for {values.shape[1]} columns; expected a name per column"
        )
    names = [name.lower() for name in names]
    others = [name for name in names if name not in COORDINATES]
    return Cloud(_arrange_columns(names, values), others[:3] == ["nx", "ny", "nz"])


def _is_row(line: str) -> bool:
    """Return whether a line is neither blank nor a comment."""
    return bool(line.strip()) and not line.lstrip().startswith(COMMENTS)


def _text_error(
    lines: Iterable[tuple[int, str]], delimiter: str | None, first: list[str]
) -> ValueError | None:
    """Find the first line that is not a row of numbers with as many columns as the first line."""
    for number, line in lines:
        cells = _cells(line, delimiter)
        if len(cells) != len(first):
            return ValueError(
                f"line {number} has {len(cells)} columns; expected {len(first)}, as on the first "
                "line"
            )
        for cell in cells:
            if not _is_number(cell):
                return ValueError(f"line {number}: {cell!r} is not a number")
    return None


def _arrange_columns(names: list[str], values: np.ndarray) -> np.ndarray:
    """Move the columns x, y and z to the front, and scale colours to [0, 1]."""
    for colours in COLOURS:
        if set(colours) <= set(names):
            columns = [names.index(name) for name in colours]
            shades = values[:, columns]
            whole = bool((shades == shades.round()).all())
            if shades.max() > (1 if whole else MAX_FRACTION):
                values[:, columns] = shades / full_scale(shades.max(), fraction=False)
    if not set(COORDINATES) <= set(names):
        if not set(COORDINATES) & set(names):
            notice(
                f"has no columns x, y and z; its first three, {', '.join(names[:3])}, are taken "
                "for them: rename or reorder the columns if they are not; if the rows are steps of "
                "a time series, say so: --data.time row"
            )
        return values
    leading = [names.index(name) for name in COORDINATES]
    return values[:, leading + [i for i in range(len(names)) if i not in leading]]


def _cells(line: str, delimiter: str | None) -> list[str]:
    return [cell.strip().strip('"') for cell in line.strip().split(delimiter)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def sniff(raw: bytes) -> str | None:
    """Return the format of a file by its first bytes; None if they do not tell it."""
    return next((kind for start, kind in SIGNATURES.items() if raw.startswith(start)), None)


SIGNATURES = {
    b"\x93NUMPY": "npy",
    b"PK\x03\x04": "npz",
    b"ply\n": "ply",
    b"ply\r\n": "ply",
    b"OFF": "off",
    b"solid": "stl",
}
READERS: dict[str, Callable[[bytes, str], Cloud | Mesh]] = {
    **dict.fromkeys(("ply", "off", "obj", "stl"), read_geometry),
    "npy": _read_npy,
    "npz": _read_npz,
    **dict.fromkeys(("csv", "txt", "xyz"), _read_text),
}
