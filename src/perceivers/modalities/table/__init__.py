"""Numbers and categories of the rows of a table: raw batches (B, columns) of floats."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..config import LinearModel
from ..modality import Modality
from .config import TabularConfig

if TYPE_CHECKING:
    from .adapter import TabularAdapter


class Table(Modality):
    """The numbers and categories of a row: one part of `Fusion`, which reads the table files."""

    configs = (TabularConfig,)

    @override
    def adapter(self, config: Any) -> "TabularAdapter":
        from .adapter import TabularAdapter

        return TabularAdapter(**config.adapter_options())

    @override
    def for_labels(self, config: Any, task: str, count: int) -> Any:
        """Set the loss and the number of outputs of the linear model."""
        if config.linear == "none":
            return config
        kind: LinearModel = "squares" if task == "regression" else "logistic"
        return replace(config, linear=kind, linear_outputs=count)

    @override
    def shading(self, config: Any) -> str:
        return "Bars: the share of each column of a table, the largest first."

    @override
    def aspect(self, example: Any, config: Any) -> float:
        from .draw import aspect

        return aspect(config)

    @override
    def draw(self, figure: Any, example: Any, values: Any, config: Any) -> None:
        from .draw import draw

        draw(figure, example, values, config)

    @override
    def words(self, example: Any, config: Any) -> str:
        from .draw import words

        return words(example, config)

    @override
    def preparation(self, config: Any) -> str:
        columns = ", ".join((*config.numeric, *config.categorical))
        return (
            f"one number for each of the columns {columns}: a category is its index in the list of "
            "its column, -1 if it is not in the list; an empty cell is NaN"
        )

    @override
    def unmixable(self, config: Any) -> str:
        return "the cells of tables"
