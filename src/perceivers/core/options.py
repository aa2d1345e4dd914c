"""Options that cross-attends and self-attends have in common."""

from dataclasses import dataclass
from typing import Literal

Activation = Literal["gelu", "geglu", "relu", "swiglu"]


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """Options of a residual layer: attention followed by a feed-forward.

    `CrossAttend`, `SelfAttend` and their parts, `MultiHeadAttention` and `FeedForward`, all take
    these options. Each part uses the fields that concern it.
    """

    num_heads: int = 1
    """Number of attention heads. It must divide `qk_dim` and `v_dim`."""
    qk_dim: int | None = None
    """Total width of queries and keys over all heads. None: the smaller of the channel counts of
    queries and inputs, as published: min(D, C) in a cross-attend, D in a self-attend."""
    v_dim: int | None = None
    """Total width of values over all heads. None: `qk_dim`."""
    qkv_bias: bool = True
    """Whether the projections to queries, keys and values have biases (the papers)."""
    attention_dropout: float = 0.0
    """Probability with which an attention weight is dropped in training (the papers: 0)."""
    widening_factor: int = 1
    """Hidden width of the feed-forward divided by D (paper: 1)."""
    activation: Activation = "gelu"
    """Activation of the feed-forward: "gelu" (the papers), "relu", or the gated "geglu" or
    "swiglu" (arXiv 2002.05202)."""
    dropout: float = 0.0
    """Probability with which a feed-forward output is dropped in training (the papers: 0)."""


DEFAULT_OPTIONS = LayerOptions()
SELF_ATTEND_OPTIONS = LayerOptions(num_heads=8)  # the paper's number of heads


def attention_widths(natural: int, qk_dim: int | None, v_dim: int | None) -> tuple[int, int]:
    """Return (`qk_dim`, `v_dim`), replacing None by `natural` and by `qk_dim` respectively."""
    qk_dim = natural if qk_dim is None else qk_dim
    return qk_dim, qk_dim if v_dim is None else v_dim
