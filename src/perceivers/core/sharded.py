"""Attention to inputs that are distributed over several processes.

Each rank attends to its own part of the inputs, and the softmaxes of the parts are merged exactly.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.distributed import ProcessGroup, ReduceOp

from .attention import (
    MASKED_LOGIT,
    partial_attend,
    partial_attend_backward,
    plain_gradients,
    plain_partial_attend,
    second_order,
)
from .inputs import Inputs
from .projection import Projection

# B batch · H heads · N queries (latents) · m inputs of this rank · K qk_dim / H · V v_dim / H


@dataclass(frozen=True)
class ShardedKeyValues:
    """Keys and values of this rank's part of the inputs; `read` attends to the parts of all ranks.

    It is a `KeyValueSource`.
    """

    keys: Tensor
    """(B, H, m, K)."""
    values: Tensor
    """(B, H, m, V)."""
    mask: Tensor | None
    """Boolean (B, m), True where an element is attended to. None: everywhere."""
    group: ProcessGroup
    """The ranks that hold the parts."""

    def read(self, queries: Tensor, *, dropout: float = 0.0) -> Tensor:
        """Attend to the inputs of all ranks; every rank gets the same output.

        Args:
            queries: (1 or B, H, N, K), the same on every rank.
            dropout: must be 0.

        Returns:
            (B, H, N, V).

        Raises:
            ValueError: `dropout` is not 0.
        """
        if dropout:
            raise ValueError(
                f"attention_dropout={dropout}, but the ranks would drop different weights; "
                "set it to 0"
            )
        queries = queries.expand(self.keys.shape[0], -1, -1, -1)
        return _ReadShards.apply(queries, self.keys, self.values, self.mask, self.group)


def sum_weight_gradients(projection: Projection, group: ProcessGroup) -> Projection:
    """Return the same projection, with the gradients of its weights summed over the ranks.

    Args:
        projection: of this rank's part of the inputs.
        group: the ranks that hold the parts.
    """
    return projection._replace(
        content_weight=_Replicated.apply(projection.content_weight, group),
        position_weight=None
        if projection.position_weight is None
        else _Replicated.apply(projection.position_weight, group),
        bias=_Replicated.apply(projection.bias, group),
    )


def check_parts(inputs: Inputs, group: ProcessGroup) -> None:
    """Check that all ranks hold the same number of examples and channels.

    Args:
        inputs: this rank's part of the elements.
        group: the ranks that hold the parts.

    Raises:
        ValueError: they differ; raised on every rank.
    """
    sizes = torch.tensor([len(inputs.content), inputs.dim], device=inputs.content.device)
    least, most = sizes.clone(), sizes.clone()
    dist.all_reduce(least, ReduceOp.MIN, group)
    dist.all_reduce(most, ReduceOp.MAX, group)
    for name, low, high in zip(
        ("examples", "channels"), least.tolist(), most.tolist(), strict=True
    ):
        if low != high:
            raise ValueError(
                f"the ranks hold {low} to {high} {name}; expected the same number on every rank: "
                "each rank holds a part of the elements of the same examples"
            )


class _Replicated(torch.autograd.Function):
    """Identity of what all ranks hold alike; its gradient is the sum of the ranks' gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: ProcessGroup) -> Tensor:
        ctx.group = group
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return _Sum.apply(grad, ctx.group), None


class _Sum(torch.autograd.Function):
    """Sum over the ranks; each rank gets the gradient of the sum, which all ranks hold alike."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: ProcessGroup) -> Tensor:
        ctx.group = group
        x = x.contiguous().clone()
        dist.all_reduce(x, ReduceOp.SUM, group)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return _Replicated.apply(grad, ctx.group), None


class _ReadShards(torch.autograd.Function):
    """Attention to the parts of all ranks; each rank keeps the merged output and logsumexp."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, group: ProcessGroup
    ) -> Tensor:
        out, lse, empty = _merge(*partial_attend(q, k, v, mask), group)
        ctx.save_for_backward(q, k, v, mask, out, lse, empty)
        ctx.group = group
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        q, k, v, mask, out, lse, empty = ctx.saved_tensors
        if second_order():

            def read(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
                return _read_plainly(q, k, v, mask, ctx.group)

            return *plain_gradients(read, (q, k, v), grad), None, None
        grad = torch.where(empty, 0.0, grad)
        grad_q, grad_k, grad_v = partial_attend_backward(grad, q, k, v, out, lse, mask)
        grad_q = grad_q.contiguous()
        dist.all_reduce(grad_q, ReduceOp.SUM, ctx.group)
        return grad_q, grad_k, grad_v, None, None


def _merge(out: Tensor, lse: Tensor, group: ProcessGroup) -> tuple[Tensor, Tensor, Tensor]:
    """Merge this rank's output and logsumexp with those of the other ranks.

    Returns:
        The output (B, H, N, V), the logsumexp (B, H, N), and whether no rank has an unmasked
        element, (B, H, N, 1); the output is zero there.
    """
    top = lse.detach().clone()
    dist.all_reduce(top, ReduceOp.MAX, group)
    weight = (lse - top).exp()[..., None]
    total = _Sum.apply(torch.cat([out * weight, weight.to(out.dtype)], dim=-1), group)
    out = total[..., :-1] / total[..., -1:]
    empty = top[..., None] <= MASKED_LOGIT / 2
    return torch.where(empty, 0.0, out), top + total[..., -1].log(), empty


def _read_plainly(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, group: ProcessGroup
) -> Tensor:
    """Compute `ShardedKeyValues.read` so that it can be differentiated any number of times."""
    # With one more masked element on every rank, a rank without elements goes through the same
    # operators as the others, and therefore takes part in the same sums over the ranks.
    mask = torch.ones(k.shape[0], k.shape[2], dtype=torch.bool, device=k.device) & (
        True if mask is None else mask
    )
    k, v, mask = F.pad(k, (0, 0, 0, 1)), F.pad(v, (0, 0, 0, 1)), F.pad(mask, (0, 1))
    q = _Replicated.apply(q, group)
    return _merge(*plain_partial_attend(q, k, v, mask), group)[0]
