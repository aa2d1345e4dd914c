"""From the body of a request to examples that the model takes."""

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..data.manifest import RowFiles
from ..modalities.accepts import accepted_suffixes, describe_files
from ..modalities.clips import without_clips
from ..modalities.fusion.rows import Row, RowReader
from ..modalities.image.opening import ARRAY_SUFFIX
from ..modalities.image.reader import ImageReader
from ..modalities.table.config import TABLE_SUFFIXES
from ..modalities.text.reader import TextReader
from ..predict import Predictor, Prepared
from ..predict.answers import Answerer
from ..printing import printable
from ..reading import Limits, using

Responder = Predictor | Answerer
"""What answers about examples."""

MAX_NAME = 200  # characters of a file name that are kept


@dataclass(frozen=True)
class Upload:
    """One example of a request, not yet decoded."""

    name: str
    """Name that the client gave the file; "text 1", "row 1" for others. Safe to print."""
    suffix: str = ""
    """Suffix of the file, in lower case."""
    content: bytes = b""
    """Bytes of the file, or of the text."""
    cells: Mapping[str, str | None] | None = None
    """Cells of a row of a table, by column."""
    files: Mapping[str, "Upload"] | None = None
    """Files of a row of a table, by column."""


class Refused(ValueError):
    """A request, or an example of it, that cannot be answered.

    Args:
        message: why.
        status: the HTTP status of the answer.
    """

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


def named_upload(filename: str | None, content: bytes) -> Upload:
    """Return an uploaded file; only the last part of its name is kept, and nothing is opened."""
    name = printable(PurePosixPath((filename or "file").replace("\\", "/")).name)[-MAX_NAME:]
    return Upload(name or "file", PurePosixPath(name).suffix.lower(), content)


def from_json(body: bytes, predictor: Responder, *, most: int) -> list[Upload]:
    """Return the texts or rows of a JSON request.

    Args:
        body: `{"texts": ["…", …]}` for a model of texts, `{"rows": [{"column": value}, …]}` for a
            model of tables.
        predictor: the predictor of the service.
        most: largest number of examples.

    Raises:
        Refused: the body is no such object, or the model reads something else.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the body is not JSON ({printable(error)})", 400) from None
    reader = without_clips(predictor.reader)
    kinds = [kind for kind in ("texts", "rows") if isinstance(data, dict) and kind in data]
    if len(kinds) != 1 or not isinstance(data[kinds[0]], list):
        raise Refused('expected {"texts": [...]} or {"rows": [{...}, ...]}', 400)
    items = data[kinds[0]]
    if not 1 <= len(items) <= most:
        raise Refused(f"got {len(items)} examples; expected 1 to {most} in a request", 413)
    if kinds[0] == "texts":
        if not isinstance(reader, TextReader):
            raise Refused(f"got texts, but {describe_files(reader)}", 415)
        if not all(isinstance(item, str) for item in items):
            raise Refused("texts: expected a list of strings", 400)
        return [
            Upload(f"text {i}", ".txt", item.encode(errors="replace"))
            for i, item in enumerate(items, 1)
        ]
    if not isinstance(reader, RowReader):
        raise Refused(f"got rows of a table, but {describe_files(reader)}", 415)
    return [_row(f"row {i}", item, {}, reader) for i, item in enumerate(items, 1)]


def from_form(
    files: Sequence[tuple[str, Upload]], fields: Mapping[str, str], predictor: Responder
) -> list[Upload]:
    """Return the examples of a multipart request.

    Args:
        files: the files, each with the name of its field.
        fields: the other fields. For a model of tables, fields and files that are named like its
            columns make up one row.
        predictor: the predictor of the service.

    Raises:
        Refused: there is no file.
    """
    reader = without_clips(predictor.reader)
    if isinstance(reader, RowReader):
        columns = set(reader.columns)
        uploads = {name: upload for name, upload in files if name in columns}
        cells = {name: value for name, value in fields.items() if name in columns}
        if uploads or cells:
            return [_row("row 1", cells, uploads, reader)]
    if not files:
        raise Refused(f"the request has no file; {describe_files(reader)}", 400)
    return [upload for _, upload in files]


def is_table(upload: Upload, predictor: Responder) -> bool:
    """Return whether an upload is a table whose rows are the examples."""
    reads_rows = isinstance(without_clips(predictor.reader), RowReader)
    return reads_rows and upload.cells is None and upload.suffix in TABLE_SUFFIXES


def table_rows(upload: Upload, predictor: Responder, limits: Limits) -> list[Upload]:
    """Return the rows of an uploaded table.

    Raises:
        Refused: the table cannot be read, or a cell names a file.
    """
    reader = without_clips(predictor.reader)
    assert isinstance(reader, RowReader)
    with using(limits), tempfile.TemporaryDirectory(prefix="perceivers-") as folder:
        try:
            rows = list(RowFiles.read(_write(upload, Path(folder), "table"), reader))
        except (ValueError, OSError) as error:
            raise _refused(upload, error, folder) from None
    return [
        _row(f"{upload.name} row {i}", row.cells, {}, reader) for i, (_, row) in enumerate(rows, 1)
    ]


def decode(upload: Upload, predictor: Responder, limits: Limits) -> Prepared:
    """Decode an example as in training.

    Args:
        upload: the example.
        predictor: the predictor of the service.
        limits: the most that is read.

    Raises:
        Refused: it cannot be read; the message has its name.
    """
    reader = without_clips(predictor.reader)
    if upload.cells is None and not isinstance(reader, TextReader):
        _check_suffix(upload, predictor)
    # The formats of images and texts do not depend on the name of the file: no file is needed.
    in_memory = isinstance(reader, ImageReader) and upload.suffix != ARRAY_SUFFIX
    lines = isinstance(predictor, Answerer) and upload.suffix in predictor.more_suffixes
    with using(limits):
        if (isinstance(reader, TextReader) and not lines) or in_memory:
            try:
                return predictor.prepare(upload.content)
            except ValueError as error:
                raise _refused(upload, error, "") from None
        with tempfile.TemporaryDirectory(prefix="perceivers-") as folder:
            try:
                if upload.cells is not None:
                    return predictor.prepare(_write_row(upload, Path(folder)))
                return predictor.prepare(_write(upload, Path(folder), "file"))
            except (ValueError, OSError) as error:
                raise _refused(upload, error, folder) from None


def _refused(upload: Upload, error: Exception, folder: str) -> Refused:
    """Return an error with the client's name of a file in place of ours."""
    reason = str(error).removeprefix("bytes: ")
    if folder:
        reason = re.sub(rf"{re.escape(folder)}/\w+(\.\w+)?(: )?", "", reason)
    return Refused(f"{upload.name}: {printable(reason)}")


def _row(name: str, item: Any, files: Mapping[str, Upload], reader: RowReader) -> Upload:
    """Return a row of a table; a cell of a JSON request must not name a file of this machine."""
    if not isinstance(item, Mapping):
        raise Refused(f"{name}: expected an object of values by column", 400)
    named = [column for column in reader.files.values() if item.get(column) is not None]
    if named:
        raise Refused(
            f"{name}: column {printable(named[0])} holds a file; send it as the multipart field of "
            "that name"
        )
    try:
        return Upload(name, cells=Row.of(item).cells, files=files)
    except ValueError as error:
        raise Refused(f"{name}: {printable(error)}") from None


def _write_row(upload: Upload, folder: Path) -> Row:
    """Return a row whose files are written to a folder."""
    cells = dict(upload.cells or {})
    for index, (column, file) in enumerate((upload.files or {}).items()):
        cells[column] = _write(file, folder, f"file{index}").name
    return Row(cells, folder, upload.name)


def _write(upload: Upload, folder: Path, stem: str) -> Path:
    suffix = upload.suffix if upload.suffix.isascii() and upload.suffix[1:].isalnum() else ""
    path = folder / f"{stem}{suffix}"
    path.write_bytes(upload.content)
    return path


def _check_suffix(upload: Upload, predictor: Responder) -> None:
    reader = without_clips(predictor.reader)
    if upload.suffix not in accepted_suffixes(reader):
        raise Refused(f"{upload.name}: {describe_files(reader)}", 415)
