"""Read table files (csv, tsv, jsonl, parquet) as named columns of text."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...errors import missing_extra, unknown
from ..files import PathOrBytes, read_bytes, suffix_of
from ..text.decode import decode as decode_text

Columns = dict[str, list[str | None]]
"""The cells of each column by its name; None for an empty cell."""
Rows = tuple[list[str], Iterable[Sequence[str | None]]]
"""The names of the columns, and for each row its cells in the same order."""


def read_columns(
    source: PathOrBytes, *, kind: str | None = None, required: Sequence[str] = ()
) -> Columns:
    """Read a table file as columns of text.

    - csv: cells are separated by commas, or, if the header has no comma, by semicolons or tabs.
    - tsv: cells are separated by tabs. As in csv, cells may be in double quotes.
    - jsonl: each line is an object. A name that is absent from a line is an empty cell.
    - parquet: each cell is a single value.

    Cells keep the text of the file without the white space around it; numbers in jsonl keep their
    digits as written. True and false become "true" and "false" in jsonl and parquet. Blank lines
    are skipped.

    Args:
        source: a path, or the bytes of a file.
        kind: csv, tsv, jsonl (or ndjson) or parquet; None: the suffix of the path. Bytes need it.
        required: names of columns that the table must have.

    Returns:
        The cells of each column by its name, in the order of the file and all equally long. An
        empty cell is None.

    Raises:
        ValueError: the file does not exist, has no columns or rows, is damaged or not UTF-8; the
            kind is unknown; a row has too few or too many cells; a column has no name, occurs twice
            or is missing. The message gives the line but does not name the file.
        ImportError: the file is parquet and pyarrow is not installed.
    """
    kind = suffix_of(source, kind)
    if kind not in READERS:
        raise unknown("kind of table", kind, READERS)
    names, rows = READERS[kind](read_bytes(source))
    names = [name.strip() for name in names]
    if not names:
        raise ValueError("the file is empty; expected named columns and rows")
    _check_names(names, required)
    columns: Columns = {name: [] for name in names}
    for row in rows:
        for cells, cell in zip(columns.values(), row, strict=True):
            text = None if cell is None else cell.strip()
            cells.append(text or None)
    if not next(iter(columns.values())):
        raise ValueError(f"no rows below the columns {', '.join(names)}; expected at least one")
    return columns


def cell_text(value: Any, place: str) -> str | None:
    """Convert a value to the text of a cell.

    Args:
        value: text, a number, a boolean, or any other single value, such as a path or a date.
        place: description of the cell for the error message, such as "column 'age'".

    Returns:
        The text, in lower case for a boolean; None for None and NaN.

    Raises:
        ValueError: the value is a list, a dictionary or bytes.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict | bytes):
        raise ValueError(
            f"{place} holds a list, an object or bytes; expected text, a number or a boolean"
        )
    is_nan = value != value
    return None if is_nan else str(value)


def _check_names(names: list[str], required: Sequence[str]) -> None:
    for index, name in enumerate(names, 1):
        if not name:
            raise ValueError(
                f"column {index} of {len(names)} has no name; give it one (pandas writes an index "
                "column without a name unless called with index=False)"
            )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"columns {repeated} occur more than once; expected distinct names")
    for name in required:
        if name not in names:
            raise unknown("column", name, names)


def _read_csv(raw: bytes) -> Rows:
    text = decode_text(raw)
    header = text.lstrip("\n").split("\n", 1)[0]
    return _read_delimited(text, next((d for d in ",;\t" if d in header), ","))


def _read_tsv(raw: bytes) -> Rows:
    return _read_delimited(decode_text(raw), "\t")


def _read_delimited(text: str, delimiter: str) -> Rows:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    numbered: list[tuple[int, list[str]]] = []
    limit = csv.field_size_limit(sys.maxsize)  # a cell may be a whole document
    try:
        numbered += [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise ValueError(f"damaged table: line {reader.line_num}: {error}") from None
    finally:
        csv.field_size_limit(limit)
    if not numbered:
        return [], []
    (_, names), *rows = numbered
    for line, cells in rows:
        if len(cells) != len(names):
            raise ValueError(
                f"line {line} has {len(cells)} cells; expected {len(names)}, one for each of "
                f"{', '.join(names)}; quote cells that contain {delimiter!r}"
            )
    return names, [cells for _, cells in rows]


class _JsonObject(list[tuple[str, Any]]):
    """A JSON object as pairs of name and value, in which repeated names can be seen."""


def _read_jsonl(raw: bytes) -> Rows:
    objects: list[dict[str, str | None]] = []
    for line, text in enumerate(decode_text(raw).split("\n"), 1):
        if text.strip():
            pairs = _parse_object(text, line)
            objects.append(
                {name: cell_text(value, f"line {line}, column {name!r}") for name, value in pairs}
            )
    names = list(dict.fromkeys(name for cells in objects for name in cells))
    return names, [[cells.get(name) for name in names] for cells in objects]


def _parse_object(text: str, line: int) -> _JsonObject:
    """Parse a line as a JSON object whose numbers stay text, so that 1.10 stays "1.10"."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_JsonObject,
            parse_float=str,
            parse_int=str,
            parse_constant=str,
        )
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"line {line} is not JSON ({error})") from None
    if not isinstance(value, _JsonObject):
        raise ValueError(f"line {line} is a {type(value).__name__}; expected an object {{…}}")
    names = [name for name, _ in value]
    if len(set(names)) < len(names):
        raise ValueError(
            f"line {line} repeats a name among {', '.join(names)}; expected distinct names"
        )
    return value


def _read_parquet(raw: bytes) -> Rows:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise missing_extra("pyarrow", "data") from None
    try:
        table = pyarrow.parquet.read_table(io.BytesIO(raw))
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"damaged parquet file ({str(error).splitlines()[0]})") from None
    cells = [
        [cell_text(value, f"column {name!r}") for value in column.to_pylist()]
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return table.column_names, zip(*cells, strict=True)


READERS: dict[str, Callable[[bytes], Rows]] = {
    "csv": _read_csv,
    "tsv": _read_tsv,
    "jsonl": _read_jsonl,
    "ndjson": _read_jsonl,
    "parquet": _read_parquet,
}
