"""The output of classes: logits from one learned query."""

from typing import Any

from torch import Tensor
from typing_extensions import override

from ...core import Inputs, LearnedQueries, Queries
from ..output import Output


class LabelOutput(Output):
    """Logits of classes (B, num_classes).

    Args:
        num_classes: number of classes.
        query_dim: channels of the learned query.

    Raises:
        ValueError: a number is below 1.
    """

    name = "logits"
    gives_logits = True

    def __init__(self, *, num_classes: int, query_dim: int) -> None:
        super().__init__()
        for name, number in (("num_classes", num_classes), ("query_dim", query_dim)):
            if number < 1:
                raise ValueError(f"{name}={number}; expected at least 1")
        self._num_classes = num_classes
        self.query = LearnedQueries(1, query_dim)

    @property
    @override
    def meaning(self) -> str:
        return "logits of the classes"

    @property
    @override
    def query_dim(self) -> int:
        return self.query.position.dim

    @property
    @override
    def num_channels(self) -> int:
        return self._num_classes

    @override
    def queries(self, inputs: Inputs | None) -> Queries:
        return self.query()

    @override
    def arrange(self, values: Tensor, batch: Any) -> Tensor:
        """Remove the axis of the one query, (B, 1, K) → (B, K)."""
        return values[:, 0]
