"""What the reader of a table format returns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Content:
    """The content of a table file."""

    names: list[str]
    """Names of the columns."""
    rows: Iterable[Sequence[str | None]]
    """For each row its cells, in the order of the columns."""
    index: tuple[str, ...] = ()
    """Names of the columns that hold the index of a pandas DataFrame."""
    categorical: tuple[str, ...] = ()
    """Names of the columns that the file declares as categories."""
