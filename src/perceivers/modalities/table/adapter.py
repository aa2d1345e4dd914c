"""Rows of a table to elements: one a column."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...core import Inputs, LearnedPosition
from ...core.init import trunc_normal
from ..adapter import Adapter

# B batch · n numeric, k categorical columns · M = n + k elements · W embedding_dim · K num_bands

FREQUENCY_STD = 0.1  # waves of some ten standard deviations at first; not published
LIMIT = 1e6  # standard deviations; keeps a stray 1e38 from becoming a NaN on its way


class TabularAdapter(Adapter):
    """Rows (B, n + k) of floats → `Inputs` of one element a column.

    A row holds its n numeric values, then its k categories by their number in the column's list.
    What is missing is NaN: the element is masked, so that a row reads the same whatever stands in
    for it, and a row of nothing is read as nothing. Infinite numbers and categories that are not in
    the list (such as -1) count as missing.

    The column is the position of an element, a learned vector; the value is its content. A number x
    is normalised by the buffers `mean` and `std` (identity until `set_normalisation`), in the
    precision of the row, and becomes x, sin(2π c x) and cos(2π c x) for learned frequencies c,
    mapped linearly by weights of the column's own (such waves: arXiv 2203.05556); beyond 10⁶
    standard deviations it counts as 10⁶. A category has a learned vector.

    Args:
        numeric: names of the numeric columns.
        categorical: names of the categorical columns.
        categories: for each categorical column, its categories in the order of their numbers.
        embedding_dim: W, channels of a content and of a position.
        num_bands: K, frequencies of each numeric column; 0: x alone.

    Raises:
        ValueError: no columns, names or categories given twice, lists that do not go together; in
            `elements`, another shape or type.
    """

    mean: Tensor
    std: Tensor
    sizes: Tensor
    offsets: Tensor

    def __init__(
        self,
        *,
        numeric: Sequence[str] = (),
        categorical: Sequence[str] = (),
        categories: Sequence[Sequence[str]] = (),
        embedding_dim: int = 32,
        num_bands: int = 8,
    ) -> None:
        super().__init__()
        _check(numeric, categorical, categories, embedding_dim, num_bands)
        self.names = (*numeric, *categorical)
        self.num_numeric, self.embedding_dim = len(numeric), embedding_dim
        sizes = [len(given) for given in categories]
        offsets = [sum(sizes[:i]) for i in range(len(sizes))]
        self.register_buffer("sizes", torch.tensor(sizes, dtype=torch.int64), persistent=False)
        self.register_buffer("offsets", torch.tensor(offsets, dtype=torch.int64), persistent=False)
        self.register_buffer("mean", torch.zeros(len(numeric)))
        self.register_buffer("std", torch.ones(len(numeric)))
        std = 1 / math.sqrt(embedding_dim)  # every content and position of about the same length
        self.position = LearnedPosition(len(self.names), embedding_dim, init_std=std)
        self.frequencies = nn.Parameter(torch.randn(len(numeric), num_bands) * FREQUENCY_STD)
        self.weight = nn.Parameter(torch.empty(len(numeric), 2 * num_bands + 1, embedding_dim))
        trunc_normal(self.weight, std / math.sqrt(1 + num_bands))
        self.embedding = nn.Embedding(sum(sizes), embedding_dim)
        trunc_normal(self.embedding.weight, std)

    @property
    def dim(self) -> int:
        """2 W."""
        return 2 * self.embedding_dim

    @property
    def num_inputs(self) -> int:
        """N + k."""
        return len(self.names)

    def values_to_normalise(self, batch: Tensor) -> Tensor | None:
        """See `Adapter`: the numeric columns in float64, NaN where there is no number."""
        if not self.num_numeric:
            return None
        values = batch[:, : self.num_numeric].double()
        return values.masked_fill(~values.isfinite(), math.nan)

    def set_normalisation(self, mean: Tensor, std: Tensor) -> None:
        """Constants (n,) of the numeric columns, measured on the training data."""
        mean, std = torch.as_tensor(mean), torch.as_tensor(std)
        if mean.shape != self.mean.shape or std.shape != self.std.shape:
            raise ValueError(
                f"mean and std have shapes {tuple(mean.shape)} and {tuple(std.shape)}; expected "
                f"one number for each of {self.num_numeric} numeric columns"
            )
        if not (mean.isfinite().all() and std.isfinite().all() and (std > 0).all()):
            raise ValueError(
                f"mean {mean.tolist()} and std {std.tolist()}; expected finite numbers, std above 0"
            )
        self.mean.copy_(mean)
        self.std.copy_(std)

    def elements(self, rows: Tensor) -> Inputs:
        """Rows (B, n + k), float32 or float64 → n + k elements under a mask."""
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise ValueError(
                f"table batch has shape {tuple(rows.shape)}; expected (batch, {len(self.names)}), "
                f"the columns {', '.join(self.names)}"
            )
        if rows.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"table batch is {rows.dtype}; expected float32 or float64, NaN where missing"
            )
        numbers, there = self._numbers(rows[:, : self.num_numeric])
        ids = rows[:, self.num_numeric :]
        known = (ids >= 0) & (ids < self.sizes) & (ids == ids.floor())
        ids = torch.where(known, ids, 0.0).long()
        # An id that is out of the list stands for the first category; it is masked below.
        content = torch.cat([numbers, self._categories(ids)], dim=1)
        mask = torch.cat([there, known], dim=1)
        return Inputs(content.masked_fill(~mask[..., None], 0.0), self.position(), mask)

    def _numbers(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """(B, n) → contents (B, n, W) and which of them are there (B, n)."""
        values = (values - self.mean) / self.std
        there = values.isfinite()
        x = torch.where(there, values, 0.0).clamp(-LIMIT, LIMIT).float()[..., None]  # B n 1
        angles = 2 * math.pi * x * self.frequencies.float()  # B n K
        features = torch.cat([x, angles.sin(), angles.cos()], dim=-1).to(self.weight.dtype)
        return torch.einsum("bnf,nfw->bnw", features, self.weight), there

    def _categories(self, ids: Tensor) -> Tensor:
        """(B, k) → contents (B, k, W)."""
        return self.embedding(ids + self.offsets)


def _check(
    numeric: Sequence[str],
    categorical: Sequence[str],
    categories: Sequence[Sequence[str]],
    embedding_dim: int,
    num_bands: int,
) -> None:
    names = [*numeric, *categorical]
    if not names:
        raise ValueError("no columns; name at least one numeric or categorical column")
    for what, given in (("column", names), *zip(categorical, categories, strict=False)):
        twice = sorted({name for name in given if list(given).count(name) > 1})
        if twice:
            raise ValueError(f"{what}: {twice} given twice; expected names that differ")
    if len(categories) != len(categorical):
        raise ValueError(
            f"{len(categories)} lists of categories for the {len(categorical)} categorical columns "
            f"{list(categorical)}; expected one each"
        )
    for name, given in zip(categorical, categories, strict=True):
        if not given:
            raise ValueError(f"column {name!r} has no categories; leave it out")
    if embedding_dim < 1 or num_bands < 0:
        raise ValueError(
            f"embedding_dim={embedding_dim}, num_bands={num_bands}; expected at least 1 and 0"
        )
