"""A row of a table → an example of several parts: files, texts, and all other cells together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..files import PathOrBytes
from ..media import NoTrack
from ..reader import ArrayReader
from ..table.columns import as_cell
from ..table.config import TABLE_SUFFIXES
from ..table.reader import CellReader
from ..text.decode import decode as decode_text
from ..video.reader import VideoReader
from .presence import PRESENT, batch_parts, part_lengths

# n numeric, k categorical columns · K clips

Read = Callable[[ArrayReader, PathOrBytes], np.ndarray]


@dataclass(frozen=True)
class Row:
    """The cells of a row, and where the files lie that it names."""

    cells: Mapping[str, str | None]
    """By column; one that is not there is missing, as is one that is empty."""
    folder: Path = Path()
    """What names of files are relative to."""
    name: str = "row"
    """For messages."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Row":
        """Of text, numbers, truth values and paths by column, files relative to where we are."""
        cells = {name: as_cell(value, f"{name!r}") for name, value in values.items()}
        return cls({name: cell.strip() or None if cell else None for name, cell in cells.items()})


@dataclass(frozen=True)
class RowReader:
    """Rows of a table: a dictionary of what each part's reader makes of its cells.

    A part "photo" gives the two entries "photo" and "photo.present", which is False, and "photo"
    all zeros (of numbers and categories NaN), where the cell is empty, or names a file without such
    a track. A row that has none of the parts is refused, as a file that cannot be read.
    """

    parts: Mapping[str, ArrayReader | CellReader]
    """By name; what is neither among the files nor the texts reads the other cells."""
    files: Mapping[str, str]
    """The column that names the files of a part."""
    texts: Mapping[str, str]
    """The column that holds the text of a part."""

    @property
    def noun(self) -> str:
        """See `Reader`."""
        return "rows of a table"

    @property
    def suffixes(self) -> frozenset[str]:
        """See `Reader`: of tables."""
        return TABLE_SUFFIXES

    @property
    def nbytes(self) -> int:
        """See `Reader`."""
        return sum(part.nbytes + 1 for part in self.parts.values())

    @property
    def columns(self) -> tuple[str, ...]:
        """All that are read."""
        cells = [part for part in self.parts.values() if isinstance(part, CellReader)]
        others = (name for part in cells for name in (*part.numeric, *part.categorical))
        return tuple(dict.fromkeys((*self.files.values(), *self.texts.values(), *others)))

    def decode(self, source: Row | Mapping[str, Any] | PathOrBytes) -> dict[str, np.ndarray]:
        """A row, or a single file as the row that has nothing else → an example.

        Args:
            source: a row; the path of a file is put to the column whose files have its suffix.

        Raises:
            ValueError: a file that cannot be read, a number that is none, a row of nothing, or a
                file that could be of several columns or of none.
        """
        return self._each(self.row_of(source), lambda part, cell: part.decode(cell), None)

    def decode_whole(self, source: PathOrBytes) -> dict[str, np.ndarray]:
        """See `Reader`: rows are read at the model's sizes alone."""
        raise ValueError("rows of a table are read at the model's own sizes; leave own_size out")

    @property
    def has_clips(self) -> bool:
        """See `Reader`: if any part has."""
        return any(reader.has_clips for reader in self._readers().values())

    def clips(
        self, source: Row | Mapping[str, Any] | PathOrBytes, count: int
    ) -> dict[str, np.ndarray]:
        """See `Reader`; what has no clips is the same beside each."""

        def read(part: ArrayReader, cell: PathOrBytes) -> np.ndarray:
            if part.has_clips:
                return part.clips(cell, count)
            return np.repeat(part.decode(cell)[None], count, axis=0)

        return self._each(self.row_of(source), read, count)

    def batch(self, examples: dict[str, Any]) -> dict[str, Any]:
        """See `batch_parts`."""
        return batch_parts(self.parts, examples)

    def lengths(self, examples: dict[str, Any]) -> Tensor | None:
        """See `part_lengths`."""
        return part_lengths(self.parts, examples)

    def row_of(self, source: Row | Mapping[str, Any] | PathOrBytes) -> Row:
        """What is given, as a row; errors as of `decode`."""
        if isinstance(source, Row):
            return source
        if isinstance(source, Mapping):
            return Row.of(source)
        if isinstance(source, bytes):
            raise ValueError("bytes do not say of which column they are; give a row, {column: …}")
        column = self._column_of(Path(source).suffix.lower())
        if column in self.texts.values():
            return Row.of({column: decode_text(source)})  # as a cell: without space around it
        return Row({column: str(source)})

    def _column_of(self, suffix: str) -> str:
        """The one column whose files have it; of films and sounds, the one that is of such."""
        given = {**self.files, **self.texts}
        readers = self._readers()
        films = {given[name] for name, x in readers.items() if isinstance(x, VideoReader)}
        columns = list(dict.fromkeys(given[n] for n, x in readers.items() if suffix in x.suffixes))
        film = suffix in VideoReader.suffixes
        columns = [name for name in columns if (name in films) == film] or columns
        if len(columns) == 1:
            return columns[0]
        if columns:
            raise ValueError(
                f"it could be of any of the columns {', '.join(columns)}; give a table, or from "
                f"Python a row such as {{{columns[0]!r}: file}}"
            )
        nouns = [f"{given[part]} ({reader.noun})" for part, reader in readers.items()]
        raise ValueError(
            f"a {suffix or 'nameless'} file is of no column; the model reads "
            f"{', '.join(nouns) or 'numbers and categories'}: give such a file, or a table of rows"
        )

    def _readers(self) -> dict[str, ArrayReader]:
        return {name: x for name, x in self.parts.items() if isinstance(x, ArrayReader)}

    def _each(self, row: Row, read: Read, count: int | None) -> dict[str, np.ndarray]:
        """What `read` makes of the cell of each part; `count` of them side by side, if any."""
        example: dict[str, np.ndarray] = {}
        before = () if count is None else (count,)
        for name, part in self.parts.items():
            if isinstance(part, CellReader):
                values = part.decode(row.cells)
                found, there = np.tile(values, (*before, 1)), part.there(values)
            else:
                given = self._cell(row, name, part, read)
                there = given is not None
                found = (
                    np.zeros((*before, *part.smallest_shape), part.dtype)
                    if given is None
                    else given
                )
            example[name] = found
            example[f"{name}{PRESENT}"] = np.full(before, there)
        if not any(x.all() for name, x in example.items() if name.endswith(PRESENT)):
            raise ValueError(
                f"it has none of {', '.join(self.columns)}, or nothing that is known; expected at "
                "least one"
            )
        return example

    def _cell(self, row: Row, name: str, part: ArrayReader, read: Read) -> np.ndarray | None:
        """What `read` makes of a file or text; None: there is none."""
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
