"""Positions of elements: Fourier features of coordinates, and learned positions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .init import init_linear, trunc_normal

# M elements · A axes · K bands

Spacing = Literal["linear", "log"]
# Rows of the cached tables of all grids: 16 MB at 64 bands of 2 axes.
MAX_CACHED_ROWS = 2**14


def grid(*sizes: int, device: torch.device | str | None = None) -> Tensor:
    """Return the coordinates of a regular grid, in [-1, 1].

    End points are included, and the last axis varies fastest, as in the paper. The coordinate along
    an axis of size 1 is 0, the middle.

    Args:
        *sizes: number of elements along each axis.
        device: device of the result.

    Returns:
        Float32 (sizes[0]·sizes[1]·…, number of axes).
    """
    axes = [_coordinates(size, device) for size in sizes]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2)


def _coordinates(size: int, device: torch.device | str | None) -> Tensor:
    """Return `size` numbers from -1 to 1, evenly spaced; 0 if there is only one."""
    if size <= 1:
        return torch.zeros(size, device=device)
    if not torch.compiler.is_exporting():
        return torch.linspace(-1, 1, size, device=device)
    # The arithmetic of torch.linspace, which cannot be exported for a size that varies. It fuses
    # product and sum, so that only the result is rounded, as here.
    index = torch.arange(size, device=device).float()
    last = index[-1:]
    step = (2 / last.clamp(min=1)).double()
    index, last = index.double(), last.double()
    numbers = torch.where(2 * index < last, -1 + step * index, 1 - step * (last - index))
    return (numbers * last.clamp(max=1)).float()  # 0 if there is only one


def fourier_features(
    coordinates: Tensor,
    *,
    num_bands: int,
    max_resolution: Sequence[float],
    spacing: Spacing = "linear",
) -> Tensor:
    """Compute Fourier position features of coordinates in [-1, 1].

    The columns are the coordinates themselves, then sin(π·f·x) of every axis and band, then
    cos(π·f·x). The frequencies f run from 1 to max_resolution / 2 of the axis (Nyquist), evenly
    spaced in f (`linear`, paper v2 §3.2) or in log f (`log`, paper v1).

    Args:
        coordinates: any leading shape; the last axis holds the A spatial axes.
        num_bands: K, frequencies per axis. With 0 the result is the coordinates alone.
        max_resolution: μ, one number per axis: the resolution whose Nyquist frequency is the
            highest band.
        spacing: spacing of the bands, "linear" or "log".

    Returns:
        (…, A·(2·num_bands + 1)), float32 whatever the dtype of the coordinates: at the upper bands
        half precision has no correct digit left.

    Raises:
        ValueError: `max_resolution` has another length than A, or `spacing` is unknown.
    """
    axes = coordinates.shape[-1]
    if len(max_resolution) != axes:
        raise ValueError(
            f"max_resolution has {len(max_resolution)} entries {tuple(max_resolution)}; "
            f"expected one for each of the {axes} axes"
        )
    x = coordinates.float()
    if num_bands == 0:
        return x
    bands = torch.stack([_bands(num_bands, r, spacing, x.device) for r in max_resolution])
    return _features(x, bands)


def _features(x: Tensor, bands: Tensor) -> Tensor:
    """Return `fourier_features` of x (…, A) for given frequencies (A, K)."""
    angles = math.pi * (x[..., None] * bands).flatten(-2)  # … A·K
    return torch.cat([x, angles.sin(), angles.cos()], dim=-1)


def _bands(num: int, resolution: float, spacing: Spacing, device: torch.device) -> Tensor:
    """Return the frequencies of one axis, (num,)."""
    if spacing == "linear":
        return torch.linspace(1.0, resolution / 2, num, device=device)
    if spacing == "log":
        return torch.logspace(0.0, math.log2(resolution / 2), num, base=2.0, device=device)
    raise ValueError(f"unknown spacing {spacing!r}; expected 'linear' or 'log'")


@dataclass(frozen=True)
class AxialPosition:
    """Positions of a grid, stored as one table per axis.

    The position of element (i, j, …) is tables[0][i] + tables[1][j] + …; the last axis varies
    fastest.
    """

    tables: tuple[Tensor, ...]
    """One table per axis, (length of the axis, P)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the dense positions, (1, M, P)."""
        elements = math.prod([table.shape[0] for table in self.tables])
        return 1, elements, self.tables[0].shape[-1]

    def to(self, dtype: torch.dtype) -> "AxialPosition":
        """Return the same positions in another floating type."""
        return AxialPosition(tuple(table.to(dtype) for table in self.tables))

    def rows_and_columns(self) -> tuple[Tensor, Tensor]:
        """Return the same grid as two tables: rows (R, P) and columns (W, P).

        Columns are the last axis longer than 1. Rows are all axes before it, flattened. The axes
        after it have one entry, which is added to the columns.
        """
        *outer, columns = self.tables
        while outer and columns.shape[0] == 1:
            columns = outer.pop() + columns
        rows = torch.zeros_like(columns[:1])
        for table in outer:
            rows = (rows[:, None] + table).flatten(0, 1)
        return rows, columns

    def dense(self) -> Tensor:
        """Return one vector per element, (1, M, P)."""
        rows, columns = self.rows_and_columns()
        return (rows[:, None] + columns).flatten(0, 1)[None]

    def at(self, index: Tensor) -> Tensor:
        """Return the vectors of some elements, without making those of all.

        Args:
            index: numbers of the elements, integers of any shape.

        Returns:
            The shape of `index`, then P.
        """
        rows, columns = self.rows_and_columns()
        return rows[index // columns.shape[0]] + columns[index % columns.shape[0]]


class FourierPosition(nn.Module):
    """Fourier features of a grid (shared by the batch) or of each example's own coordinates.

    Args:
        max_resolution: for each axis the resolution whose Nyquist frequency is the highest band.
        num_bands: frequencies per axis.
        spacing: "linear" (paper v2) or "log" (paper v1).
    """

    def __init__(
        self, max_resolution: Sequence[float], *, num_bands: int, spacing: Spacing = "linear"
    ) -> None:
        super().__init__()
        self.max_resolution = tuple(max_resolution)
        self.num_bands = num_bands
        self.spacing: Spacing = spacing
        # Cache of the last grids' features, as (key, features). It is not part of the state dict.
        self._cached: list[tuple[object, AxialPosition]] = []
        # The frequencies as numbers, for exported programs: an exporter computes torch.linspace to
        # other last digits, and π·f·x multiplies the difference by up to thousands.
        cpu = torch.device("cpu")
        self._bands = [_bands(num_bands, r, spacing, cpu).tolist() for r in self.max_resolution]

    @property
    def dim(self) -> int:
        """P, channels of a position."""
        return len(self.max_resolution) * (2 * self.num_bands + 1)

    def forward(self, coordinates: Tensor) -> Tensor:
        """Return the features of coordinates (B, M, A) in [-1, 1]: float32 (B, M, P)."""
        if torch.compiler.is_exporting() and self.num_bands:
            bands = torch.tensor(self._bands, device=coordinates.device)
            return _features(coordinates.float(), bands)
        return fourier_features(
            coordinates,
            num_bands=self.num_bands,
            max_resolution=self.max_resolution,
            spacing=self.spacing,
        )

    def on_grid(self, *sizes: int, device: torch.device | str | None = None) -> AxialPosition:
        """Return the features of a regular grid, float32 (1, M, P), M = sizes[0]·sizes[1]·….

        The last grids are cached, up to `MAX_CACHED_ROWS` rows in total.

        Args:
            *sizes: number of elements along each axis.
            device: device of the result.
        """
        if torch.compiler.is_exporting():
            return self._on_grid(sizes, device)  # sizes may be symbols, which are no keys
        key = (sizes, torch.device(device or "cpu"))
        position = next((cached for other, cached in self._cached if other == key), None)
        if position is None:
            # Computed outside inference mode, so that a grid first used in inference can be used in
            # training later.
            with torch.inference_mode(False), torch.no_grad():
                position = self._on_grid(sizes, device)
            self._cached.append((key, position))
            while len(self._cached) > 1 and self._rows() > MAX_CACHED_ROWS:
                self._cached.pop(0)
        return position

    def _on_grid(self, sizes: tuple[int, ...], device: torch.device | str | None) -> AxialPosition:
        tables = (
            self.of_axis(axis, grid(size, device=device)[:, 0]) for axis, size in enumerate(sizes)
        )
        return AxialPosition(tuple(tables))

    def _rows(self) -> int:
        return sum(len(table) for _, cached in self._cached for table in cached.tables)

    def of_axis(self, axis: int, coordinates: Tensor) -> Tensor:
        """Return the features' term for one axis; the terms of all axes add up to the features.

        Args:
            axis: index of the axis.
            coordinates: coordinates along this axis, (L,), in [-1, 1].

        Returns:
            Float32 (L, P); zero in the columns of the other axes.
        """
        count = len(self.max_resolution)
        axes = torch.arange(count, device=coordinates.device)
        bands = axes.repeat_interleave(self.num_bands)
        columns = torch.cat([axes, bands, bands])
        others = torch.zeros_like(coordinates)
        along = [coordinates if other == axis else others for other in range(count)]
        return self(torch.stack(along, dim=-1)) * (columns == axis)

    def extra_repr(self) -> str:
        """Return the arguments for `repr`."""
        return (
            f"max_resolution={self.max_resolution}, num_bands={self.num_bands}, "
            f"spacing={self.spacing!r}"
        )


def resize_positions(weight: Tensor, before: Sequence[int], after: Sequence[int]) -> Tensor:
    """Interpolate learned positions of a grid linearly to another grid of as many axes.

    The first and the last position of an axis stay where they are, as the end points of `grid` do.

    Args:
        weight: positions (Π before, P), the last axis fastest.
        before: number of elements along each axis, one to three axes.
        after: number of elements along each axis of the result.

    Returns:
        (Π after, P).
    """
    if tuple(before) == tuple(after):
        return weight
    mode = ("linear", "bilinear", "trilinear")[len(before) - 1]
    maps = weight.mT.unflatten(-1, tuple(before))[None]  # 1 P …
    return F.interpolate(maps, size=tuple(after), mode=mode, align_corners=True)[0].flatten(1).mT


class LearnedPosition(nn.Module):
    """One learned position vector per element, shared by the batch.

    Args:
        num_positions: M, elements of the input.
        dim: P, channels of a position.
        init_std: standard deviation of the initial vectors (Perceiver IO's code: 0.02; the paper's
            learned-position ImageNet model: 1.0).
        projection_dim: P, channels to which the vectors are linearly projected (Perceiver IO's
            learned-position ImageNet model: 256); None: `dim`, no projection.
    """

    def __init__(
        self,
        num_positions: int,
        dim: int,
        *,
        init_std: float = 0.02,
        projection_dim: int | None = None,
    ) -> None:
        super().__init__()
        self.init_std = init_std
        self.dim = projection_dim or dim
        self.weight = nn.Parameter(torch.empty(num_positions, dim))
        self.projection = None if projection_dim is None else nn.Linear(dim, projection_dim)
        self.init_weights()

    def forward(self) -> Tensor:
        """Return the positions, (1, M, P)."""
        weight = self.weight if self.projection is None else self.projection(self.weight)
        return weight[None]

    def init_weights(self) -> None:
        """Initialise from a truncated normal of standard deviation `init_std`."""
        trunc_normal(self.weight, self.init_std)
        if self.projection is not None:
            init_linear(self.projection)
