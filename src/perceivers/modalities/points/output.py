"""The output of solids: whether places lie inside, as logits."""

from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from ...core import FourierPosition, Inputs, Queries
from ...core.init import trunc_normal
from ..adapter import Adapter
from ..output import Output
from .adapter import AXES, PointAdapter

MAX_PLACE = 4.0  # coordinate of a place; those of the training are less, also if turned and scaled

# B batch · O places · R resolution


class OccupancyOutput(Output):
    """The logit of the probability that a place lies inside the solid whose surface was read.

    A query is the Fourier features of its place, with the frequencies of the input's positions, and
    a learned vector that all queries share. Places are in the coordinates of the points, where a
    cloud fills the cube [-1, 1]³. Without other places the queries are a grid over that cube.

    Args:
        adapter: the adapter of the points.
        resolution: R, places of the grid along each axis.
        learned_dim: channels of the learned vector, which is as wide as the decoder needs to be.

    Raises:
        ValueError: the inputs are no points, or a number is below 1.
    """

    name = "occupancy"

    def __init__(self, adapter: Adapter, *, resolution: int = 32, learned_dim: int = 64) -> None:
        super().__init__()
        if not isinstance(adapter, PointAdapter):
            raise ValueError("occupancy is that of the solid around points; the inputs are others")
        if min(resolution, learned_dim) < 1:
            raise ValueError(
                f"resolution={resolution}, learned_dim={learned_dim}; expected at least 1 each"
            )
        self.resolution = resolution
        self.position = FourierPosition(
            adapter.position.max_resolution, num_bands=adapter.position.num_bands
        )
        self.learned = nn.Parameter(torch.empty(learned_dim))
        trunc_normal(self.learned, 0.02)

    @property
    @override
    def meaning(self) -> str:
        size = self.resolution
        return (
            f"logits of lying inside the solid, on a grid of {size} x {size} x {size} places in "
            "[-1, 1]"
        )

    @property
    @override
    def query_dim(self) -> int:
        return self.position.dim + len(self.learned)

    @property
    @override
    def num_channels(self) -> int:
        return 1

    @override
    def queries(self, inputs: Inputs | None) -> Queries:
        """Return the queries of the grid, x slowest and z fastest."""
        return self.grid_queries(self.resolution)

    def grid_queries(self, resolution: int) -> Queries:
        """Return queries of a grid over [-1, 1]³ of so many places along each axis."""
        sizes = (resolution,) * AXES
        position = self.position.on_grid(*sizes, device=self.learned.device)
        return Queries(self.learned.expand(1, resolution**AXES, -1), position)

    @override
    def queries_at(self, inputs: Inputs | None, at: Tensor) -> Queries:
        """Return the queries of places.

        Args:
            inputs: not used.
            at: places, floats (B, O, 3), or (1, O, 3) for all examples.

        Raises:
            ValueError: they have another shape or type, are NaN, or lie far outside the cube.
        """
        _check_places(at)
        return Queries(self.learned.expand(1, at.shape[1], -1), self.position(at))

    @override
    def arrange(self, values: Tensor, batch: Any) -> Tensor:
        """Arrange logits (B, R³, 1) as the grid, (B, R, R, R)."""
        return values[..., 0].unflatten(1, (self.resolution,) * AXES)


def _check_places(at: Tensor) -> None:
    """Check places: attention gives NaN a plausible answer, and far ones are unlike all learned."""
    expected = "expected floats of shape (batch, places, 3), in the coordinates of the points"
    if not isinstance(at, Tensor):
        raise ValueError(f"places are a {type(at).__name__}; {expected}")
    if not at.is_floating_point() or at.ndim != 3 or at.shape[-1] != AXES:
        raise ValueError(f"places are {at.dtype} of shape {tuple(at.shape)}; {expected}")
    if torch.compiler.is_compiling() or not at.numel():
        return
    largest = float(at.detach().abs().max())
    if not largest <= MAX_PLACE:
        raise ValueError(
            f"places have coordinates of up to {largest:.4g}; expected about [-1, 1]: centre and "
            "scale them as the points"
        )
