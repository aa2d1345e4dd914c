"""Configuration of numbers and categories, as plain data."""

from dataclasses import dataclass
from typing import ClassVar

from ..config import InputConfig

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})


@dataclass(frozen=True, kw_only=True)
class TabularConfig(InputConfig):
    """Numbers and categories of a table's rows; see `TabularAdapter`."""

    kind: ClassVar[str] = "tabular"

    numeric: tuple[str, ...] = ()
    """Names of the numeric columns."""
    categorical: tuple[str, ...] = ()
    """Names of the categorical columns."""
    categories: tuple[tuple[str, ...], ...] = ()
    """The categories of each categorical column, in the order of their numbers."""
    embedding_dim: int = 32
    """Channels of what a cell holds, and of the learned vector of its column."""
    num_bands: int = 8
    """Learned frequencies of each numeric column; 0: the number alone."""

    def __post_init__(self) -> None:
        # JSON knows lists alone.
        categories = tuple(tuple(given) for given in self.categories)
        object.__setattr__(self, "categories", categories)
