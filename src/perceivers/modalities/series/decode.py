"""Decoding of files of time series: csv, tsv and parquet with a row for each step, and npy."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np

from ...errors import listed, unknown
from ...reading import check_limit, parser_errors, read_bytes
from ..files import PathOrBytes, suffix_of
from ..table.columns import Columns, Table, read_table
from ..table.dates import DateFormat
from ..table.kinds import Cells, read_numbers
from ..table.numbers import PLAIN, NumberFormat, find_format
from .times import ROW, Times, find_time_column, may_be_times, read_times, regular_times

# T steps · C channels

ARRAYS = frozenset({"npy"})
TABLES = frozenset({"csv", "tsv", "jsonl", "ndjson", "parquet"})
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
    formats: Mapping[str, str] = field(default_factory=dict)
    """How the numbers and times of a column are written, by its name; see
    `SeriesConfig.number_formats`."""

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
    formats: Mapping[str, str] = MappingProxyType({}),
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
        formats: how numbers and times are written in training files; see
            `SeriesConfig.number_formats`.

    Raises:
        ValueError: no such file or column, damaged, a single step, a column of text, times that do
            not increase, or no value at all; the message does not name the file.
        ImportError: the file is parquet and pyarrow is not installed.
    """
    kind = _kind_of(source, kind)
    if kind in ARRAYS:
        return _from_array(read_bytes(source), time, columns)
    return from_columns(_cells(source, kind), time=time, columns=columns, formats=formats)


def read_cells(source: PathOrBytes) -> Columns:
    """Return the cells of a file of a series by the names of the columns; none of an array."""
    kind = _kind_of(source, None)
    return {} if kind in ARRAYS else _cells(source, kind)


def _kind_of(source: PathOrBytes, kind: str | None) -> str:
    if kind is None and isinstance(source, bytes):
        kind = next((kind for start, kind in MAGIC.items() if source.startswith(start)), "csv")
    kind = suffix_of(source, kind)
    if kind not in TABLES | ARRAYS:
        raise unknown("kind of series", kind, TABLES | ARRAYS)
    return kind


def _cells(source: PathOrBytes, kind: str) -> Columns:
    return steps_of(read_table(source, kind=kind, headless=True))


def steps_of(table: Table) -> Columns:
    """Return the columns of a series, without the index of a DataFrame, unless that is of times.

    Args:
        table: the table whose rows are the steps.
    """
    columns, index = (
        table.columns,
        [x for x in table.index if not may_be_times(x, table.columns[x])],
    )
    return {name: cells for name, cells in columns.items() if name not in index} or columns


def from_columns(
    cells: Columns,
    *,
    time: str | None = None,
    columns: Sequence[str] = (),
    formats: Mapping[str, str] = MappingProxyType({}),
) -> Series:
    """Return the series whose steps are the rows of a table; see `decode`.

    Args:
        cells: the columns of the table.
        time: as in `decode`.
        columns: as in `decode`.
        formats: as in `decode`.
    """
    name = find_time_column(cells) if time is None else None if time == ROW else time
    for wanted in (*columns, *([] if name is None else [name])):
        if wanted not in cells:
            raise unknown("column", wanted, cells)
    count = len(next(iter(cells.values())))
    _check_length(count)
    times = (
        regular_times(count) if name is None else read_times(name, cells[name], formats.get(name))
    )
    chosen = tuple(columns) or tuple(each for each in cells if each != name)
    if not chosen:
        raise ValueError(f"no columns besides the times {name!r}; expected at least one of values")
    read = {each: _numbers(each, cells[each], formats.get(each)) for each in chosen}
    written = {each: number_format for each, (_, number_format) in read.items()}
    if name is not None:
        written[name] = times.written
    values = np.stack([numbers for numbers, _ in read.values()], axis=1)
    return _checked(Series(chosen, values, times, unusual(written)))


def unusual(written: Mapping[str, NumberFormat]) -> dict[str, str]:
    """Return the examples of the formats that are not those of plain digits and plain dates.

    Args:
        written: the format of each column by its name.
    """
    return {
        name: each.example for name, each in written.items() if each not in (PLAIN, DateFormat())
    }


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


def _numbers(name: str, cells: Cells, known: str | None) -> tuple[np.ndarray, NumberFormat]:
    """Return the values of a column, float64 (T,), NaN where they are missing, and their format."""
    if all(cell is None for cell in cells):
        return np.full(len(cells), np.nan), PLAIN
    try:
        read = read_numbers(cells, known)
    except ValueError as error:
        raise ValueError(f"column {name!r}, {error}") from None
    if read is None:
        row = next(i for i, cell in enumerate(cells, 1) if cell and find_format([cell]) is None)
        raise ValueError(
            f"column {name!r} holds text, such as {cells[row - 1]!r} in row {row}; expected the "
            "numbers of a series: remove the column"
        )
    return read


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
