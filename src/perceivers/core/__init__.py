"""The architecture: attention, positions, `Perceiver`. Imports torch alone."""

from .attention import attend
from .feed_forward import FeedForward
from .inputs import Inputs
from .layers import CrossAttend, SelfAttend
from .multihead import MultiHeadAttention
from .options import LayerOptions
from .perceiver import Perceiver
from .positions import AxialPosition, FourierPosition, LearnedPosition, fourier_features, grid
from .sources import Chunked, Held, Source, Streamed

__all__ = [
    "AxialPosition",
    "Chunked",
    "CrossAttend",
    "FeedForward",
    "FourierPosition",
    "Held",
    "Inputs",
    "LayerOptions",
    "LearnedPosition",
    "MultiHeadAttention",
    "Perceiver",
    "SelfAttend",
    "Source",
    "Streamed",
    "attend",
    "fourier_features",
    "grid",
]
