"""Configuration of numbers and categories, as plain data."""

from dataclasses import dataclass
from typing import ClassVar

from ..config import InputConfig

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})


@dataclass(frozen=True, kw_only=True)
class TabularConfig(InputConfig):
    """Configuration of the numbers and categories of table rows; see `TabularAdapter`."""

    kind: ClassVar[str] = "tabular"

    numeric: tuple[str, ...] = ()
    """Names of the columns that hold numbers."""
    categorical: tuple[str, ...] = ()
    """Names of the columns that hold categories."""
    categories: tuple[tuple[str, ...], ...] = ()
    """Categories of each categorical column; a category is numbered by its place in the list, from
    0."""
    embedding_dim: int = 32
    """Number of channels of the embedding of a cell, and of the learned vector of its column."""
    num_bands: int = 8
    """Number of learned frequencies of each numeric column, at which the sine and cosine of a
    number are features beside the number itself; 0: only the number."""

    def __post_init__(self) -> None:
        # JSON has no tuples: a configuration read from it has lists of lists here.
        categories = tuple(tuple(names) for names in self.categories)
        object.__setattr__(self, "categories", categories)
