"""Dropout whose random numbers are cheap on CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEPS = 2**16  # of the probability: an element costs 16 random bits
FEWEST = 2**8  # steps; below them a probability would be rounded by more than 0.2%


class Dropout(nn.Dropout):
    """A `torch.nn.Dropout` with cheaper random numbers on CPU; see `dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop elements in training mode, (…) → (…)."""
        return dropout(input, self.p) if self.training else input


def dropout(x: Tensor, p: float) -> Tensor:
    """Set elements to zero at random and scale the others, so that the mean stays: (…) → (…).

    torch draws a random number for each element on CPU, one after the other. Here four elements
    share one of 64 bits, which is about seven times faster (docs/log.md, 2026-11-28). The
    probability is rounded to a multiple of 2⁻¹⁶, and the scale belongs to the rounded one.
    Probabilities below 2⁻⁸, other devices and compiled programs use torch's dropout.

    Args:
        x: the elements.
        p: probability with which an element is set to zero.
    """
    if not p:
        return x
    dropped = round(p * STEPS)
    if not (FEWEST <= dropped < STEPS and _eager_on_cpu(x)):
        return F.dropout(x, p)
    numbers = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    kept = numbers.view(torch.int16)[: x.numel()] >= dropped - STEPS // 2
    return x * kept.view(x.shape).to(x.dtype).mul_(STEPS / (STEPS - dropped))


def _eager_on_cpu(x: Tensor) -> bool:
    return (
        not torch.compiler.is_compiling()
        and type(x) in (Tensor, nn.Parameter)
        and x.device.type == "cpu"
        and not torch._C._are_functorch_transforms_active()
    )
