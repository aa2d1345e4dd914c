"""Dropout whose random numbers are cheap on CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEPS = 2**15  # of the probability: an element costs 16 random bits, of which one is spare
FEWEST = 2**7  # steps; below them a probability would be rounded by more than 0.4%
PART = 2**17  # numbers of 64 bits that are drawn at a time, to stay in the cache
LANES = 2**48 + 2**32 + 2**16 + 1  # times a number of 15 bits: the number in each 16 of 64 bits


class Dropout(nn.Dropout):
    """A `torch.nn.Dropout` with cheaper random numbers on CPU; see `dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop elements in training mode, (…) → (…)."""
        return dropout(input, self.p) if self.training else input


def dropout(x: Tensor, p: float) -> Tensor:
    """Set elements to zero at random and scale the others, so that the mean stays: (…) → (…).

    torch draws a random number for each element on CPU, one after the other. Here four elements
    share one of 64 bits, which is three to five times faster (docs/log.md, 2026-11-28). The
    probability is rounded to a multiple of 2⁻¹⁵, and the scale belongs to the rounded one.
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
    scale = STEPS / (STEPS - dropped)
    if x.dtype != torch.bfloat16:
        return x * _kept(x.numel(), dropped).view(x.shape).to(x.dtype).mul_(scale)
    # The factor of an element is the scale or 0; its bits are 1 or 0 times the bits of the scale.
    bits = int(torch.tensor(scale, dtype=x.dtype).view(torch.int16))
    return x * _kept(x.numel(), dropped, bits).view(x.dtype).view(x.shape)


def _kept(count: int, dropped: int, one: int = 1) -> Tensor:
    """Return `one` where an element is kept and 0 elsewhere, (count,) int16.

    Four numbers of 15 bits are compared with `dropped` at once: in each 16 of 64 bits a sum sets
    the highest bit if the number is large enough, and never reaches the next 16.

    Args:
        count: number of elements.
        dropped: how many of `STEPS` numbers drop an element.
        one: the value for what is kept, less than 2¹⁵.
    """
    numbers = torch.empty(-(-count // 4), dtype=torch.int64)
    for part in numbers.split(PART):
        part.random_(-(2**63), None).bitwise_and_((STEPS - 1) * LANES)
        part.add_((STEPS - dropped) * LANES).bitwise_right_shift_(15).bitwise_and_(LANES)
        part.mul_(one)
    return numbers.view(torch.int16)[:count]


def _eager_on_cpu(x: Tensor) -> bool:
    return (
        not torch.compiler.is_compiling()
        and type(x) in (Tensor, nn.Parameter)
        and x.device.type == "cpu"
        and not torch._C._are_functorch_transforms_active()
    )
