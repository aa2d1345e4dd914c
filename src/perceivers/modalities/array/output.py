"""Outputs on a regular grid: one query with Fourier positions for each cell or patch."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from ...core import AxialPosition, FourierPosition, Inputs, Queries
from ..output import Output


class GridOutput(Output):
    """An array (B, S_1, …, S_A, …) that is rebuilt from Fourier positions of its cells.

    The coordinate of cell i of S is -1 + 2·i/S, as in DeepMind's code, where outputs are decoded by
    their index: unlike the coordinates of inputs, it does not reach 1. Positions are stored as one
    table for each axis, and dense ones are made for each chunk of queries.

    Args:
        shape: S_1 … S_A.
        num_channels: channels of a cell.
        num_bands: Fourier bands per axis.
        max_resolution: resolution of each axis, see `core.fourier_features`.

    Raises:
        ValueError: a size is below 1, or `max_resolution` has another length.
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        num_channels: int,
        num_bands: int,
        max_resolution: Sequence[float],
    ) -> None:
        super().__init__()
        if min(shape) < 1 or num_channels < 1 or len(max_resolution) != len(shape):
            raise ValueError(
                f"shape={tuple(shape)}, num_channels={num_channels}, "
                f"max_resolution={tuple(max_resolution)}; expected sizes of at least 1 and a "
                "resolution for each axis"
            )
        self.shape = tuple(shape)
        self._num_channels = num_channels
        self.position = FourierPosition(max_resolution, num_bands=num_bands)
        self.register_buffer("_device", torch.empty(0), persistent=False)

    @property
    @override
    def meaning(self) -> str:
        return f"the cells of an array of {self.shape}, each of {self.num_channels} channels"

    @property
    @override
    def query_dim(self) -> int:
        return self.position.dim

    @property
    @override
    def num_channels(self) -> int:
        return self._num_channels

    @property
    def num_outputs(self) -> int:
        """O, the number of cells."""
        return math.prod(self.shape)

    @override
    def queries(self, inputs: Inputs | None) -> Queries:
        device: torch.device = self.get_buffer("_device").device
        tables = (
            self.position.of_axis(axis, -1 + 2 * torch.arange(size, device=device) / size)
            for axis, size in enumerate(self.shape)
        )
        return Queries(position=AxialPosition(tuple(tables)))

    @override
    def values(self, batch: Tensor) -> Tensor:
        """Return the cells of arrays (B, S_1, …, S_A, K) or (B, S_1, …, S_A), (B, O, K).

        uint8 is scaled to [0, 1].
        """
        if tuple(batch.shape[1 : 1 + len(self.shape)]) != self.shape:
            raise ValueError(
                f"the inputs have shape {tuple(batch.shape[1:])}, and the output rebuilds "
                f"{(*self.shape, self.num_channels)}; give both the same sizes"
            )
        scaled = batch.float() / 255 if batch.dtype == torch.uint8 else batch.float()
        values = scaled.flatten(1, len(self.shape)).reshape(len(batch), self.num_outputs, -1)
        if values.shape[2] != self.num_channels:
            raise ValueError(
                f"the inputs have {values.shape[2]} channels, and the output rebuilds "
                f"{self.num_channels}; give both the same channels"
            )
        return values

    @override
    def arrange(self, values: Tensor, batch: Any) -> Tensor:
        """Arrange cells (B, O, K) as the array, (B, S_1, …, S_A, K)."""
        return values.unflatten(1, self.shape)
