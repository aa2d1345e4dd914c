"""The reader of table rows, whose parts are files, texts, and all other cells together."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from typing_extensions import override

from ...errors import listed
from ..files import PathOrBytes
from ..media import VIDEO_SUFFIXES, NoTrack
from ..reader import ArrayReader, Reader
from ..table.columns import Columns, alike_name, spelled_cell
from ..table.config import TABLE_SUFFIXES
from ..table.reader import CellReader
from ..table.spelling import cell_text
from ..text.decode import decode as decode_text
from ..video.reader import VideoReader
from .presence import PRESENT, batch_parts, part_lengths
from .reader import FusionReader

# K clips

ReadSource = Callable[[ArrayReader, PathOrBytes], np.ndarray]


@dataclass(frozen=True)
class Row:
    """The cells of a row of a table."""

    cells: Mapping[str, str | None]
    """Text of the cells by column. An absent column and None are both missing cells."""
    folder: Path = Path()
    """Folder that the file names in the cells are relative to."""
    name: str = "row"
    """Name of the row in messages."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Row":
        """Build a row from Python values; file names are relative to the working directory.

        Args:
            values: text, numbers, booleans and paths by column. None, NaN, NaT, pandas' NA and
                blank text are missing cells.

        Raises:
            ValueError: a list, a dictionary or bytes in a cell.
        """
        cells = {name: cell_text(value, f"column {name!r}") for name, value in values.items()}
        return cls({name: spelled_cell(cell) for name, cell in cells.items()})


@dataclass(frozen=True)
class RowReader(Reader):
    """Read rows of a table as dictionaries with an example of each part.

    A part "photo" has two entries: the example "photo", and "photo.present", which is False if the
    cell is empty or names a file without such a track. "photo" is all zeros then; missing numbers
    and categories are NaN. A row without any part cannot be read.
    """

    parts: Mapping[str, ArrayReader | CellReader]
    """The reader of each part by its name. A part in neither `files` nor `texts` has a
    `CellReader`, which names its columns."""
    files: Mapping[str, str]
    """The column with the file names of a part, by the name of the part."""
    texts: Mapping[str, str]
    """The column with the text of a part, by the name of the part."""

    @property
    @override
    def noun(self) -> str:
        return "rows of a table"

    @property
    @override
    def suffixes(self) -> frozenset[str]:
        return TABLE_SUFFIXES

    @property
    @override
    def nbytes(self) -> int:
        return sum(part.nbytes + 1 for part in self.parts.values())

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns that are read, each once."""
        others = (
            name for part in self._cell_readers() for name in (*part.numeric, *part.categorical)
        )
        return tuple(dict.fromkeys((*self.files.values(), *self.texts.values(), *others)))

    def screen(self, columns: Columns) -> tuple[Columns, list[str]]:
        """Empty the numbers and categories of a table that the model cannot read.

        Args:
            columns: columns of the table.

        Returns:
            The columns, and what was emptied, one line for each column; see `CellReader.screen`.
        """
        problems: list[str] = []
        for part in self._cell_readers():
            columns, lines = part.screen(columns)
            problems += lines
        return columns, problems

    @override
    def decode(self, source: Row | Mapping[str, Any] | PathOrBytes) -> dict[str, np.ndarray]:
        """Decode each part of a row.

        Args:
            source: a row, or its values by column. The path of a file stands for a row with only
                this file, in the column whose files have its suffix.

        Raises:
            ValueError: a file cannot be read, a cell of a numeric column is not a number, the row
                has no part, or a single file belongs to no column or to several.
        """
        return self._read_parts(
            self.row_of(source), lambda part, content: part.decode(content), None
        )

    @override
    def decode_whole(self, source: PathOrBytes) -> dict[str, np.ndarray]:
        """Raise a `ValueError`: the parts of a row are always read at the sizes of the model."""
        raise ValueError("rows of a table are only read at the model's sizes; leave own_size out")

    @property
    @override
    def has_clips(self) -> bool:
        """Whether any part has clips."""
        return any(reader.has_clips for reader in self._array_readers().values())

    @override
    def clips(
        self, source: Row | Mapping[str, Any] | PathOrBytes, count: int
    ) -> dict[str, np.ndarray]:
        """Read several clips of each part that has clips, and repeat the other parts.

        Args:
            source: as in `decode`.
            count: K, number of clips.

        Raises:
            ValueError: as in `decode`.
        """

        def read(part: ArrayReader, content: PathOrBytes) -> np.ndarray:
            if part.has_clips:
                return part.clips(content, count)
            return np.repeat(part.decode(content)[None], count, axis=0)

        return self._read_parts(self.row_of(source), read, count)

    @override
    def batch(self, examples: dict[str, Any]) -> dict[str, Any]:
        return batch_parts(self.parts, examples)

    @override
    def lengths(self, examples: dict[str, Any]) -> Tensor | None:
        return part_lengths(self.parts, examples)

    def row_of(self, source: Row | Mapping[str, Any] | PathOrBytes) -> Row:
        """Return a source of `decode` as a row.

        Args:
            source: as in `decode`.

        Raises:
            ValueError: bytes, a list or a dictionary in a cell, or a single file that belongs to no
                column or to several.
        """
        if isinstance(source, Row):
            return source
        if isinstance(source, Mapping):
            self._check_names(source)
            return Row.of(source)
        if isinstance(source, bytes):
            raise ValueError(
                "got bytes, whose column is unknown; expected a row, such as {column: path}"
            )
        column = self._column_of(Path(source).suffix.lower())
        if column in self.texts.values():
            return Row.of({column: decode_text(source)})  # stripped of white space, as a cell is
        return Row({column: str(source)})

    def _check_names(self, names: Collection[str]) -> None:
        """Refuse a row whose names are those of columns but for their case or spaces."""
        columns = self.columns
        for name in names:
            own = None if name in columns else alike_name(str(name), columns)
            if own is not None and own not in names:
                raise ValueError(f"the row has {name!r}, but the column is called {own!r}")

    def _column_of(self, suffix: str) -> str:
        """Return the column whose reader accepts files with a suffix.

        If the readers of several columns do, video files belong to the columns that are read as
        video, and other files to the other columns.
        """
        column_of_part = {**self.files, **self.texts}
        readers = self._array_readers()
        accepting = [part for part, reader in readers.items() if suffix in reader.suffixes]
        columns = list(dict.fromkeys(column_of_part[part] for part in accepting))
        video_columns = {
            column_of_part[part]
            for part, reader in readers.items()
            if isinstance(reader, VideoReader)
        }
        is_video = suffix in VIDEO_SUFFIXES
        columns = [name for name in columns if (name in video_columns) == is_video] or columns
        if len(columns) == 1:
            return columns[0]
        if columns:
            raise ValueError(
                f"the file could belong to any of the columns {listed(columns)}; pass a table, "
                f"or from Python a row such as {{{columns[0]!r}: file}}"
            )
        nouns = [f"{column_of_part[part]} ({reader.noun})" for part, reader in readers.items()]
        raise ValueError(
            f"no column reads files {f'with suffix {suffix}' if suffix else 'without a suffix'}; "
            f"the model reads {listed(nouns) or 'numbers and categories'}: pass "
            f"{'such a file, or a table' if nouns else 'a table'}"
        )

    def _cell_readers(self) -> list[CellReader]:
        """Return the readers of the parts that are numbers and categories."""
        return [part for part in self.parts.values() if isinstance(part, CellReader)]

    def _array_readers(self) -> dict[str, ArrayReader]:
        """Return the readers of the parts that are files or texts."""
        return {name: x for name, x in self.parts.items() if isinstance(x, ArrayReader)}

    def _read_parts(self, row: Row, read: ReadSource, count: int | None) -> dict[str, np.ndarray]:
        """Read each part of a row.

        Args:
            row: the row.
            read: reads a file or text with the reader of its part.
            count: number of clips that `read` returns; None: an example without an axis of clips.
        """
        example: dict[str, np.ndarray] = {}
        leading_shape = () if count is None else (count,)
        for name, part in self.parts.items():
            if isinstance(part, CellReader):
                values = part.decode(row.cells)
                example[name] = np.tile(values, (*leading_shape, 1))
                present = part.any_present(values)
            else:
                decoded = self._read_cell(row, name, part, read)
                present = decoded is not None
                missing = np.zeros((*leading_shape, *part.smallest_shape), part.dtype)
                example[name] = missing if decoded is None else decoded
            example[f"{name}{PRESENT}"] = np.full(leading_shape, present)
        if not any(x.all() for name, x in example.items() if name.endswith(PRESENT)):
            raise ValueError(
                f"found nothing to read in the columns {listed(self.columns)}; expected at "
                "least one file, text, number or category that the model knows"
            )
        return example

    def _read_cell(
        self, row: Row, name: str, part: ArrayReader, read: ReadSource
    ) -> np.ndarray | None:
        """Read the file or text of a part; None if the cell is empty or the file has no track."""
        column = self.files.get(name) or self.texts[name]
        cell = row.cells.get(column)
        if cell is None:
            return None
        try:
            return read(part, row.folder / cell if name in self.files else cell.encode())
        except NoTrack:
            return None
        except ValueError as error:
            file = f" {cell}" if name in self.files else ""
            raise ValueError(f"{column}{file}: {error}") from None


def array_readers(reader: Reader) -> dict[str, ArrayReader]:
    """Return the readers of arrays by part; "" is the part of a reader of one modality.

    Args:
        reader: a reader without clips.
    """
    if isinstance(reader, ArrayReader):
        return {"": reader}
    if not isinstance(reader, FusionReader | RowReader):
        return {}
    return {name: part for name, part in reader.parts.items() if isinstance(part, ArrayReader)}
