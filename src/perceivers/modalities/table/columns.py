"""Read table files (csv, tsv, jsonl, parquet) as named columns of text."""

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import listed, unknown
from ...reading import parser_errors, read_bytes
from ..files import PathOrBytes, suffix_of
from ..text.decode import decode as decode_text
from .content import Content
from .numbers import to_float
from .parquet import read_parquet
from .spelling import Number, canonical, cell_text

Columns = dict[str, list[str | None]]
"""The cells of each column by its name; None for an empty cell."""

UNNAMED = "Unnamed: 0"  # what pandas calls the first column of a csv file if it has no name
SEP_LINE = re.compile(r"\s*sep=([,;\t|])[ \t]*(?:\n|\Z)", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """The columns of a table file, and what the file says about them."""

    columns: Columns
    """The cells of each column by its name, all equally long."""
    index: tuple[str, ...] = ()
    """Names of the columns that hold the index of a pandas DataFrame."""
    categorical: tuple[str, ...] = ()
    """Names of the columns that the file declares as categories."""


def read_columns(
    source: PathOrBytes, *, kind: str | None = None, required: Sequence[str] = ()
) -> Columns:
    """Read the columns of a table file as text; see `read_table`."""
    return read_table(source, kind=kind, required=required).columns


@parser_errors("table")
def read_table(
    source: PathOrBytes,
    *,
    kind: str | None = None,
    required: Sequence[str] = (),
    headless: bool = False,
) -> Table:
    """Read a table file as columns of text.

    - csv: cells are separated by the most frequent of comma, semicolon, tab and | in the header, or
      by the character that a first line such as "sep=;" names. A first column without a name, or
      called "Unnamed: 0", is the index of a DataFrame if it holds whole numbers.
    - tsv: cells are separated by tabs. As in csv, cells may be in double quotes.
    - jsonl: each line is an object. A name that is absent from a line is an empty cell.
    - parquet: each cell is a single value.

    Cells keep the text of the file without the white space around it, except that booleans and
    dates have one spelling (`spelling.canonical`). Numbers in jsonl keep their digits as written.
    NaN in jsonl and parquet is an empty cell. Blank lines are skipped.

    Args:
        source: a path, or the bytes of a file.
        kind: csv, tsv, jsonl (or ndjson) or parquet; None: the suffix of the path. Bytes need it.
        required: names of columns that the table must have.
        headless: whether a csv or tsv file may have no names: if its first row holds numbers alone,
            it is a row like the others, and the columns are called 1, 2, ….

    Returns:
        The table, with its columns in the order of the file. An empty cell is None.

    Raises:
        ValueError: the file does not exist, has no columns or rows, is damaged or neither UTF-8 nor
            marked as UTF-16; the kind is unknown; a row has too few or too many cells; a column has
            no name, occurs twice or is missing. The message gives the line but does not name the
            file.
        ImportError: the file is parquet and pyarrow is not installed.
    """
    kind = suffix_of(source, kind)
    if kind not in READERS:
        raise unknown("kind of table", kind, READERS)
    content = READERS[kind](read_bytes(source))
    if headless and kind in ("csv", "tsv") and _are_numbers(content.names):
        numbers = [str(number) for number in range(1, len(content.names) + 1)]
        content = Content(numbers, [content.names, *content.rows])
    names, rows, index = [name.strip() for name in content.names], list(content.rows), content.index
    if not names:
        raise ValueError("the file is empty; expected named columns and rows")
    if kind in ("csv", "tsv") and names[0] in ("", UNNAMED) and _first_is_whole(rows):
        names[0] = UNNAMED
        index = (UNNAMED,)
    _check_names(names, required)
    if not rows:
        raise ValueError(f"no rows below the columns {listed(names)}; expected at least one")
    columns: Columns = {name: [] for name in names}
    for row in rows:
        for cells, cell in zip(columns.values(), row, strict=True):
            cells.append(spelled_cell(cell))
    return Table(columns, index, content.categorical)


def fold_name(name: str) -> str:
    """Return the name of a column without its case and white space, to tell names that are alike.

    Args:
        name: the name.
    """
    return " ".join(name.casefold().split())


def alike_name(name: str, names: Iterable[str]) -> str | None:
    """Return the first of some names that differs from another in case and white space alone.

    Args:
        name: the other name.
        names: the names.
    """
    return next((x for x in names if fold_name(x) == fold_name(name)), None)


def describe_alike(names: Sequence[str]) -> list[str]:
    """Describe the columns whose names differ in case or white space alone, a line for each group.

    Args:
        names: names of the columns.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(fold_name(name), []).append(name)
    return [
        f"the columns {' and '.join(map(repr, group))} differ in case or spaces alone; they are "
        "read as different columns: if they are one, merge them"
        for group in groups.values()
        if len(group) > 1
    ]


def spelled_cell(cell: str | None) -> str | None:
    """Return a cell without the white space around it, in its one spelling; None if it is empty."""
    if cell is None or isinstance(cell, Number):
        return cell
    text = cell.strip()
    return canonical(text) if text else None


def _are_numbers(cells: Sequence[str]) -> bool:
    """Return whether cells are numbers or empty, and not all are empty."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    return bool(filled) and all(to_float(cell) is not None for cell in filled)


def _first_is_whole(rows: Sequence[Sequence[str | None]]) -> bool:
    """Return whether the first cell of each row is a whole number."""
    return all(row[0] and row[0].strip().removesuffix(".0").isdecimal() for row in rows)


def _check_names(names: list[str], required: Sequence[str]) -> None:
    for index, name in enumerate(names, 1):
        if not name:
            raise ValueError(
                f"column {index} of {len(names)} has no name; give it one (pandas writes an index "
                "column without a name unless called with index=False)"
            )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            f"columns {repeated} occur more than once, apart from spaces around the name; expected "
            "distinct names: rename or remove one"
        )
    for name in required:
        if name not in names:
            raise unknown("column", name, names)


def _read_csv(raw: bytes) -> Content:
    text = decode_text(raw)
    if match := SEP_LINE.match(text):  # written by Excel; a blank line keeps the numbers of lines
        return _read_delimited("\n" + text[match.end() :], match[1])
    header = re.sub(r'"[^"]*"', "", text.lstrip("\n").split("\n", 1)[0])
    return _read_delimited(text, max(",;\t|", key=header.count))


def _read_tsv(raw: bytes) -> Content:
    return _read_delimited(decode_text(raw), "\t")


def _read_delimited(text: str, delimiter: str) -> Content:
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
        return Content([], [])
    (_, names), *rows = numbered
    for line, cells in rows:
        if len(cells) != len(names):
            raise ValueError(
                f"line {line} has {len(cells)} cells; expected {len(names)}, one for each of "
                f"{listed(names)}; quote cells that contain {delimiter!r}"
            )
    return Content(names, [cells for _, cells in rows])


class _JsonObject(list[tuple[str, Any]]):
    """A JSON object as pairs of name and value, in which repeated names can be seen."""


def _read_jsonl(raw: bytes) -> Content:
    objects: list[dict[str, str | None]] = []
    for line, text in enumerate(decode_text(raw).split("\n"), 1):
        if text.strip():
            pairs = _parse_object(text, line)
            objects.append(
                {name: cell_text(value, f"line {line}, column {name!r}") for name, value in pairs}
            )
    names = list(dict.fromkeys(name for cells in objects for name in cells))
    return Content(names, [[cells.get(name) for name in names] for cells in objects])


def _parse_object(text: str, line: int) -> _JsonObject:
    """Parse a line as a JSON object whose numbers stay text, so that 1.10 stays "1.10"."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_JsonObject,
            parse_float=Number,
            parse_int=Number,
            parse_constant=lambda text: None if text == "NaN" else Number(text),
        )
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"line {line} is not JSON ({error})") from None
    if not isinstance(value, _JsonObject):
        raise ValueError(f"line {line} is a {type(value).__name__}; expected an object {{…}}")
    names = [name for name, _ in value]
    if len(set(names)) < len(names):
        raise ValueError(
            f"line {line} repeats a name among {listed(names)}; expected distinct names"
        )
    return value


READERS: dict[str, Callable[[bytes], Content]] = {
    "csv": _read_csv,
    "tsv": _read_tsv,
    "jsonl": _read_jsonl,
    "ndjson": _read_jsonl,
    "parquet": read_parquet,
}
