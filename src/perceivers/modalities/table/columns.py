"""A table in: csv, tsv, jsonl or parquet → named columns of text, nothing where a cell is empty."""

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


def read_columns(
    source: PathOrBytes, *, kind: str | None = None, required: Sequence[str] = ()
) -> Columns:
    """A table → its columns by name, in its order, all equally long; None: an empty cell.

    csv: parted by commas, or by semicolons or tabs where the line of names has no comma; tsv: by
    tabs; both with quotes as usual. jsonl: an object a line; a name that a line lacks is an empty
    cell. Cells come as the text that stands there, without white space around it; true and false as
    "true" and "false". Blank lines are left out.

    Args:
        source: a path, or the file's bytes.
        kind: csv, tsv, jsonl (or ndjson) or parquet; None: the path's suffix. Bytes need it.
        required: names of columns that must be there.

    Raises:
        ValueError: no such file, unknown kind, no rows, not UTF-8, damaged, a ragged row, a column
            nameless, there twice or missing; the message says which line, not which file.
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
        raise ValueError(f"no rows below the columns {', '.join(names)}")
    return columns


Rows = tuple[list[str], Iterable[Sequence[str | None]]]  # names, and cells in their order


def _check_names(names: list[str], required: Sequence[str]) -> None:
    for index, name in enumerate(names, 1):
        if not name:
            raise ValueError(
                f"column {index} of {len(names)} has no name; give it one (pandas writes a "
                "nameless one unless told index=False)"
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"columns {twice} are there twice; expected names that differ")
    for name in required:
        if name not in names:
            raise unknown("column", name, names)


def _read_csv(raw: bytes) -> Rows:
    text = decode_text(raw)
    head = text.lstrip("\n").split("\n", 1)[0]
    return _delimited(text, next((d for d in ",;\t" if d in head), ","))


def _read_tsv(raw: bytes) -> Rows:
    return _delimited(decode_text(raw), "\t")


def _delimited(text: str, delimiter: str) -> Rows:
    lines = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    found: list[tuple[int, list[str]]] = []
    limit = csv.field_size_limit(sys.maxsize)  # a cell may be a whole text
    try:
        found += [(lines.line_num, cells) for cells in lines if cells]
    except csv.Error as error:
        raise ValueError(f"damaged table: line {lines.line_num}: {error}") from None
    finally:
        csv.field_size_limit(limit)
    if not found:
        return [], []
    (_, names), *rows = found
    for line, cells in rows:
        if len(cells) != len(names):
            raise ValueError(
                f"line {line} has {len(cells)} cells; expected {len(names)}, one for each of "
                f"{', '.join(names)}; put cells that hold {delimiter!r} in quotes"
            )
    return names, [cells for _, cells in rows]


def _read_jsonl(raw: bytes) -> Rows:
    """Numbers as they are written, so that 1.10 stays 1.10."""
    objects: list[dict[str, str | None]] = []
    for line, text in enumerate(decode_text(raw).split("\n"), 1):
        if not text.strip():
            continue
        try:
            found = json.loads(
                text,
                object_pairs_hook=_Object,
                parse_float=str,
                parse_int=str,
                parse_constant=str,
            )
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"line {line} is not JSON ({error})") from None
        if not isinstance(found, _Object):
            raise ValueError(f"line {line} is a {type(found).__name__}; expected an object {{…}}")
        names = [name for name, _ in found]
        if len(set(names)) < len(names):
            raise ValueError(f"line {line} gives a name twice: {', '.join(names)}")
        objects.append({name: as_cell(value, f"line {line}, {name!r}") for name, value in found})
    every = list(dict.fromkeys(name for item in objects for name in item))
    return every, [[item.get(name) for name in every] for item in objects]


class _Object(list[tuple[str, Any]]):
    """A JSON object as pairs, in which a name can be there twice."""


def as_cell(value: Any, where: str) -> str | None:
    """A single value as the text of a cell; ValueError, with `where`, if it is none."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict | bytes):
        raise ValueError(f"{where} holds more than one value, or bytes; expected text or a number")
    return None if value != value else str(value)  # a NaN is an empty cell


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
        [as_cell(value, f"column {name!r}") for value in column.to_pylist()]
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
