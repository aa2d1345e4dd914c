"""Attention of few queries to inputs, without their keys and values.

A logit is q·(W̃k x / σ + b̃k) = (W̃kᵀq)·x / σ + q·b̃k, and the averaged values are
W̃v Σ w x / σ + b̃v Σ w. If there are fewer queries, over all heads, than channels of keys and values,
mapping the queries and the averages instead of all inputs takes fewer multiplications, and
nothing as wide as the inputs is stored. Resamplers and cross-attends read so.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .dropout import dropout as drop
from .projection import Projection
from .sources import StoredKeyValues

# B batch · H heads of keys · N queries of a head · M features · C channels · K qk_dim / H


@dataclass(frozen=True)
class UnprojectedFeatures:
    """Features that queries attend to as they are; a `KeyValueSource`."""

    projection: Projection
    """Projection of all M features to keys and values, concatenated; without a position."""
    num_heads: int
    """Number of heads of keys and values."""
    qk_dim: int
    """Width of the keys over all heads; the other rows of the projection are the values."""
    mask: Tensor | None
    """Boolean (B, M), True where a feature is attended to. None: everywhere."""
    own: StoredKeyValues | None = None
    """Keys and values that are read beside the features, without a mask."""

    def beside(self, more: StoredKeyValues) -> "UnprojectedFeatures":
        """Return these features and keys and values beside them; see `ExtensibleSource`."""
        return replace(self, own=more)

    def read(self, queries: Tensor, *, dropout: float = 0.0) -> Tensor:
        """Attend to all features, (1 or B, H, N, K) → (B, H, N, V)."""
        heads, rows = self.num_heads, self.projection.content_weight.shape[0]
        widths = [self.qk_dim, rows - self.qk_dim]
        w_k, w_v = (
            weight.unflatten(0, (heads, -1))
            for weight in self.projection.content_weight.split(widths)
        )
        b_k, b_v = (
            bias.view(heads, 1, -1) for bias in self.projection.bias.to(w_k.dtype).split(widths)
        )
        queries = queries * queries.shape[-1] ** -0.5
        x, scale = self.projection.content, self.projection.scale.to(queries.dtype).mT
        batch, elements = x.shape[:2]
        logits = (queries @ w_k).flatten(1, 2) @ x.mT * scale + (queries @ b_k.mT).flatten(1, 2)
        nonempty = None
        if self.mask is not None:
            mask = self.mask
            if self.own is None:
                # An example without unmasked features attends to all; its output is zeroed below.
                nonempty = mask.any(dim=-1)
                mask = mask | ~nonempty[:, None]
            logits = logits.masked_fill(~mask[:, None], -math.inf)
        logits = logits.expand(batch, -1, -1)
        if self.own is not None:
            own = (queries @ self.own.keys.mT).flatten(1, 2).expand(batch, -1, -1)
            logits = torch.cat([logits, own], dim=-1)
        weights = drop(logits.softmax(dim=-1), dropout)
        read, own_weights = weights.tensor_split([elements], dim=-1)
        average = ((read * scale) @ x).unflatten(1, (heads, -1))
        total = read.sum(dim=-1, keepdim=True).unflatten(1, (heads, -1))
        out = average @ w_v.mT + total * b_v
        if self.own is not None:
            out = out + own_weights.unflatten(1, (heads, -1)) @ self.own.values
        if nonempty is None:
            return out
        return torch.where(nonempty[:, None, None, None], out, out.new_zeros(()))
