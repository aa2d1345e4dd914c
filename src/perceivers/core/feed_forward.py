"""The feed-forward part of both residual layers."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import second_order
from .init import init_linear
from .options import DEFAULT_OPTIONS, LayerOptions

# B batch · N rows · D channels · E hidden channels


class FeedForward(nn.Module):
    """Feed-forward network: LayerNorm → Linear → activation → Linear → dropout.

    Args:
        dim: D, channels of input and output.
        options: `widening_factor`, `activation` and `dropout` are used. With "geglu" (arXiv
            2002.05202) the first linear layer is twice as wide, and the GELU of the second half of
            its output multiplies the first half.

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
        """Apply norm and feed-forward without the residual, (B, N, D) → (B, N, D)."""
        return self.transform(self.norm(x))

    def transform(self, x: Tensor) -> Tensor:
        """Apply everything after the norm, (B, N, D) → (B, N, D)."""
        hidden, contract = self.expand(x), self.contract
        return self.dropout(_Contract.apply(hidden, contract.weight, contract.bias, self.gated))

    def init_weights(self) -> None:
        """Initialise both linear layers by variance scaling on fan-in (DeepMind's code)."""
        init_linear(self.expand)
        init_linear(self.contract)


class _Contract(torch.autograd.Function):
    """Activation and last linear layer; the backward pass stores the hidden layer alone.

    Storing the output of the activation too would double the memory of a feed-forward, and more
    than double it with a gate. Computing it again costs next to nothing. The backward pass consists
    of differentiable operators, so that second derivatives are right.
    """

    generate_vmap_rule = True

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
        grad_active = grad @ weight.to(grad.dtype)
        if ctx.gated:
            values, gates = hidden.chunk(2, dim=-1)
            factors = F.gelu(gates)
            active = values * factors
            grad_gates = torch.ops.aten.gelu_backward(grad_active * values, gates)
            # A second derivative needs `factors` as they are; otherwise their memory is free.
            grad_values = factors * grad_active if second_order() else factors.mul_(grad_active)
            grad_hidden = torch.cat([grad_values, grad_gates], dim=-1)
        else:
            active = F.gelu(hidden)
            grad_hidden = torch.ops.aten.gelu_backward(grad_active, hidden)
        rows = grad.flatten(0, -2)
        grad_weight, grad_bias = rows.mT @ active.flatten(0, -2), rows.sum(0)
        return grad_hidden, grad_weight.to(weight.dtype), grad_bias.to(weight.dtype), None


def _activate(hidden: Tensor, gated: bool) -> Tensor:
    """Apply GELU or, if gated, GEGLU: (…, E) → (…, E) or (…, E / 2)."""
    if not gated:
        return F.gelu(hidden)
    values, gates = hidden.chunk(2, dim=-1)
    return values * F.gelu(gates)
