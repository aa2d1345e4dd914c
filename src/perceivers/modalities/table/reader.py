"""The reader of the numbers and categories of a row."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from torch import Tensor

from .columns import Columns
from .dates import format_of
from .kinds import Cells, plain_numbers
from .numbers import MOSTLY_OF_MANY, PLAIN, NumberFormat, parse_number
from .spelling import speller

log = logging.getLogger(__name__)

MAX_EXAMPLES = 3  # different cells of a column that are named in a message
MAX_SAID = 20  # unknown categories that are said one by one

# n numeric, k categorical columns


@dataclass(frozen=True)
class CellReader:
    """Convert the numbers and categories of a row to an array for `TabularAdapter`.

    The array is float64 (n + k,): the numbers, then the categories. A category becomes its index in
    the list of its column, or -1 if it is not in the list. A missing cell becomes NaN.

    A category may be spelled in another way than in the list: "True" is "true", and "1.0" is "1" if
    the list holds numbers (`spelling.speller`).
    """

    numeric: tuple[str, ...]
    """Names of the n numeric columns."""
    categorical: tuple[str, ...]
    """Names of the k categorical columns."""
    categories: tuple[tuple[str, ...], ...]
    """Categories of each categorical column."""
    number_formats: Mapping[str, str] = field(default_factory=dict)
    """How the numbers of a numeric column are written (`dates.format_of`), by its name."""

    @property
    def nbytes(self) -> int:
        """Size of an example in bytes."""
        return 8 * (len(self.numeric) + len(self.categorical))

    def decode(self, cells: Mapping[str, str | None]) -> np.ndarray:
        """Convert the cells of a row.

        Args:
            cells: text of the cells by column; a column that is absent or None is a missing cell.

        Returns:
            The values of the numeric, then of the categorical columns, float64 (n + k,).

        Raises:
            ValueError: a cell of a numeric column is not a finite number; the message names the
                column.
        """
        values = []
        for name in self.numeric:
            try:
                values.append(parse_number(cells.get(name), self.formats[name]))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        for name in self.categorical:
            cell = cells.get(name)
            values.append(np.nan if cell is None else self._index_of(name, cell))
        return np.array(values, np.float64)

    def index(self, name: str, cell: str) -> int:
        """Return the index of a category in the list of its column; -1 if it is not in the list.

        Args:
            name: name of the categorical column.
            cell: the category, in any of the spellings that are the same (`spelling.speller`).
        """
        exact, spelled, spell = self._indices[name]
        return exact.get(cell, spelled.get(spell(cell), -1))

    def screen(self, columns: Columns) -> tuple[Columns, list[str]]:
        """Empty the cells of a table that cannot be read.

        In a numeric column these are cells that are not numbers, if most are; otherwise they stay
        as they are, and their rows cannot be read. In a categorical column they are the categories
        that are not in its list.

        Args:
            columns: columns of a table, by name.

        Returns:
            The columns with such cells emptied, and a line for each column that has some. The line
            says how many they are, with examples and their rows, counted from 1.
        """
        screened, lines = dict(columns), list[str]()
        for name in (*self.numeric, *self.categorical):
            cells = columns.get(name, [])
            if self.formats.get(name) == PLAIN and plain_numbers(cells) is not None:
                continue
            bad = [row for row, cell in enumerate(cells) if not self._is_readable(name, cell)]
            filled = sum(cell is not None for cell in cells)
            numeric = name in self.formats
            if not bad or (numeric and len(bad) > (1 - MOSTLY_OF_MANY) * filled):
                continue
            screened[name] = list(cells)
            for row in bad:
                screened[name][row] = None
            lines.append(self._describe(name, cells, bad, filled))
        return screened, lines

    def any_present(self, values: np.ndarray) -> bool:
        """Return whether a converted row has any number or any category that is in its list.

        Args:
            values: a row as `decode` returns it, (n + k,).
        """
        numbers, categories = np.split(values, [len(self.numeric)])
        return bool((~np.isnan(numbers)).any() or (categories >= 0).any())

    def batch(self, examples: Tensor) -> Tensor:
        """Return converted rows (B, n + k) unchanged: they are the model's raw batch."""
        return examples

    def lengths(self, examples: Tensor) -> None:
        """Return None: all rows have the same length."""

    def _is_readable(self, name: str, cell: str | None) -> bool:
        """Return whether a cell is empty, or a number or category that the model can read."""
        if cell is None:
            return True
        if name not in self.formats:
            return self.index(name, cell) >= 0
        try:
            parse_number(cell, self.formats[name])
        except ValueError:
            return False
        return True

    def _describe(self, name: str, cells: Cells, bad: Sequence[int], filled: int) -> str:
        """Describe the cells of a column that cannot be read, by their rows."""
        rows: dict[str, int] = {}
        for row in bad:
            rows.setdefault(str(cells[row]), row + 1)
        examples = [f"{cell!r} (row {row})" for cell, row in list(rows.items())[:MAX_EXAMPLES]]
        few = ", ".join(examples) + (", …" if len(rows) > MAX_EXAMPLES else "")
        if name in self.formats:
            problem = f"{len(bad):,} of {filled:,} cells are not {self.formats[name].noun}s"
        elif len(bad) < filled:
            problem = f"{len(bad):,} of {filled:,} cells hold categories not seen in training"
        else:
            known = self.categories[self.categorical.index(name)][:MAX_EXAMPLES]
            return (
                f"column {name!r}: none of its {filled:,} cells holds a category seen in training "
                f"(such as {', '.join(map(repr, known))}); all are masked, so the model does "
                f"without this column: {few}"
            )
        return f"column {name!r}: {problem} and are masked: {few}"

    def _index_of(self, name: str, cell: str) -> int:
        """Return the index of a category, and say so once if it was not in the training data."""
        index = self.index(name, cell)
        if index < 0 and (name, cell) not in self._unknown and len(self._unknown) < MAX_SAID:
            self._unknown.add((name, cell))
            log.warning("column %r: %r was not in the training data; it is masked", name, cell)
        return index

    @cached_property
    def formats(self) -> dict[str, NumberFormat]:
        """How the numbers of each numeric column are written."""
        examples = self.number_formats
        return {
            name: format_of(examples[name]) if name in examples else PLAIN for name in self.numeric
        }

    @cached_property
    def _indices(self) -> dict[str, tuple[dict[str, int], dict[str, int], Callable[[str], str]]]:
        """For each categorical column the index of each category, as it is and as it is spelled."""
        indices = {}
        for name, categories in zip(self.categorical, self.categories, strict=True):
            spell = speller(categories)
            exact = {category: i for i, category in enumerate(categories)}
            indices[name] = exact, {spell(category): i for category, i in exact.items()}, spell
        return indices

    @cached_property
    def _unknown(self) -> set[tuple[str, str]]:
        """The unknown categories that were said."""
        return set()
