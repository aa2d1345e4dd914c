"""The architecture: attention, positions, `Perceiver`. Imports torch alone."""

from .attention import MultiHeadAttention, attend
from .inputs import Inputs
from .layers import CrossAttend, FeedForward, SelfAttend
from .perceiver import Perceiver
from .positions import FourierPosition, LearnedPosition, fourier_features, grid

__all__ = [
    "CrossAttend",
    "FeedForward",
    "FourierPosition",
    "Inputs",
    "LearnedPosition",
    "MultiHeadAttention",
    "Perceiver",
    "SelfAttend",
    "attend",
    "fourier_features",
    "grid",
]
