"""The feed-forward part of both residual layers."""

from collections.abc import Callable
from typing import Any, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import second_order
from .dropout import Dropout
from .init import init_linear
from .linear import Linear, linear
from .options import DEFAULT_OPTIONS, Activation, LayerOptions

# B batch · N rows · D channels · E hidden channels


def _relu_backward(grad: Tensor, x: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward(grad, x, 0)


GELU = (F.gelu, torch.ops.aten.gelu_backward)
GATED = ("geglu", "swiglu")
FUNCTIONS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    # activation → the function, and its gradient given the gradient of the output and the input
    "gelu": GELU,
    "geglu": GELU,
    "relu": (F.relu, _relu_backward),
    "swiglu": (F.silu, torch.ops.aten.silu_backward),
}


class FeedForward(nn.Module):
    """Feed-forward network: LayerNorm → Linear → activation → Linear → dropout.

    Args:
        dim: D, channels of input and output.
        options: `widening_factor`, `activation` and `dropout` are used. With "geglu" or "swiglu"
            (arXiv 2002.05202) the first linear layer is twice as wide, and the GELU or SiLU of the
            second half of its output multiplies the first half.
        norm: the norm before the first linear layer. None: a new LayerNorm.
        hidden_dim: channels of the hidden layer. None: `widening_factor` times D.

    Raises:
        ValueError: the activation is unknown.
    """

    def __init__(
        self,
        dim: int,
        options: LayerOptions = DEFAULT_OPTIONS,
        *,
        norm: nn.Module | None = None,
        hidden_dim: int | None = None,
    ) -> None:
        super().__init__()
        known = get_args(Activation)
        if options.activation not in known:
            raise ValueError(
                f"unknown activation {options.activation!r}; expected {', '.join(map(repr, known))}"
            )
        self.activation = options.activation
        self.gated = options.activation in GATED
        hidden = options.widening_factor * dim if hidden_dim is None else hidden_dim
        self.norm = nn.LayerNorm(dim) if norm is None else norm
        self.expand = Linear(dim, 2 * hidden if self.gated else hidden)
        self.contract = Linear(hidden, dim)
        self.dropout = Dropout(options.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Apply norm and feed-forward without the residual, (B, N, D) → (B, N, D)."""
        return self.transform(self.norm(x))

    def transform(self, x: Tensor) -> Tensor:
        """Apply everything after the norm, (B, N, D) → (B, N, D)."""
        hidden, contract = self.expand(x), self.contract
        if not torch.is_grad_enabled():
            out = contract(_activate(hidden, self.activation))
            return self.dropout(out) if self.dropout.training else out
        return self.dropout(
            _Contract.apply(hidden, contract.weight, contract.bias, self.activation)
        )

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
    def forward(hidden: Tensor, weight: Tensor, bias: Tensor, activation: Activation) -> Tensor:
        return linear(_activate(hidden, activation), weight.to(hidden.dtype), bias.to(hidden.dtype))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        hidden, weight, _, ctx.activation = inputs
        ctx.save_for_backward(hidden, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        hidden, weight = ctx.saved_tensors
        grad_active = linear(grad, weight.to(grad.dtype).mT)
        function, derivative = FUNCTIONS[ctx.activation]
        if ctx.activation in GATED:
            values, gates = hidden.chunk(2, dim=-1)
            factors = function(gates)
            active = values * factors
            grad_gates = derivative(grad_active * values, gates)
            # A second derivative needs `factors` as they are; otherwise their memory is free.
            grad_values = factors * grad_active if second_order() else factors.mul_(grad_active)
            grad_hidden = torch.cat([grad_values, grad_gates], dim=-1)
        else:
            active = function(hidden)
            grad_hidden = derivative(grad_active, hidden)
        rows = grad.flatten(0, -2)
        grad_weight, grad_bias = rows.mT @ active.flatten(0, -2), rows.sum(0)
        return grad_hidden, grad_weight.to(weight.dtype), grad_bias.to(weight.dtype), None


def _activate(hidden: Tensor, activation: Activation) -> Tensor:
    """Apply the activation: (…, E) → (…, E), or (…, E / 2) if it is gated."""
    function, _ = FUNCTIONS[activation]
    if activation not in GATED:
        return function(hidden)
    values, gates = hidden.chunk(2, dim=-1)
    return values * function(gates)
