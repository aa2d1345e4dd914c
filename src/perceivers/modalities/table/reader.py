"""The reader of the numbers and categories of a row."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from .kinds import parse_number

# n numeric, k categorical columns


@dataclass(frozen=True)
class CellReader:
    """Convert the numbers and categories of a row to an array for `TabularAdapter`.

    The array is float64 (n + k,): the numbers, then the categories. A category becomes its index in
    the list of its column, or -1 if it is not in the list. A missing cell becomes NaN.
    """

    numeric: tuple[str, ...]
    """Names of the n numeric columns."""
    categorical: tuple[str, ...]
    """Names of the k categorical columns."""
    categories: tuple[tuple[str, ...], ...]
    """Categories of each categorical column."""

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
                values.append(parse_number(cells.get(name)))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        for name, index in zip(self.categorical, self._indices, strict=True):
            cell = cells.get(name)
            values.append(np.nan if cell is None else index.get(cell, -1))
        return np.array(values, np.float64)

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

    @cached_property
    def _indices(self) -> list[dict[str, int]]:
        """The index of each category, by column."""
        return [{name: i for i, name in enumerate(names)} for names in self.categories]
