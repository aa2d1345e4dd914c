"""The elements of an array that is too large for memory, in chunks."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ...core import AxialPosition, FourierPosition, Inputs, LearnedPosition, grid
from ..files import as_tensor


@dataclass(frozen=True)
class GridChunks:
    """Chunks of the elements of an array, cut along its first axis; each pass reads it again."""

    array: Any
    """The array (S_1, …, S_A, C)."""
    content: Callable[[Tensor], Tensor]
    """Function from cells (1, s, S_2, …, S_A, C) to the content of their elements."""
    position: FourierPosition | LearnedPosition | None
    """The positions of the elements."""
    fusion: Literal["concatenate", "add"]
    """How content and position are combined."""
    stride: int
    """Cells along the first axis from one patch to the next."""
    device: torch.device
    """Device of the elements."""
    grid_size: tuple[int, ...]
    """Number of patches along each axis."""
    elements: int
    """Approximate number of elements in a chunk."""

    def __iter__(self) -> Iterator[Inputs]:
        axes = [grid(size, device=self.device)[:, 0] for size in self.grid_size]  # coordinates
        rows = max(1, self.elements // math.prod(self.grid_size[1:]))
        for start in range(0, self.grid_size[0], rows):
            stop = min(start + rows, self.grid_size[0])
            cells = as_tensor(self.array[start * self.stride : stop * self.stride])
            content = self.content(cells[None].to(self.device))
            position = self._positions([axes[0][start:stop], *axes[1:]], start, stop)
            yield Inputs(content, position, fusion=self.fusion)

    def _positions(
        self, coordinates: list[Tensor], start: int, stop: int
    ) -> Tensor | AxialPosition | None:
        """Return the positions of rows start to stop, given the coordinates along each axis."""
        position = self.position
        if isinstance(position, LearnedPosition):
            elements_per_row = math.prod(self.grid_size[1:])
            return position()[:, start * elements_per_row : stop * elements_per_row]
        if position is None:
            return None
        return AxialPosition(tuple(position.of_axis(i, x) for i, x in enumerate(coordinates)))
