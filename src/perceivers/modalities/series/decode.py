"""Decoding of files of time series: csv, tsv and parquet with a row for each step, and npy."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...errors import listed, unknown
from ...reading import check_limit, parser_errors, read_bytes
from ..files import PathOrBytes, suffix_of
from ..table.columns import Columns, read_table
from ..table.kinds import Cells, parse_numbers
from ..table.numbers import find_format
from .times import ROW, Times, find_time_column, read_times, regular_times

# T steps · C channels

ARRAYS = frozenset({"npy"})
TABLES = frozenset({"csv", "tsv", "parquet"})
MAGIC = {b"\x93NUMPY": "npy", b"PAR1": "parquet"}
SERIES_SUFFIXES = frozenset(f".{kind}" for kind in ARRAYS | TABLES)


@dataclass(frozen=True)
class Series:
    """A time series."""

    names: tuple[str, ...]
    """Names of the channels."""
    values: np.ndarray
    """Float64 (T, C); NaN for a missing value."""
    times: Times
    """The time of each step."""

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Window:
    """A run of steps of a series that is held in memory: one example of it."""

    series: Series
    """The series."""
    start: int
    """Its first step."""
    stop: int
    """The step after its last one."""

    @cached_property
    def content(self) -> bytes:
        """The values and times as bytes, by which the window is recognised."""
        run = slice(self.start, self.stop)
        return self.series.values[run].tobytes() + self.series.times.values[run].tobytes()


@parser_errors("series")
def decode(
    source: PathOrBytes,
    *,
    kind: str | None = None,
    time: str | None = None,
    columns: Sequence[str] = (),
) -> Series:
    """Decode a file of a time series, with a row for each step and a column for each channel.

    Cells of a table are numbers in any format that tables may have (`table.numbers`); an empty cell
    is a missing value. A csv file whose first row holds numbers alone has no names: its columns are
    called 1, 2, …. A npy file holds numbers of shape (T,) or (T, C); NaN is a missing value.

    Args:
        source: a path, or the file's bytes.
        kind: csv, tsv, parquet or npy; None: the suffix of the path, or what the first bytes show.
        time: name of the column of times; "row": there is none; None: it is found
            (`times.find_time_column`).
        columns: names of the columns of the channels, in their order; empty: all others.

    Raises:
        ValueError: no such file or column, damaged, a single step, a column of text, times that do
            not increase, or no value at all; the message does not name the file.
        ImportError: the file is parquet and pyarrow is not installed.
    """
    if kind is None and isinstance(source, bytes):
        kind = next((kind for start, kind in MAGIC.items() if source.startswith(start)), "csv")
    kind = suffix_of(source, kind)
    if kind in ARRAYS:
        return _from_array(read_bytes(source), time, columns)
    if kind not in TABLES:
        raise unknown("kind of series", kind, TABLES | ARRAYS)
    table = read_table(source, kind=kind, headless=True)
    named = {name: cells for name, cells in table.columns.items() if name not in table.index}
    return from_columns(named or table.columns, time=time, columns=columns)


def from_columns(cells: Columns, *, time: str | None = None, columns: Sequence[str] = ()) -> Series:
    """Return the series whose steps are the rows of a table; see `decode`.

    Args:
        cells: the columns of the table.
        time: as in `decode`.
        columns: as in `decode`.
    """
    name = find_time_column(cells) if time is None else None if time == ROW else time
    for wanted in (*columns, *([] if name is None else [name])):
        if wanted not in cells:
            raise unknown("column", wanted, cells)
    count = len(next(iter(cells.values())))
    _check_length(count)
    times = regular_times(count) if name is None else read_times(name, cells[name])
    chosen = tuple(columns) or tuple(each for each in cells if each != name)
    if not chosen:
        raise ValueError(f"no columns besides the times {name!r}; expected at least one of values")
    values = np.stack([_numbers(each, cells[each]) for each in chosen], axis=1)
    return _checked(Series(chosen, values, times))


def _from_array(raw: bytes, time: str | None, columns: Sequence[str]) -> Series:
    with parser_errors("npy file, or an array of Python objects"):
        array = np.load(io.BytesIO(raw), allow_pickle=False)
    if array.dtype.kind not in "biuf" or array.ndim not in (1, 2) or 0 in array.shape:
        raise ValueError(
            f"array of {array.dtype} and shape {array.shape}; expected real numbers of shape "
            "(steps,) or (steps, channels)"
        )
    if time not in (None, ROW):
        raise ValueError(f"an array has no column {time!r} of times; save the series as csv")
    check_limit("decoded_bytes", 8 * array.size, "bytes of numbers")
    values = array.reshape(len(array), -1).astype(np.float64)
    _check_length(len(values))
    names = tuple(str(number) for number in range(1, values.shape[1] + 1))
    for wanted in columns:
        if wanted not in names:
            raise unknown("column", wanted, names)
    chosen = [names.index(name) for name in columns or names]
    return _checked(
        Series(tuple(names[i] for i in chosen), values[:, chosen], regular_times(len(values)))
    )


def _numbers(name: str, cells: Cells) -> np.ndarray:
    """Return the values of a column, float64 (T,), NaN where they are missing."""
    filled = [cell for cell in cells if cell is not None]
    if not filled:
        return np.full(len(cells), np.nan)
    number_format = find_format(filled)
    if number_format is None:
        row = next(i for i, cell in enumerate(cells, 1) if find_format([cell]) is None and cell)
        raise ValueError(
            f"column {name!r} holds text, such as {cells[row - 1]!r} in row {row}; expected the "
            "numbers of a series: remove the column"
        )
    try:
        return parse_numbers(cells, number_format)
    except ValueError as error:
        raise ValueError(f"column {name!r}, {error}") from None


def _check_length(count: int) -> None:
    if count < 2:
        raise ValueError(f"{count} step; a series has at least 2, one in each row")


def _checked(series: Series) -> Series:
    """Return the series, if it has any value and all of them are finite."""
    if np.isinf(series.values).any():
        step, channel = np.argwhere(np.isinf(series.values))[0]
        raise ValueError(
            f"{series.names[channel]!r} is infinite at step {step + 1}; correct it, or leave it "
            "empty"
        )
    if np.isnan(series.values).all():
        raise ValueError(
            f"all {series.values.size:,} values of {listed(series.names)} are missing; expected at "
            "least one"
        )
    return series
