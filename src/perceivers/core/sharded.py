"""One input over several processes: each rank reads its part, softmaxes are merged exactly."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import ProcessGroup, ReduceOp

from .attention import MASKED_LOGIT, partial_attend, partial_attend_backward
from .inputs import Inputs
from .projection import Projection

# B batch · H heads · N queries (latents) · m inputs of this rank · K qk_dim / H · V v_dim / H


@dataclass(frozen=True)
class ShardedKeyValues:
    """Keys and values of this rank's part of the inputs; reading them reads all ranks' parts."""

    keys: Tensor
    """(B, H, m, K)."""
    values: Tensor
    """(B, H, m, V)."""
    mask: Tensor | None
    """Boolean (B, m), True = attend."""
    group: ProcessGroup
    """The ranks that hold the parts."""

    def read(self, queries: Tensor, *, dropout: float = 0.0) -> Tensor:
        """See `KeyValueSource`; every rank gets the same."""
        if dropout:
            raise ValueError("attention dropout is not drawn alike on all ranks; set it to 0")
        queries = queries.expand(len(self.keys), -1, -1, -1)
        return _ReadShards.apply(queries, self.keys, self.values, self.mask, self.group)


def share_weights(projection: Projection, group: ProcessGroup) -> Projection:
    """The same projection; gradients of its weights are summed over the ranks."""
    return projection._replace(
        content_weight=_SumGradient.apply(projection.content_weight, group),
        position_weight=None
        if projection.position_weight is None
        else _SumGradient.apply(projection.position_weight, group),
        bias=_SumGradient.apply(projection.bias, group),
    )


def check_parts(inputs: Inputs, group: ProcessGroup) -> None:
    """ValueError on every rank unless all bring parts of as many examples and channels."""
    sizes = torch.tensor([len(inputs.content), inputs.dim], device=inputs.content.device)
    least, most = sizes.clone(), sizes.clone()
    dist.all_reduce(least, ReduceOp.MIN, group)
    dist.all_reduce(most, ReduceOp.MAX, group)
    for name, low, high in zip(
        ("examples", "channels"), least.tolist(), most.tolist(), strict=True
    ):
        if low != high:
            raise ValueError(
                f"the ranks' parts have {low} to {high} {name}; expected the same on every rank: "
                "each brings a part of the elements of the same examples"
            )


class _SumGradient(torch.autograd.Function):
    """Itself; its gradient is the sum over the ranks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: ProcessGroup) -> Tensor:
        ctx.group = group
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        grad = grad.contiguous().clone()
        dist.all_reduce(grad, ReduceOp.SUM, ctx.group)
        return grad, None


class _ReadShards(torch.autograd.Function):
    """Attention to the parts of all ranks; each rank keeps the whole output and logsumexp."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, group: ProcessGroup
    ) -> Tensor:
        out, lse = partial_attend(q, k, v, mask)
        top = lse.clone()
        dist.all_reduce(top, ReduceOp.MAX, group)
        share = (lse - top).exp()[..., None]
        total = torch.cat([out * share, share.to(out.dtype)], dim=-1)
        dist.all_reduce(total, ReduceOp.SUM, group)
        out = total[..., :-1] / total[..., -1:]
        seen = top[..., None] > MASKED_LOGIT / 2  # else there is nothing to read on any rank
        out = torch.where(seen, out, 0.0)
        ctx.save_for_backward(q, k, v, mask, out, top + total[..., -1].log(), seen)
        ctx.group = group
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        q, k, v, mask, out, lse, seen = ctx.saved_tensors
        grad = torch.where(seen, grad, 0.0)
        of_q, of_k, of_v = partial_attend_backward(grad, q, k, v, out, lse, mask)
        of_q = of_q.contiguous()
        dist.all_reduce(of_q, ReduceOp.SUM, ctx.group)
        return of_q, of_k, of_v, None, None
