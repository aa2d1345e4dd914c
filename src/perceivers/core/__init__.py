"""The Perceiver architecture: attention, positions and the model. Imports torch alone."""

from .ar_cache import ARCache
from .attention import attend
from .bottleneck import KLBottleneck
from .decoder import Decoder
from .feed_forward import FeedForward
from .inputs import Inputs
from .layers import CrossAttend, SelfAttend
from .multihead import MultiHeadAttention
from .options import LayerOptions
from .perceiver import Perceiver
from .perceiver_ar import PerceiverAR
from .perceiver_io import PerceiverIO
from .positions import AxialPosition, FourierPosition, LearnedPosition, fourier_features, grid
from .queries import LearnedQueries, Queries
from .resampler import Resampler
from .sampling import farthest_points
from .sources import ChunkedKeyValues, KeyValueSource, StoredKeyValues, StreamedKeyValues

__all__ = [
    "ARCache",
    "AxialPosition",
    "ChunkedKeyValues",
    "CrossAttend",
    "Decoder",
    "FeedForward",
    "FourierPosition",
    "Inputs",
    "KLBottleneck",
    "KeyValueSource",
    "LayerOptions",
    "LearnedPosition",
    "LearnedQueries",
    "MultiHeadAttention",
    "Perceiver",
    "PerceiverAR",
    "PerceiverIO",
    "Queries",
    "Resampler",
    "SelfAttend",
    "StoredKeyValues",
    "StreamedKeyValues",
    "attend",
    "farthest_points",
    "fourier_features",
    "grid",
]
