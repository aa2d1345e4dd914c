"""Muon: a momentum optimiser whose updates are orthogonal matrices."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from ..machine import multiplies_bfloat16

# The quintic x → ax + bx³ + cx⁵, applied five times, takes singular values from 0.01 on to about 1.
QUINTIC = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
SMALLEST_NORM = 1e-7
RMS = 0.2  # of an update of AdamW, to which the step is scaled


class Muon(torch.optim.Optimizer):
    """Muon (https://kellerjordan.github.io/posts/muon/) with Nesterov momentum, for matrices.

    The step is scaled to the size of AdamW's (arXiv 2502.16982), and weight decay is decoupled.
    This is `torch.optim.Muon`, which multiplies in bfloat16 on every device. On CPUs without
    instructions for bfloat16 that takes 25 times as long as in float32 (docs/log.md, 2026-11-27):
    here they multiply in float32. Matrices of one shape are multiplied together.

    Args:
        params: matrices, or groups of them.
        lr: learning rate.
        weight_decay: decoupled weight decay.
        momentum: decay of the running mean of the gradient.
    """

    def __init__(
        self, params: Iterable[Any], lr: float, weight_decay: float, momentum: float
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @override
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(parameter.shape, []).append(parameter)
            for parameters in by_shape.values():
                self._update(parameters, group)
        return loss

    def _update(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Take a step with parameters of one shape."""
        lr = float(group["lr"])
        directions = torch.stack([self._direction(p, group["momentum"]) for p in parameters])
        updates = orthogonalised(directions) * (-lr * RMS * math.sqrt(max(directions.shape[1:])))
        for parameter, update in zip(parameters, updates, strict=True):
            parameter.mul_(1 - lr * group["weight_decay"])
            parameter.add_(update.to(parameter.dtype))

    def _direction(self, parameter: Tensor, momentum: float) -> Tensor:
        """Return the gradient with Nesterov momentum, and update the running mean."""
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        mean: Tensor = state["momentum_buffer"]
        mean.lerp_(gradient, 1 - momentum)
        return gradient.lerp(mean, momentum)


def orthogonalised(matrices: Tensor) -> Tensor:
    """Return matrices of the same singular vectors whose singular values are about 1.

    A Newton-Schulz iteration: X ← aX + (bA + cA²)X with A = XXᵀ, from X of Frobenius norm 1.

    Args:
        matrices: (…, rows, columns).

    Returns:
        The same shape; float64 if given, else bfloat16 where the device has instructions for it,
        and float32 elsewhere.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    if x.dtype != torch.float64:
        x = x.bfloat16() if multiplies_bfloat16(x.device) else x.float()
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=SMALLEST_NORM)
    a, b, c = QUINTIC
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * (square @ square)) @ x
    return x.mT if tall else x
