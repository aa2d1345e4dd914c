"""Reading a grid of few channels without making a key or a value.

On a grid the position of an input is a sum over the axes, p = r[y] + c[x], and so is all that is
linear in it. With s = 1/σ of the input's LayerNorm and content a of a few channels, the logit of a
query q is s·(q·Kr[y] + q·Kc[x] + q·Ka·a) for small tables Kr = K̃r and so on, the same for all
inputs: products with the width of the keys are taken for each row, column and channel, not for each
input. What is read, Σ w·s·(Vr[y] + Vc[x] + Va·a), needs of the weights w only the sums of w·s over
rows and columns and its products with a. This is exact, and so is the backward pass, which has the
same form. Per query and input it costs about C + 4 multiplications and an exponential, in the place
of qk_dim + v_dim multiplications and an exponential.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import MASKED_LOGIT
from .positions import AxialPosition
from .projection import Projection
from .sources import Split

# B batch · H heads · N queries (latents) · K qk_dim / H · V v_dim / H · Q = H·N
# R rows · W columns · M = R·W inputs · C content channels

BLOCK_LOGITS = 2**17  # logits of a block for each thread: 512 KiB, half of a second-level cache
EXPONENT_MARGIN = (
    8.0  # by which a logit may exceed what is subtracted from it before the exponential
)


@dataclass(frozen=True)
class SeparableGrid:
    """Inputs of few channels on a grid; nothing is held of them but the content itself."""

    projection: Projection
    """Of the inputs, to keys and values side by side; its position is an `AxialPosition`."""
    split: Split
    """Tells keys from values, and heads apart."""
    features: Tensor
    """(B, C + 1, R, W), or one more under a mask, as `grid_features` makes them."""

    def read(self, queries: Tensor, *, dropout: float = 0.0) -> Tensor:
        """See `KeyValueSource`."""
        if dropout:
            raise ValueError("attention dropout needs keys that are held; set it to 0")
        out, lse = self.partial(queries)
        return torch.where(lse[..., None] > MASKED_LOGIT / 2, out, 0.0)

    def partial(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """See `PartialSource`."""
        of_content, of_position = self.projection.content_weight, self.projection.position_weight
        assert of_position is not None
        batch, (_, heads, latents, width) = len(self.features), queries.shape
        tables = [
            F.linear(table.to(of_position.dtype), of_position) for table in axes(self.projection)
        ]
        maps = [self.split(table[None]) for table in (*tables, of_content.mT)]
        bias = self.split(self.projection.bias[None, None])[1]
        asked = (
            ((queries * width**-0.5) @ keys.mT).expand(batch, -1, -1, -1).flatten(1, 2)
            for keys, _ in maps
        )
        *sums, lse = read_grid(*(x.to(self.features.dtype) for x in asked), self.features)
        out = bias
        for of_axis, (_, values) in zip(sums, maps, strict=True):
            out = out + of_axis.to(values.dtype).unflatten(1, (heads, latents)) @ values
        return out, lse.unflatten(1, (heads, latents))


def grid_features(projection: Projection, mask: Tensor | None) -> Tensor:
    """What logits are linear in: s·a, s and, under a mask, how far off an input is.

    Args:
        projection: of M = R·W inputs whose position is an `AxialPosition`.
        mask: boolean (B, M), True = attend.

    Returns:
        (B, C + 1 or C + 2, R, W), in float32 at least.
    """
    scale = projection.scale
    parts = [projection.content * scale, scale]
    if mask is not None:
        parts.append(torch.zeros_like(scale).masked_fill(~mask[..., None], MASKED_LOGIT))
    rows, columns = (len(table) for table in axes(projection))
    return torch.cat(parts, dim=-1).mT.unflatten(-1, (rows, columns)).contiguous()


def axes(projection: Projection) -> tuple[Tensor, Tensor]:
    """What its position is the sum of: rows (R, P) and columns (W, P)."""
    assert isinstance(projection.position, AxialPosition)
    return projection.position.rows_and_columns()


AxisTerms = Sequence[Tensor]  # of rows (B, Q, R), columns (B, Q, W) and channels (B, Q, C)


class _Block(NamedTuple):
    """A part of the grid, small enough for the cache."""

    examples: slice
    rows: slice
    columns: slice


def _blocks(batch: int, queries: int, rows: int, columns: int) -> Iterator[_Block]:
    """Parts of about `BLOCK_LOGITS` logits a thread, by examples first."""
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
    """A block's features, as both directions need them: to every input, and summed over all.

    Args:
        features: see `grid_features`.
        channels: C.
        block: which part of them.
    """

    def __init__(self, features: Tensor, channels: int, block: _Block) -> None:
        part = features[block.examples, :, block.rows, block.columns]
        self.block, self.channels, self.size = block, channels, part.shape[2:]
        self.scale = part[:, channels : channels + 1]  # b 1 r w
        row = torch.eye(self.size[0], dtype=part.dtype)[..., None] * self.scale
        parts = (part[:, :channels], row, torch.ones_like(self.scale), part[:, channels + 1 :])
        self.features = torch.cat([p.flatten(2) for p in parts], dim=1)  # b F r·w

    def element_sums(self, of: AxisTerms, constant: Tensor, *, masked: bool) -> Tensor:
        """s·(rows[y] + columns[x] + channels·a) + constant, (b, Q, r·w); far less where masked."""
        rows, columns, channels = self.part(of)
        factors = [channels, rows, constant[self.block.examples]]
        if self.features.shape[1] > sum(factor.shape[-1] for factor in factors):
            factors.append(torch.full_like(factors[-1], masked))
        y = torch.cat(factors, dim=-1) @ self.features
        y.unflatten(-1, self.size).addcmul_(self.scale, columns[:, :, None])
        return y

    def accumulate(self, weights: Tensor, into: AxisTerms) -> Tensor:
        """Add s·w of (b, Q, r·w) by row, column and channel; w itself is lost, but for its sum."""
        sums = weights @ self.features.mT
        of_rows, of_columns, of_channels = self.part(into)
        of_channels += sums[..., : self.channels]
        of_rows += sums[..., self.channels : self.channels + self.size[0]]
        of_columns += weights.unflatten(-1, self.size).mul_(self.scale).sum(2)
        return sums[..., self.channels + self.size[0], None]

    def part(self, of: AxisTerms) -> AxisTerms:
        """What concerns the block."""
        rows, columns, channels = of
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
    """Softmax over a grid, of what it is averaged to.

    Args:
        rows: what each query asks of a row, (B, Q, R).
        columns: of a column, (B, Q, W).
        channels: of a channel, (B, Q, C).
        features: see `grid_features`; no gradient reaches them.

    Returns:
        Attention weights times s summed over the inputs of each row (B, Q, R), of each column
        (B, Q, W), and over all inputs, times their content (B, Q, C); the logsumexp of the logits
        (B, Q).
    """
    asked = (rows, columns, channels)
    sums = [torch.zeros_like(x) for x in asked]
    top = rows.new_full((*rows.shape[:2], 1), -math.inf)
    nothing, total = torch.zeros_like(top), torch.zeros_like(top)
    for block in _blocks(*rows.shape[:2], *features.shape[2:]):
        grid, b = _Grid(features, channels.shape[-1], block), block.examples
        logits = grid.element_sums(asked, nothing, masked=True)
        highest = logits.amax(-1, keepdim=True)
        # A logit a little above all before it does no harm: few blocks make the sums anew.
        highest = torch.where(highest > top[b] + EXPONENT_MARGIN, highest, top[b])
        if not torch.equal(highest, top[b]):
            for x in (*sums, total):
                x[b] *= (top[b] - highest).exp()
            top[b] = highest
        total[b] += grid.accumulate(logits.sub_(highest).exp_(), sums)
    of_rows, of_columns, of_channels = (x.div_(total) for x in sums)
    return of_rows, of_columns, of_channels, (top + total.log()).squeeze(-1)


@torch.library.custom_op("perceivers::read_grid_backward", mutates_args=())
def read_grid_backward(
    of_rows: Tensor,
    of_columns: Tensor,
    of_channels: Tensor,
    delta: Tensor,
    rows: Tensor,
    columns: Tensor,
    channels: Tensor,
    lse: Tensor,
    features: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of rows, columns and channels from those of the three sums.

    `delta` (B, Q) is the sum over inputs of each weight times its gradient.
    """
    asked, grads = (rows, columns, channels), (of_rows, of_columns, of_channels)
    sums = [torch.zeros_like(x) for x in asked]
    for block in _blocks(*rows.shape[:2], *features.shape[2:]):
        grid = _Grid(features, channels.shape[-1], block)
        weights = grid.element_sums(asked, -lse[..., None], masked=True).exp_()
        of_weights = grid.element_sums(grads, -delta[..., None], masked=False)
        grid.accumulate(weights.mul_(of_weights), sums)
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
def _(of_rows: Tensor, of_columns: Tensor, of_channels: Tensor, *_: Tensor) -> Any:
    return tuple(torch.empty_like(x) for x in (of_rows, of_columns, of_channels))


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs, *output)


def _backward(ctx: Any, *of_sums: Tensor) -> Any:
    *inputs, features, rows, columns, channels, lse = ctx.saved_tensors
    of_sums = of_sums[:3]  # nothing depends on the logsumexp but parts to be merged, in inference
    delta = sum((x * y).sum(-1) for x, y in zip((rows, columns, channels), of_sums, strict=True))
    return *read_grid_backward(*of_sums, delta, *inputs, lse, features), None


read_grid.register_autograd(_backward, setup_context=_keep)
read_grid.register_autocast("cpu", torch.float32)
