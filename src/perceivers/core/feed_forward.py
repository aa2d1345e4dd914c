"""The feed-forward of both residual layers."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .init import init_linear
from .options import DEFAULT_OPTIONS, LayerOptions

# B batch · N rows · D channels · E hidden channels


class FeedForward(nn.Module):
    """LayerNorm → Linear → GELU → Linear.

    Args:
        dim: D.
        options: its `widening_factor`, `activation` and `dropout`. With "geglu" the first linear is
            twice as wide, and the GELU of its second half multiplies its first half.

    Raises:
        ValueError: the activation is unknown.
    """

    def __init__(self, dim: int, options: LayerOptions = DEFAULT_OPTIONS) -> None:
        super().__init__()
        if options.activation not in ("gelu", "geglu"):
            raise ValueError(
                f"unknown activation {options.activation!r}; expected 'gelu' or 'geglu'"
            )
        self.gated = options.activation == "geglu"
        hidden = options.widening_factor * dim
        self.norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, 2 * hidden if self.gated else hidden)
        self.contract = nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) → (B, N, D), without the residual."""
        return self.transform(self.norm(x))

    def transform(self, x: Tensor) -> Tensor:
        """What comes after the norm, (B, N, D) → (B, N, D)."""
        hidden, contract = self.expand(x), self.contract
        return self.dropout(_Contract.apply(hidden, contract.weight, contract.bias, self.gated))

    def init_weights(self) -> None:
        """Variance-scaling on fan-in, biases zero (DeepMind's code)."""
        init_linear(self.expand)
        init_linear(self.contract)


class _Contract(torch.autograd.Function):
    """Activation and last linear; of the two the input alone is kept for the backward pass.

    Kept as well, what the activation gives would double the memory of a feed-forward, with a gate
    more than that. To make it again costs next to nothing.
    """

    @staticmethod
    def forward(hidden: Tensor, weight: Tensor, bias: Tensor, gated: bool) -> Tensor:
        return F.linear(_activate(hidden, gated), weight.to(hidden.dtype), bias.to(hidden.dtype))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        hidden, weight, _, ctx.gated = inputs
        ctx.save_for_backward(hidden, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        hidden, weight = ctx.saved_tensors
        of_active = grad @ weight.to(grad.dtype)
        if ctx.gated:
            values, gates = hidden.chunk(2, dim=-1)
            open_ = F.gelu(gates)
            active = values * open_
            of_gates = torch.ops.aten.gelu_backward(of_active * values, gates)
            of_hidden = torch.cat([open_.mul_(of_active), of_gates], dim=-1)
        else:
            active = F.gelu(hidden)
            of_hidden = torch.ops.aten.gelu_backward(of_active, hidden)
        rows = grad.flatten(0, -2)
        of_weight, of_bias = rows.mT @ active.flatten(0, -2), rows.sum(0)
        return of_hidden, of_weight.to(weight.dtype), of_bias.to(weight.dtype), None


def _activate(hidden: Tensor, gated: bool) -> Tensor:
    """(…, E) → (…, E), or half of it with a gate."""
    if not gated:
        return F.gelu(hidden)
    values, gates = hidden.chunk(2, dim=-1)
    return values * F.gelu(gates)
