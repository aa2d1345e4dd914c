"""Numbers and categories of the rows of a table: raw batches (B, columns) of floats."""

from typing import TYPE_CHECKING, Any

from ..modality import Modality
from .config import TabularConfig

if TYPE_CHECKING:
    from .adapter import TabularAdapter


class Table(Modality):
    """Numbers and categories. As files they are read as the rows of a fusion."""

    configs = (TabularConfig,)

    def adapter(self, config: Any) -> "TabularAdapter":
        from .adapter import TabularAdapter

        return TabularAdapter(**config.adapter_options())

    def unmixable(self, config: Any) -> str:
        return "the cells of tables"
