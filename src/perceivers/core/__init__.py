"""The Perceiver architecture: attention, positions and the model. Imports torch alone."""

from .attention import attend
from .feed_forward import FeedForward
from .inputs import Inputs
from .layers import CrossAttend, SelfAttend
from .multihead import MultiHeadAttention
from .options import LayerOptions
from .perceiver import Perceiver
from .positions import AxialPosition, FourierPosition, LearnedPosition, fourier_features, grid
from .sources import ChunkedKeyValues, KeyValueSource, StoredKeyValues, StreamedKeyValues

__all__ = [
    "AxialPosition",
    "ChunkedKeyValues",
    "CrossAttend",
    "FeedForward",
    "FourierPosition",
    "Inputs",
    "KeyValueSource",
    "LayerOptions",
    "LearnedPosition",
    "MultiHeadAttention",
    "Perceiver",
    "SelfAttend",
    "StoredKeyValues",
    "StreamedKeyValues",
    "attend",
    "fourier_features",
    "grid",
]
