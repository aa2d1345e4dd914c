"""The output of optical flow: a vector of motion for each pixel."""

from typing import Any

from torch import Tensor
from typing_extensions import override

from ...core import Inputs, Queries
from ..adapter import Adapter
from ..output import Output
from .adapter import FramePairAdapter


class FlowOutput(Output):
    """Optical flow (B, H, W, 2): how far each pixel of the first frame moves, in pixels (x, y).

    The queries are the elements of the input, content and position, one for each pixel (arXiv
    2107.14795, §4.2), so that frames of any size have a flow of the same size.

    Args:
        adapter: the adapter of the inputs.
        rescale_factor: number that what the decoder gives is divided by (published: 100).

    Raises:
        ValueError: the inputs are no pairs of frames, or `rescale_factor` is 0.
    """

    name = "flow"

    def __init__(self, adapter: Adapter, *, rescale_factor: float = 100.0) -> None:
        super().__init__()
        if not isinstance(adapter, FramePairAdapter):
            raise ValueError(
                f"the output is the motion between two frames, but the inputs are made by a "
                f"{type(adapter).__name__}; expected pairs of frames"
            )
        if not rescale_factor:
            raise ValueError("rescale_factor=0; expected another number")
        self._query_dim = adapter.dim
        self.rescale_factor = rescale_factor

    @property
    @override
    def meaning(self) -> str:
        return "the motion of each pixel of the first frame in pixels, to the right and down"

    @property
    @override
    def query_dim(self) -> int:
        return self._query_dim

    @property
    @override
    def num_channels(self) -> int:
        return 2

    @override
    def queries(self, inputs: Inputs | None) -> Queries:
        """Return the elements as queries.

        Raises:
            ValueError: `inputs` is None.
        """
        if inputs is None:
            raise ValueError("the queries of optical flow are its inputs; pass model.elements(x)")
        return Queries(inputs.content, inputs.position, fusion=inputs.fusion)

    @override
    def forward(self, decoded: Tensor, adapter: Adapter, part: str = "") -> Tensor:
        return decoded / self.rescale_factor

    @override
    def arrange(self, values: Tensor, batch: Any) -> Tensor | list[Tensor]:
        """Arrange vectors (B, H·W, 2) as the pixels, (B, H, W, 2); a list for a list of pairs."""
        if isinstance(batch, list | tuple):
            sizes = [pair.shape[1:3] for pair in batch]
            return [
                v[: h * w].unflatten(0, (h, w)) for v, (h, w) in zip(values, sizes, strict=True)
            ]
        return values.unflatten(1, tuple(batch.shape[2:4]))
