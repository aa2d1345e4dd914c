"""Published weight initialisation: the initialisers of Haiku."""

import math

from torch import Tensor, nn

# Truncation at two standard deviations multiplies the standard deviation of a normal distribution
# by this factor.
TRUNCATED_STD = 0.87962566103423978


def init_linear(linear: nn.Linear) -> None:
    """Set weights to a truncated normal of variance 1 / fan-in, and biases to zero.

    This is Haiku's VarianceScaling with scale 1. The standard deviation is divided by 0.8796 first,
    because the truncation at two standard deviations multiplies it by that factor.

    Args:
        linear: the layer; its weights are changed in place.
    """
    std = math.sqrt(1.0 / linear.in_features) / TRUNCATED_STD
    trunc_normal(linear.weight, std)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)


def trunc_normal(tensor: Tensor, std: float) -> None:
    """Fill a tensor from a normal distribution of mean 0, truncated at two standard deviations.

    Args:
        tensor: changed in place.
        std: standard deviation before the truncation. The bounds are ±2·std, as in Haiku.
    """
    nn.init.trunc_normal_(tensor, std=std, a=-2 * std, b=2 * std)
