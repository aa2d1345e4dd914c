"""The adapter of numbers and categories: one element per column of a table."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from ...core import Inputs, LearnedPosition
from ...core.init import trunc_normal
from ..adapter import Adapter
from ..config import LinearModel
from .regression import RowRegression

# B batch · n numeric, k categorical columns · M = n + k elements · W embedding_dim · K num_bands

FREQUENCY_STD = 0.1  # initial periods of about ten standard deviations of x; not published
LIMIT = 1e6  # standard deviations; without a limit, a stray 1e38 could become NaN


class TabularAdapter(Adapter):
    """Embed rows of numbers and categories as `Inputs` with one element per column.

    A row (n + k,) holds n numbers, then k categories, each as its index in the column's list of
    categories. A missing cell is NaN. Infinite numbers and categories that are not in the list
    (such as -1) count as missing too. The elements of missing cells are masked: they do not
    influence the output, and a row of missing cells has no unmasked element.

    The content of an element is the embedding of the cell; its position is a learned vector of the
    column. A number x is normalised by the buffers `mean` and `std` (identity until
    `set_normalisation`), in float64, and limited to 10⁶ standard deviations. Its
    features are x, sin(2π c x) and cos(2π c x) for learned frequencies c (such features: arXiv
    2203.05556), which a linear map of its column turns into the embedding. The embedding of a
    category is a learned vector.

    With `linear`, the outputs of a linear model of the row are an element beside the columns; see
    `RowRegression`.

    Args:
        numeric: names of the numeric columns.
        categorical: names of the categorical columns.
        categories: the categories of each categorical column, in the order of their indices.
        embedding_dim: W, number of channels of a content and of a position.
        num_bands: K, number of frequencies of each numeric column; 0: only x.
        linear: the linear model, "logistic" or "squares"; "none": there is none.
        linear_outputs: number of outputs of the linear model.

    Raises:
        ValueError: no columns, repeated names or categories, a categorical column without
            categories, or an impossible size.
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
        linear: LinearModel = "none",
        linear_outputs: int = 2,
    ) -> None:
        super().__init__()
        _check_columns(numeric, categorical, categories)
        if embedding_dim < 1 or num_bands < 0:
            raise ValueError(
                f"embedding_dim={embedding_dim}, num_bands={num_bands}; expected an embedding_dim "
                "of at least 1 and a num_bands of at least 0"
            )
        self.names = (*numeric, *categorical)
        self.num_numeric, self.embedding_dim = len(numeric), embedding_dim
        sizes = [len(names) for names in categories]
        offsets = [sum(sizes[:i]) for i in range(len(sizes))]
        self.register_buffer("sizes", torch.tensor(sizes, dtype=torch.int64), persistent=False)
        self.register_buffer("offsets", torch.tensor(offsets, dtype=torch.int64), persistent=False)
        self.register_buffer("mean", torch.zeros(len(numeric), dtype=torch.float64))
        self.register_buffer("std", torch.ones(len(numeric), dtype=torch.float64))
        std = 1 / math.sqrt(embedding_dim)  # contents and positions have lengths of about 1
        self.regression = None
        if linear != "none":
            self.regression = RowRegression(
                linear,
                num_numeric=len(numeric),
                num_categories=sum(sizes),
                num_outputs=linear_outputs,
                dim=embedding_dim,
            )
        self.position = LearnedPosition(self.num_inputs, embedding_dim, init_std=std)
        self.frequencies = nn.Parameter(torch.randn(len(numeric), num_bands) * FREQUENCY_STD)
        self.weight = nn.Parameter(torch.empty(len(numeric), 2 * num_bands + 1, embedding_dim))
        trunc_normal(self.weight, std / math.sqrt(1 + num_bands))
        self.embedding = nn.Embedding(sum(sizes), embedding_dim)
        trunc_normal(self.embedding.weight, std)

    @property
    @override
    def dim(self) -> int:
        """Number of channels of an element: 2 W, content and position concatenated."""
        return 2 * self.embedding_dim

    @property
    @override
    def position_dim(self) -> int:
        return self.embedding_dim

    @property
    @override
    def num_inputs(self) -> int:
        """Number of elements: n + k, one per column, and one more with a linear model."""
        return len(self.names) + (self.regression is not None)

    @override
    def weights_from(self, other: Adapter) -> dict[str, Tensor]:
        """Return nothing: weights belong to columns and categories, which an adapter cannot tell.

        If both models read the same table, their configurations are equal, and all weights fit.
        """
        return {}

    @override
    def values_to_normalise(self, batch: Tensor) -> Tensor | None:
        """Return the numeric columns in float64, with NaN for missing and infinite numbers."""
        if not self.num_numeric:
            return None
        values = batch[:, : self.num_numeric].double()
        return values.masked_fill(~values.isfinite(), math.nan)

    @override
    def set_normalisation(self, mean: Tensor, std: Tensor) -> None:
        """Set the normalising constants of the numeric columns, measured on the training data.

        Args:
            mean: means (n,).
            std: standard deviations (n,), above 0.

        Raises:
            ValueError: another shape, or constants that are not finite or not above 0.
        """
        mean, std = torch.as_tensor(mean), torch.as_tensor(std)
        if mean.shape != self.mean.shape or std.shape != self.std.shape:
            raise ValueError(
                f"mean and std have shapes {tuple(mean.shape)} and {tuple(std.shape)}; expected "
                f"one number for each of {self.num_numeric} numeric columns"
            )
        if not (mean.isfinite().all() and std.isfinite().all() and (std > 0).all()):
            raise ValueError(
                f"mean is {mean.tolist()} and std is {std.tolist()}; expected finite numbers, and "
                "std above 0"
            )
        self.mean.copy_(mean)
        self.std.copy_(std)

    @override
    def count(self, batch: Tensor, targets: Tensor) -> None:
        if self.regression is not None:
            x, _, ids, known = self._cells(batch)
            self.regression.count(x, ids, known, targets)

    @override
    def evidence(self, batch: Tensor) -> Tensor | None:
        """Return what each column adds to the linear model; its own element adds nothing."""
        if self.regression is None:
            return None
        x, _, ids, known = self._cells(batch)
        return F.pad(self.regression.evidence(x, ids, known), (0, 0, 0, 1))

    @override
    def mask_elements(self, batch: Tensor, masks: Tensor) -> Inputs:
        """Return copies of a row, each without some of its cells."""
        inputs = self.elements(torch.where(masks[:, : len(self.names)], batch, math.nan))
        assert inputs.mask is not None  # `elements` masks missing cells
        return replace(inputs, mask=masks & inputs.mask)

    @override
    def elements(self, rows: Tensor) -> Inputs:
        """Embed rows side by side.

        Args:
            rows: rows (B, n + k), float32 or float64.

        Returns:
            `Inputs` of n + k elements, with a mask that is False at missing cells, and that of the
            linear model, which is masked in a row without any cell.

        Raises:
            ValueError: another shape or dtype.
        """
        self._check(rows)
        x, present, ids, known = self._cells(rows)
        content = torch.cat([self._embed_numbers(x), self.embedding(ids)], dim=1)
        mask = torch.cat([present, known], dim=1)
        if self.regression is not None:
            content = torch.cat([content, self.regression(x, ids, known).to(content.dtype)], dim=1)
            mask = torch.cat([mask, mask.any(1, keepdim=True)], dim=1)
        return Inputs(content.masked_fill(~mask[..., None], 0.0), self.position(), mask)

    def _check(self, rows: Tensor) -> None:
        """Raise a `ValueError` for rows of another shape or dtype."""
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise ValueError(
                f"table batch has shape {tuple(rows.shape)}; expected (batch, {len(self.names)}), "
                f"the columns {', '.join(self.names)}"
            )
        if rows.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"table batch is {rows.dtype}; expected float32 or float64, with NaN for a missing "
                "cell"
            )

    def _cells(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what the cells of rows (B, n + k) hold, and which are present.

        Returns:
            Standardised numbers (B, n), float32, 0 where missing; which are present (B, n); the
            index of each category among those of all columns (B, k), that of the first one of its
            column where it is not known; and which are known (B, k).
        """
        values = (rows[:, : self.num_numeric] - self.mean) / self.std
        present = values.isfinite()
        x = torch.where(present, values, 0.0).clamp(-LIMIT, LIMIT).float()
        ids = rows[:, self.num_numeric :]
        known = (ids >= 0) & (ids < self.sizes) & (ids == ids.floor())
        return x, present, torch.where(known, ids, 0.0).long() + self.offsets, known

    def _embed_numbers(self, x: Tensor) -> Tensor:
        """Return the contents (B, n, W) of standardised numbers (B, n)."""
        x = x[..., None]
        angles = 2 * math.pi * x * self.frequencies.float()  # B n K
        features = torch.cat([x, angles.sin(), angles.cos()], dim=-1).to(self.weight.dtype)
        return torch.einsum("bnf,nfw->bnw", features, self.weight)


def _check_columns(
    numeric: Sequence[str], categorical: Sequence[str], categories: Sequence[Sequence[str]]
) -> None:
    """Raise a `ValueError` unless the columns and their categories can be told apart."""
    if not (numeric or categorical):
        raise ValueError("no columns; expected at least one numeric or categorical column")
    if repeated := _repeated([*numeric, *categorical]):
        raise ValueError(f"column names {repeated} are repeated; expected distinct names")
    for name, names in zip(categorical, categories, strict=False):
        if repeated := _repeated(names):
            raise ValueError(
                f"column {name!r} repeats the categories {repeated}; expected distinct names"
            )
    if len(categories) != len(categorical):
        raise ValueError(
            f"got {len(categories)} lists of categories for the {len(categorical)} categorical "
            f"columns {list(categorical)}; expected one list for each column"
        )
    for name, names in zip(categorical, categories, strict=True):
        if not names:
            raise ValueError(f"column {name!r} has no categories; leave the column out")


def _repeated(names: Sequence[str]) -> list[str]:
    """Return the names that occur more than once, sorted."""
    return sorted({name for name in names if list(names).count(name) > 1})
