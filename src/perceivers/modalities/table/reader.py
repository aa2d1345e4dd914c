"""The reader of numbers and categories: the cells of a row → numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from .kinds import number

# n numeric, k categorical columns


@dataclass(frozen=True)
class CellReader:
    """Numbers and categories of a row, float64 (n + k,), as `adapters.tabular` reads them.

    A category's number is its place in its column's list, -1 if it is not in it. What is missing is
    NaN.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]

    @property
    def nbytes(self) -> int:
        """See `Reader`."""
        return 8 * (len(self.numeric) + len(self.categorical))

    def decode(self, cells: Mapping[str, str | None]) -> np.ndarray:
        """The cells of a row.

        Raises:
            ValueError: a number is none, or infinite; the message names the column.
        """
        values = []
        for name in self.numeric:
            try:
                values.append(number(cells.get(name)))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        for name, place in zip(self.categorical, self._places, strict=True):
            cell = cells.get(name)
            values.append(np.nan if cell is None else place.get(cell, -1))
        return np.array(values, np.float64)

    def there(self, values: np.ndarray) -> bool:
        """Whether any of the cells says anything."""
        numbers, names = np.split(values, [len(self.numeric)])
        return bool((~np.isnan(numbers)).any() or (names >= 0).any())

    def batch(self, examples: Tensor) -> Tensor:
        """See `Reader`: as they are."""
        return examples

    def lengths(self, examples: Tensor) -> None:
        """See `Reader`: all are alike."""

    @cached_property
    def _places(self) -> list[dict[str, int]]:
        return [{value: i for i, value in enumerate(known)} for known in self.categories]
