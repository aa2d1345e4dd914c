"""Attention to a grid of few channels without computing a key or a value.

On a grid the position of an input is a sum over the axes, p = r[y] + c[x], and so is everything
that is linear in it. Let s = 1/σ of the input's LayerNorm, and a its content of a few channels. The
logit of a query q is s·(q·Kr[y] + q·Kc[x] + q·Ka·a) for small tables Kr = K̃r and so on, which all
inputs share: products over the width of the keys are computed for each row, column and channel
instead of each input. The output, Σ w·s·(Vr[y] + Vc[x] + Va·a), depends on the weights w only
through the sums of w·s over rows and over columns and through the products of w·s with a. This is
exact, and so is the backward pass, which has the same form. It costs about C + 4 multiplications
and an exponential per query and input, instead of qk_dim + v_dim multiplications and an
exponential.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import MASKED_LOGIT, plain_gradients, second_order
from .positions import AxialPosition
from .projection import Projection
from .sources import Split

# B batch · H heads · N queries (latents) · K qk_dim / H · V v_dim / H · Q = H·N
# R rows · W columns · M = R·W inputs · C content channels

# Logits of a block per thread: 512 KiB, half of a second-level cache.
BLOCK_LOGITS = 2**17
# Largest difference between a logit and the number subtracted before the exponential.
EXPONENT_MARGIN = 8.0

_as_operator = ContextVar("as_operator", default=False)

AxisTerms = Sequence[Tensor]  # terms of rows (B, Q, R), columns (B, Q, W) and channels (B, Q, C)


@dataclass(frozen=True)
class SeparableGrid:
    """Inputs of few channels on a grid, attended to without keys and values.

    It is both a `KeyValueSource` and a `PartialSource`.
    """

    projection: Projection
    """Projection of the inputs to keys and values, concatenated; the position is an
    `AxialPosition`."""
    split: Split
    """Function that separates keys from values and splits the heads."""
    features: Tensor
    """Result of `grid_features`: (B, C + 1, R, W), or (B, C + 2, R, W) with a mask."""

    def read(self, queries: Tensor, *, dropout: float = 0.0) -> Tensor:
        """Attend to all inputs, (1 or B, H, N, K) → (B, H, N, V); `dropout` must be 0."""
        if dropout:
            raise ValueError(
                f"attention_dropout={dropout}, but attention without keys does not support it; "
                "set it to 0"
            )
        out, lse = self.partial(queries)
        return torch.where(lse[..., None] <= MASKED_LOGIT / 2, 0.0, out)  # keeps NaN

    def partial(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output (B, H, N, V) and the logsumexp of the logits (B, H, N)."""
        weight, position_weight = self.projection.content_weight, self.projection.position_weight
        assert position_weight is not None
        batch, (_, heads, latents, width) = self.features.shape[0], queries.shape
        tables = [
            F.linear(table.to(position_weight.dtype), position_weight)
            for table in axes(self.projection)
        ]
        maps = [self.split(table[None]) for table in (*tables, weight.mT)]
        bias = self.split(self.projection.bias[None, None])[1]
        terms = (
            ((queries * width**-0.5) @ keys.mT).expand(batch, -1, -1, -1).flatten(1, 2)
            for keys, _ in maps
        )
        *sums, lse = read_grid(*(x.to(self.features.dtype) for x in terms), self.features)
        out = bias
        for axis_sums, (_, values) in zip(sums, maps, strict=True):
            out = out + axis_sums.to(values.dtype).unflatten(1, (heads, latents)) @ values
        return out, lse.unflatten(1, (heads, latents))


@contextmanager
def grids_as_operators() -> Iterator[None]:
    """Let programs that are exported meanwhile read grids by `torch.ops.perceivers.read_grid`.

    For an exporter that knows this operator. Otherwise exported programs consist of torch's own
    operators alone, which run without this library, and compute keys and values.
    """
    token = _as_operator.set(True)
    try:
        yield
    finally:
        _as_operator.reset(token)


def may_read_grids() -> bool:
    """Return whether the program that runs or is exported may contain `read_grid`."""
    return not torch.compiler.is_exporting() or _as_operator.get()


def grid_features(projection: Projection, mask: Tensor | None) -> Tensor:
    """Return the numbers that logits are linear in: s·a, s and, with a mask, its logit.

    Args:
        projection: of M = R·W inputs whose position is an `AxialPosition`.
        mask: boolean (B, M), True where an input is attended to. None: everywhere.

    Returns:
        (B, C + 1, R, W), or (B, C + 2, R, W) with a mask, in float32 or float64.
    """
    scale = projection.scale
    parts = [projection.content * scale, scale]
    if mask is not None:
        parts.append(torch.zeros_like(scale).masked_fill(~mask[..., None], MASKED_LOGIT))
    rows, columns = (table.shape[0] for table in axes(projection))
    return torch.cat(parts, dim=-1).mT.unflatten(-1, (rows, columns)).contiguous()


def axes(projection: Projection) -> tuple[Tensor, Tensor]:
    """Return the tables that the position is a sum of: rows (R, P) and columns (W, P)."""
    assert isinstance(projection.position, AxialPosition)
    return projection.position.rows_and_columns()


class _Block(NamedTuple):
    """A part of the grid that is small enough for the cache."""

    examples: slice
    rows: slice
    columns: slice


def _blocks(batch: int, queries: int, rows: int, columns: int) -> Iterator[_Block]:
    """Yield blocks of about `BLOCK_LOGITS` logits per thread, as many examples each as fit."""
    size = max(1, BLOCK_LOGITS * torch.get_num_threads() // queries)  # inputs
    wide = min(columns, size)
    examples = min(batch, max(1, size // columns))
    high = max(1, size // (examples * wide))
    for example in range(0, batch, examples):
        for row in range(0, rows, high):
            for column in range(0, columns, wide):
                yield _Block(
                    slice(example, min(example + examples, batch)),
                    slice(row, min(row + high, rows)),
                    slice(column, min(column + wide, columns)),
                )


class _Grid:
    """The features of a block, in the form that both the forward and the backward pass use.

    Args:
        features: result of `grid_features`.
        channels: C.
        block: the part of the grid.
    """

    def __init__(self, features: Tensor, channels: int, block: _Block) -> None:
        part = features[block.examples, :, block.rows, block.columns]
        self.block, self.channels, self.size = block, channels, part.shape[2:]
        self.scale = part[:, channels : channels + 1]  # b 1 r w
        row = torch.eye(self.size[0], dtype=part.dtype)[..., None] * self.scale
        parts = (part[:, :channels], row, torch.ones_like(self.scale), part[:, channels + 1 :])
        self.features = torch.cat([p.flatten(2) for p in parts], dim=1)  # b F r·w

    def element_sums(self, terms: AxisTerms, constant: Tensor, *, masked: bool) -> Tensor:
        """Sum the axis terms for each input: s·(rows[y] + columns[x] + channels·a) + constant.

        With `masked`, `MASKED_LOGIT` is added where an input is masked.
        """
        rows, columns, channels = self.slices(terms)
        factors = [channels, rows, constant[self.block.examples]]
        if self.features.shape[1] > sum(factor.shape[-1] for factor in factors):
            factors.append(torch.full_like(factors[-1], masked))
        y = torch.cat(factors, dim=-1) @ self.features
        y.unflatten(-1, self.size).addcmul_(self.scale, columns[:, :, None])
        return y  # b Q r·w

    def accumulate(self, weights: Tensor, sums: AxisTerms) -> Tensor:
        """Add s·w to the sums over rows, columns and channels; return the sum of w, (b, Q, 1).

        The weights w, (b, Q, r·w), are overwritten.
        """
        totals = weights @ self.features.mT
        rows, columns, channels = self.slices(sums)
        channels += totals[..., : self.channels]
        rows += totals[..., self.channels : self.channels + self.size[0]]
        columns += weights.unflatten(-1, self.size).mul_(self.scale).sum(2)
        return totals[..., self.channels + self.size[0], None]

    def slices(self, terms: AxisTerms) -> AxisTerms:
        """Return this block's slices of the three arrays, as views."""
        rows, columns, channels = terms
        examples = self.block.examples
        return (
            rows[examples, :, self.block.rows],
            columns[examples, :, self.block.columns],
            channels[examples],
        )


@torch.library.custom_op("perceivers::read_grid", mutates_args=())
def read_grid(
    rows: Tensor, columns: Tensor, channels: Tensor, features: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute sums of attention weights over the rows, columns and channels of a grid.

    Args:
        rows: term of the logits for each row, (B, Q, R).
        columns: term of the logits for each column, (B, Q, W).
        channels: factor of the logits for each content channel, (B, Q, C).
        features: result of `grid_features`; it gets no gradient.

    Returns:
        Attention weights times s, summed over the inputs of each row (B, Q, R) and of each column
        (B, Q, W); the same times the content, summed over all inputs (B, Q, C); and the logsumexp
        of the logits (B, Q).
    """
    terms = (rows, columns, channels)
    sums = [torch.zeros_like(x) for x in terms]
    top = rows.new_full((*rows.shape[:2], 1), -math.inf)
    zero, total = torch.zeros_like(top), torch.zeros_like(top)
    for block in _blocks(*rows.shape[:2], *features.shape[2:]):
        grid, b = _Grid(features, channels.shape[-1], block), block.examples
        logits = grid.element_sums(terms, zero, masked=True)
        highest = logits.amax(-1, keepdim=True)
        # A logit may exceed `top` by a margin without overflow, so few blocks rescale the sums.
        highest = torch.where(highest > top[b] + EXPONENT_MARGIN, highest, top[b])
        if not torch.equal(highest, top[b]):
            for x in (*sums, total):
                x[b] *= (top[b] - highest).exp()
            top[b] = highest
        total[b] += grid.accumulate(logits.sub_(highest).exp_(), sums)
    row_sums, column_sums, channel_sums = (x.div_(total) for x in sums)
    return row_sums, column_sums, channel_sums, (top + total.log()).squeeze(-1)


@torch.library.custom_op("perceivers::read_grid_backward", mutates_args=())
def read_grid_backward(
    grad_rows: Tensor,
    grad_columns: Tensor,
    grad_channels: Tensor,
    delta: Tensor,
    rows: Tensor,
    columns: Tensor,
    channels: Tensor,
    lse: Tensor,
    features: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the gradients of `read_grid` with respect to its rows, columns and channels.

    Args:
        grad_rows: gradient of the sums over rows, (B, Q, R).
        grad_columns: gradient of the sums over columns, (B, Q, W).
        grad_channels: gradient of the sums over channels, (B, Q, C).
        delta: sum over all inputs of each attention weight times its gradient, (B, Q).
        rows: argument of `read_grid`.
        columns: argument of `read_grid`.
        channels: argument of `read_grid`.
        lse: logsumexp that `read_grid` returned, (B, Q).
        features: argument of `read_grid`.

    Returns:
        Gradients of rows, columns and channels.
    """
    terms, grads = (rows, columns, channels), (grad_rows, grad_columns, grad_channels)
    sums = [torch.zeros_like(x) for x in terms]
    for block in _blocks(*rows.shape[:2], *features.shape[2:]):
        grid = _Grid(features, channels.shape[-1], block)
        weights = grid.element_sums(terms, -lse[..., None], masked=True).exp_()
        grad_weights = grid.element_sums(grads, -delta[..., None], masked=False)
        grid.accumulate(weights.mul_(grad_weights), sums)
    return sums[0], sums[1], sums[2]


@read_grid.register_fake
def _(
    rows: Tensor, columns: Tensor, channels: Tensor, features: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return (
        torch.empty_like(rows),
        torch.empty_like(columns),
        torch.empty_like(channels),
        rows.new_empty(rows.shape[:2]),
    )


@read_grid_backward.register_fake
def _(grad_rows: Tensor, grad_columns: Tensor, grad_channels: Tensor, *_: Tensor) -> Any:
    return tuple(torch.empty_like(x) for x in (grad_rows, grad_columns, grad_channels))


def read_grid_plainly(
    rows: Tensor, columns: Tensor, channels: Tensor, features: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute `read_grid` with torch's own operators, which store the logits of all inputs.

    They can be differentiated any number of times. Arguments and results are those of `read_grid`.

    Args:
        rows: (B, Q, R).
        columns: (B, Q, W).
        channels: (B, Q, C).
        features: (B, C + 1, R, W), or (B, C + 2, R, W) with a mask.
    """
    content, scale, masked = features.tensor_split([channels.shape[-1], channels.shape[-1] + 1], 1)
    by_axis = rows[..., None] + columns[:, :, None]  # B Q R W
    logits = (
        scale * by_axis
        + torch.einsum("bqc,bcrw->bqrw", channels, content)
        + masked.sum(1, keepdim=True)
    )
    lse = logits.flatten(2).logsumexp(-1)
    weights = (logits - lse[..., None, None]).exp()
    scaled = weights * scale
    channel_sums = torch.einsum("bqrw,bcrw->bqc", weights, content)
    return scaled.sum(3), scaled.sum(2), channel_sums, lse


def _setup_context(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs, *output)


def _backward(ctx: Any, *grads: Tensor) -> Any:
    *inputs, features, rows, columns, channels, lse = ctx.saved_tensors
    if second_order():
        return tuple(plain_gradients(read_grid_plainly, (*inputs, features), grads))
    *grad_sums, grad_lse = grads
    delta = sum((x * y).sum(-1) for x, y in zip((rows, columns, channels), grad_sums, strict=True))
    return *read_grid_backward(*grad_sums, delta - grad_lse, *inputs, lse, features), None


read_grid.register_autograd(_backward, setup_context=_setup_context)
read_grid.register_autocast("cpu", torch.float32)
