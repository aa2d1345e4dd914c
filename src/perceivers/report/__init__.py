"""The report of a run as one page, its predictions as a table, and several runs side by side."""

from .compare import compare
from .write import write

__all__ = ["compare", "write"]
