"""What a model attends to: recorded attention, maps of the elements, and drawings of them."""

from .deletion import Deletion, deletion_test
from .draw import Explanation, draw
from .maps import Attention, ElementMap, Maps, explain_maps
from .record import AttentionMap, record_attention

__all__ = [
    "Attention",
    "AttentionMap",
    "Deletion",
    "ElementMap",
    "Explanation",
    "Maps",
    "deletion_test",
    "draw",
    "explain_maps",
    "record_attention",
]
