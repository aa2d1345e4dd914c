"""Read parquet files: the cells, and what pandas notes about its columns."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import missing_extra
from ...reading import check_limit, parser_errors
from .content import Content
from .spelling import cell_text


def read_parquet(raw: bytes) -> Content:
    """Read the bytes of a parquet file.

    Args:
        raw: the bytes.

    Raises:
        ValueError: the file is damaged, or a cell is a list, an object or bytes.
        ImportError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise missing_extra("pyarrow", "data") from None
    with parser_errors("parquet file"):
        file = pyarrow.parquet.ParquetFile(io.BytesIO(raw))
        _check_size(file.metadata)
        table = file.read()
        values = [_values(column) for column in table.columns]
    names = table.column_names
    cells = [
        [cell_text(value, f"column {name!r}") for value in column]
        for name, column in zip(names, values, strict=True)
    ]
    notes = _pandas_notes(table.schema)
    noted = {
        column.get("field_name", column.get("name"))
        for column in _dictionaries(notes.get("columns"))
        if column.get("pandas_type") == "categorical"
    }
    categorical = tuple(
        field.name
        for field in table.schema
        if field.name in noted or pyarrow.types.is_dictionary(field.type)
    )
    index = notes.get("index_columns")
    named = index if isinstance(index, list) else []  # a range is an object, and not stored
    return Content(
        names,
        zip(*cells, strict=True),
        tuple(name for name in named if isinstance(name, str) and name in names),
        categorical,
    )


def _check_size(metadata: Any) -> None:
    """Refuse a file of which little is stored and much is decoded."""
    cells = metadata.num_rows * metadata.num_columns
    if cells < 0:
        raise ValueError(f"damaged parquet file: it states {metadata.num_rows} rows")
    check_limit("cells", cells, "cells", "Split the table")
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    decoded = sum(group.total_byte_size for group in groups)
    check_limit("decoded_bytes", decoded, "bytes of decoded cells", "Split the table")


def _values(column: Any) -> list[Any]:
    """Return the values of a column (a `pyarrow.ChunkedArray`).

    32-bit floats keep their precision, so that 0.1 is not 0.10000000149; times become text, because
    Python's have no nanoseconds.
    """
    import pyarrow

    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pyarrow.types.is_temporal(kind) and not pyarrow.types.is_duration(kind):
        values: list[Any] = column.cast(pyarrow.string()).to_pylist()
        return values
    if pyarrow.types.is_float32(kind) or pyarrow.types.is_float16(kind):
        number = kind.to_pandas_dtype()
        return [None if value is None else number(value) for value in column.to_pylist()]
    return list(column.to_pylist())


def _pandas_notes(schema: Any) -> dict[str, Any]:
    """Return what pandas noted in the schema of a file; empty if there is nothing readable."""
    try:
        notes = schema.pandas_metadata
    except ValueError:  # damaged JSON
        return {}
    return notes if isinstance(notes, dict) else {}


def _dictionaries(items: Any) -> Iterator[dict[str, Any]]:
    """Yield the dictionaries of a list; none if it is not a list."""
    yield from (
        item for item in (items if isinstance(items, list) else []) if isinstance(item, dict)
    )


def holds_images(path: Path) -> bool:
    """Return whether a parquet file has a column of images, as data sets on the hub do.

    Also True if this cannot be told: the file is damaged, or pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet

        kinds = pyarrow.parquet.read_schema(path).types
    except Exception:
        return True
    return any(
        pyarrow.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 for kind in kinds
    )
