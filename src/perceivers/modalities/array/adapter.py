"""Arrays on a regular grid of any number of axes to elements: cells or patches, with positions."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core import AxialPosition, FourierPosition, Inputs, LearnedPosition, grid
from ...core.init import init_linear
from ...core.positions import Spacing
from ..adapter import CHUNK_ELEMENTS, ChannelsLastAdapter
from ..files import as_tensor

CHUNK_NUMBERS = 2**23  # of the content of a part: patches hold many each

# B batch · A axes · S_a cells of an axis · C channels · M elements · P position channels


class ArrayOptions(TypedDict, total=False):
    """The options of `ArrayAdapter` that mean the same for every modality on a grid."""

    projection_dim: int | None
    position: Literal["fourier", "learned", "none"]
    num_bands: int
    spacing: Spacing
    position_dim: int
    fusion: Literal["concatenate", "add"]


class ArrayAdapter(ChannelsLastAdapter):
    """A raw batch (B, S_1, …, S_A, C) → `Inputs` of one element a cell, or a patch of cells.

    A patch is flattened cell by cell, last axis and then channels fastest. Positions are those of
    the grid of patches of the array as given: of the crop (paper §3.2).

    Args:
        shape: S_1 … S_A that the model is made for.
        channels: C.
        patch_size: cells of a patch along each axis; None: 1, every cell is an element.
        patch_stride: step from patch to patch along each axis; None: `patch_size`. A smaller step
            makes patches overlap; the border is then padded with the mean, (patch_size -
            patch_stride) / 2 wide.
        projection_dim: channels to which the content of a patch is linearly projected; None: not.
        position: "fourier" works on any shape, "learned" only on `shape`, "none" is none.
        num_bands: Fourier bands per axis.
        max_resolution: of each axis, see `core.fourier_features`; None: that of the grid of patches
            (Nyquist).
        spacing: of the Fourier bands.
        position_dim: channels of a learned position.
        fusion: how content and position go together; to "add", both have equally many channels.

    Raises:
        ValueError: sizes that do not go together, here or in `elements`.
    """

    noun = "array"

    def __init__(
        self,
        shape: Sequence[int],
        *,
        channels: int,
        patch_size: Sequence[int] | None = None,
        patch_stride: Sequence[int] | None = None,
        projection_dim: int | None = None,
        position: Literal["fourier", "learned", "none"] = "fourier",
        num_bands: int = 64,
        max_resolution: Sequence[float] | None = None,
        spacing: Spacing = "linear",
        position_dim: int = 128,
        fusion: Literal["concatenate", "add"] = "concatenate",
    ) -> None:
        super().__init__(channels)
        self.shape, self.fusion = tuple(shape), fusion
        self.patch_size = tuple(patch_size or (1,) * len(self.shape))
        self.stride = tuple(patch_stride or self.patch_size)
        self._check()
        grid = self.grid_size(*self.shape)
        self.position: FourierPosition | LearnedPosition | None
        if position == "fourier":
            resolution = tuple(max_resolution or map(float, grid))
            if len(resolution) != len(grid):
                raise ValueError(
                    f"max_resolution={resolution}; expected one entry per axis of {self.shape}"
                )
            self.position = FourierPosition(resolution, num_bands=num_bands, spacing=spacing)
        elif position == "learned":
            self.position = LearnedPosition(math.prod(grid), position_dim)
        elif position == "none":
            self.position = None
        else:
            raise ValueError(
                f"unknown position {position!r}; expected 'fourier', 'learned' or 'none'"
            )
        content_dim = math.prod(self.patch_size) * channels
        self.projection: nn.Linear | None = None
        if projection_dim is not None:
            self.projection = nn.Linear(content_dim, projection_dim)
            init_linear(self.projection)
        self.content_dim = projection_dim or content_dim
        if fusion == "add" and self.position is not None and self.position.dim != self.content_dim:
            raise ValueError(
                f"fusion='add' adds positions of {self.position.dim} channels to content of "
                f"{self.content_dim}; set projection_dim={self.position.dim} or change the position"
            )

    @property
    def dim(self) -> int:
        """C of the elements, positions included: the core's `input_dim`."""
        if self.position is None or self.fusion == "add":
            return self.content_dim
        return self.content_dim + self.position.dim

    @property
    def num_inputs(self) -> int:
        """M, elements of an array of the shape the model is made for."""
        return math.prod(self.grid_size(*self.shape))

    def grid_size(self, *shape: int) -> tuple[int, ...]:
        """Patches along each axis of an array of this shape."""
        if any(not size or size % stride for size, stride in zip(shape, self.stride, strict=True)):
            fitting = [
                max(1, size // stride) * stride
                for size, stride in zip(shape, self.stride, strict=True)
            ]
            raise ValueError(
                f"{self.noun} of {_times(shape)} does not divide into steps of "
                f"{_times(self.stride)}; resize it to {_times(fitting)}"
            )
        return tuple(size // stride for size, stride in zip(shape, self.stride, strict=True))

    def elements(self, arrays: Tensor) -> Inputs:
        """Arrays (B, S_1, …, S_A, C), uint8 or float → M = Π S_a / stride_a elements."""
        axes = len(self.shape)
        if arrays.ndim != axes + 2 or arrays.shape[-1] != self.channels:
            raise ValueError(
                f"{self.noun} batch has shape {tuple(arrays.shape)}; expected (batch, {axes} "
                f"{'axes' if axes > 1 else 'axis'}, {self.channels}), channels last"
            )
        sizes = tuple(arrays.shape[1:-1])
        self.grid_size(*sizes)  # or an error, before a patch is cut short
        position = self.positions(sizes, arrays.device)
        return Inputs(self.content(arrays), position, fusion=self.fusion)

    def content(self, arrays: Tensor) -> Tensor:
        """What is sensed, arrays (B, S_1, …, S_A, C) → (B, M, `content_dim`)."""
        content = self.patches(self.normalise(arrays))
        return content if self.projection is None else self.projection(content)

    def stream(self, example: Any, *, elements: int = CHUNK_ELEMENTS) -> Iterable[Inputs]:
        """See `Adapter`: bands of an array (S_1, …, S_A, C) of any shape, along its first axis."""
        sizes = tuple(example.shape[:-1])
        if self.patch_size != self.stride:
            raise ValueError(
                f"{self.noun} of {_times(sizes)} is too large to hold, and patches that overlap "
                f"are only made of a whole one; resize it to {_times(self.shape)}"
            )
        if isinstance(self.position, LearnedPosition):
            self.positions(sizes, self.mean.device)  # which are those of one shape alone
        held = max(1, CHUNK_NUMBERS // math.prod(self.patch_size) // self.channels)
        return _Bands(self, example, self.grid_size(*sizes), min(elements, held))

    def positions(
        self, sizes: tuple[int, ...], device: torch.device
    ) -> Tensor | AxialPosition | None:
        """Positions of the patches of an array of this shape, see `Inputs.position`."""
        if isinstance(self.position, FourierPosition):
            return self.position.on_grid(*self.grid_size(*sizes), device=device)
        if isinstance(self.position, LearnedPosition):
            if sizes != self.shape:
                raise ValueError(
                    f"{self.noun} of {_times(sizes)}; this model learned the positions of "
                    f"{_times(self.shape)}: resize it"
                )
            return self.position()
        return None

    def patches(self, x: Tensor) -> Tensor:
        """(B, S_1, …, S_A, C) → (B, M, Π patch_size · C)."""
        axes = len(self.shape)
        borders = [(p - s) // 2 for p, s in zip(self.patch_size, self.stride, strict=True)]
        if any(borders):
            x = F.pad(x, [0, 0, *(border for b in reversed(borders) for border in (b, b))])
        for axis, (size, stride) in enumerate(zip(self.patch_size, self.stride, strict=True), 1):
            x = x.unfold(axis, size, stride)  # its cells become a last axis
        cells = range(axes + 2, 2 * axes + 2)
        return x.permute(*range(axes + 1), *cells, axes + 1).flatten(axes + 1).flatten(1, axes)

    def _check(self) -> None:
        """ValueError unless patches and strides go with each other and with the shape."""
        for name, sizes in (("patch_size", self.patch_size), ("patch_stride", self.stride)):
            if len(sizes) != len(self.shape):
                raise ValueError(f"{name}={sizes}; expected one entry per axis of {self.shape}")
        for size, stride in zip(self.patch_size, self.stride, strict=True):
            if not 1 <= stride <= size or (size - stride) % 2:
                raise ValueError(
                    f"patch_stride={stride} does not go with patch_size={size}; expected a "
                    "stride of at most the size that differs from it by an even number"
                )


@dataclass(frozen=True)
class _Bands:
    """An array read band by band; each pass reads it anew."""

    adapter: ArrayAdapter
    array: Any
    grid: tuple[int, ...]
    elements: int

    def __iter__(self) -> Iterator[Inputs]:
        adapter, stride = self.adapter, self.adapter.stride[0]
        device = adapter.mean.device
        coordinates = [grid(size, device=device)[:, 0] for size in self.grid]
        rows = max(1, self.elements // math.prod(self.grid[1:]))
        for start in range(0, self.grid[0], rows):
            stop = min(start + rows, self.grid[0])
            band = as_tensor(self.array[start * stride : stop * stride])
            here = [coordinates[0][start:stop], *coordinates[1:]]
            content = adapter.content(band[None].to(device))
            yield Inputs(content, self._positions(here, start, stop), fusion=adapter.fusion)

    def _positions(
        self, coordinates: list[Tensor], start: int, stop: int
    ) -> Tensor | AxialPosition | None:
        """Of the rows from start to stop, at these coordinates along each axis."""
        position = self.adapter.position
        if isinstance(position, LearnedPosition):
            inner = math.prod(self.grid[1:])
            return position()[:, start * inner : stop * inner]
        if position is None:
            return None
        return AxialPosition(tuple(position.of_axis(i, x) for i, x in enumerate(coordinates)))


def _times(sizes: Sequence[int]) -> str:
    return "×".join(str(size) for size in sizes)
