"""Configuration of numbers and categories, as plain data."""

from dataclasses import dataclass, field
from typing import ClassVar

from ..config import Bands, Count, InputConfig, LinearModel

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})


@dataclass(frozen=True, kw_only=True)
class TabularConfig(InputConfig):
    """Configuration of the numbers and categories of table rows; see `TabularAdapter`."""

    kind: ClassVar[str] = "tabular"
    reader_fields: ClassVar[frozenset[str]] = frozenset({"number_formats"})

    numeric: tuple[str, ...] = ()
    """Names of the columns that hold numbers."""
    categorical: tuple[str, ...] = ()
    """Names of the columns that hold categories."""
    categories: tuple[tuple[str, ...], ...] = ()
    """Categories of each categorical column, in the order of the columns; a raw batch holds a
    category as its index in this list, counted from 0."""
    embedding_dim: Count = 32
    """Number of channels of the embedding of a cell, and of the learned vector of a column."""
    num_bands: Bands = 8
    """Number of learned frequencies of each numeric column; each adds the sine and cosine of a
    number to its features. 0: the number is the only feature."""

    linear: LinearModel = "none"
    """Linear model of the cells that is fitted to the training rows before the training, and whose
    outputs are an element beside the columns: a logistic regression of each class or label, or a
    linear regression of each number (squares); training takes the one that the labels need."""
    linear_outputs: Count = 2
    """Number of outputs of the linear model; training takes it from the data."""

    number_formats: dict[str, str] = field(default_factory=dict)
    """How the numbers of a numeric column are written, by the name of the column: the number 1.5,
    or 1234.5 with a separator of thousands, as an example (1.234,5 or 1,5 kg; (1.5) or 1.5- if
    negative numbers are written so; 3/2 for fractions); or the date 2001-12-31 (31.12.2001,
    12/31/2001). Columns that are not named have plain digits."""

    def __post_init__(self) -> None:
        # JSON has no tuples: a configuration read from it has lists of lists here.
        categories = tuple(tuple(names) for names in self.categories)
        object.__setattr__(self, "categories", categories)
