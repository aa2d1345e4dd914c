"""Options that cross-attends and self-attends have in common."""

from dataclasses import dataclass
from typing import Literal

Activation = Literal["gelu", "geglu"]


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """Options of a residual layer: attention followed by a feed-forward.

    The same options fit a `CrossAttend`, a `SelfAttend` and their parts, `MultiHeadAttention` and
    `FeedForward`; each part uses the fields that concern it.
    """

    num_heads: int = 1
    """Number of attention heads; must divide `qk_dim` and `v_dim`."""
    qk_dim: int | None = None
    """Total width of queries and keys over all heads. None: the smaller of the channel counts of
    queries and inputs, as published (min(D, C) in a cross-attend, D in a self-attend)."""
    v_dim: int | None = None
    """Total width of values over all heads. None: `qk_dim`."""
    qkv_bias: bool = True
    """Whether the projections to queries, keys and values have biases (the papers)."""
    attention_dropout: float = 0.0
    """Probability with which an attention weight is dropped in training (the papers: 0)."""
    widening_factor: int = 1
    """Hidden width of the feed-forward divided by D (paper: 1)."""
    activation: Activation = "gelu"
    """Activation of the feed-forward: "gelu" (the papers) or "geglu" (arXiv 2002.05202)."""
    dropout: float = 0.0
    """Probability with which an output of the feed-forward is dropped in training (the papers:
    0)."""


DEFAULT_OPTIONS = LayerOptions()
SELF_ATTEND_OPTIONS = LayerOptions(num_heads=8)  # as in the paper


def attention_widths(natural: int, qk_dim: int | None, v_dim: int | None) -> tuple[int, int]:
    """Resolve an unset `qk_dim` to `natural` and an unset `v_dim` to `qk_dim`."""
    qk_dim = natural if qk_dim is None else qk_dim
    return qk_dim, qk_dim if v_dim is None else v_dim
