"""Initial weights as published: Haiku's initialisers."""

import math

from torch import Tensor, nn


def init_linear(linear: nn.Linear) -> None:
    """Truncated normal of variance 1 / fan-in, bias zero (Haiku's VarianceScaling, scale 1).

    Truncating at two standard deviations shrinks the spread to 0.8796 of itself, made up for here.
    """
    std = math.sqrt(1.0 / linear.in_features) / 0.87962566103423978
    trunc_normal(linear.weight, std)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)


def trunc_normal(tensor: Tensor, std: float) -> None:
    """Normal of mean 0, cut at two standard deviations (Haiku counts the bounds in std units)."""
    nn.init.trunc_normal_(tensor, std=std, a=-2 * std, b=2 * std)
