"""The output of segmentation: logits of classes for each element of the input."""

from typing import Any

from torch import Tensor
from typing_extensions import override

from ...core import Inputs, Queries
from ..adapter import Adapter
from ..output import Output

# B batch · M elements · r places of an element · K classes


class ElementClasses(Output):
    """Logits of K classes for each element: each point, byte, or pixel of a patch.

    The queries are the elements themselves, content and position (arXiv 2107.14795, §3.2), so that
    there are as many outputs as the input has elements. A patch is one element, and its query gives
    the logits of all its places. Elements that are masked in the input give zeros.

    Args:
        adapter: the adapter of the inputs, which says what places an element has.
        num_classes: K.

    Raises:
        ValueError: there are fewer than two classes, or the elements have no places of their own.
    """

    name = "logits"
    gives_logits = True

    def __init__(self, adapter: Adapter, *, num_classes: int) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"num_classes={num_classes}; expected at least 2")
        self._query_dim = adapter.dim
        self.num_classes = num_classes
        self.places = adapter.places
        # Methods, not the adapter: as a module it would be a part of this one too.
        self.ordered = adapter.order_places
        self._arranged = adapter.arrange_places

    @property
    @override
    def meaning(self) -> str:
        return "logits of the classes for each element: each point, byte or pixel"

    @property
    @override
    def query_dim(self) -> int:
        return self._query_dim

    @property
    @override
    def num_channels(self) -> int:
        return self.places * self.num_classes

    @override
    def queries(self, inputs: Inputs | None) -> Queries:
        """Return the elements as queries.

        Raises:
            ValueError: `inputs` is None.
        """
        if inputs is None:
            raise ValueError("the queries are the inputs; pass model.elements(x)")
        return Queries(inputs.content, inputs.position, inputs.mask, fusion=inputs.fusion)

    def logits(self, values: Tensor) -> Tensor:
        """Return the logits of each place, (B, M, r·K) → (B, M·r, K)."""
        return values.unflatten(-1, (self.places, self.num_classes)).flatten(1, 2)

    @override
    def arrange(self, values: Tensor, batch: Any) -> Tensor | list[Tensor]:
        """Give logits the shape of the batch, (B, …, K); a list if the batch is one."""
        arranged: Tensor | list[Tensor] = self._arranged(self.logits(values), batch)
        return arranged
