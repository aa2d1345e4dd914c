"""The layer of a resampler."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .feed_forward import FeedForward
from .inputs import Inputs
from .layers import keys_values, stored_limit, streamed_parts
from .multihead import MultiHeadAttention
from .options import LayerOptions
from .projection import Projection, feature_spread, in_half_precision, project_features
from .sources import ExtensibleSource, PartialSource, StreamedKeyValues
from .unprojected import UnprojectedFeatures

# B batch · M features · C channels of the features · N latents · D latent_dim

Norm = Literal["layer", "rms", "none"]
Reads = Literal["features", "both", "latents"]


class ResamplerLayer(nn.Module):
    """A layer of a resampler: attention and, with hidden channels, a feed-forward.

    Args:
        dim: D, channels of the latents.
        input_dim: C, channels of the features.
        options: heads, widths and activation.
        reads: what the latents attend to: the "features", the "latents", or "both".
        num_kv_heads: heads of keys and values; see `MultiHeadAttention`.
        norm: norm of the latents, before attention and feed-forward.
        input_norm: norm of the features.
        eps: added to the variance in all norms.
        hidden_dim: hidden channels of the feed-forward. 0: there is none.
        residual: whether the attention is added to the latents, or replaces them.

    Raises:
        ValueError: an option is invalid.
    """

    def __init__(
        self,
        dim: int,
        input_dim: int,
        options: LayerOptions,
        reads: Reads,
        *,
        num_kv_heads: int | None,
        norm: Norm,
        input_norm: Norm,
        eps: float,
        hidden_dim: int,
        residual: bool,
    ) -> None:
        super().__init__()
        self.reads, self.residual, self.input_dim = reads, residual, input_dim
        self.norm_latents = build_norm(norm, dim, eps)
        if reads != "latents":
            self.norm_inputs = build_norm(input_norm, input_dim, eps)
        self.attention = MultiHeadAttention(dim, input_dim, options, num_kv_heads=num_kv_heads)
        self.feed_forward = None
        if hidden_dim:
            feed_forward_norm = build_norm(norm, dim, eps)
            self.feed_forward = FeedForward(
                dim, options, norm=feed_forward_norm, hidden_dim=hidden_dim
            )

    def source(self, inputs: Inputs, spread: Tensor | None, num_latents: int) -> ExtensibleSource:
        """Prepare features to be attended to.

        Args:
            inputs: the features (B, M, C), their positions for keys and their mask.
            spread: `feature_spread` of the features; it is the same for all layers.
            num_latents: N.
        """
        projection, attention = self._project(inputs, spread), self.attention
        if self._few(projection, num_latents):
            heads = attention.num_heads // attention.sharing
            return UnprojectedFeatures(projection, heads, attention.to_k.out_features, inputs.mask)
        return keys_values(projection, attention, inputs.mask)

    def _few(self, projection: Projection, num_latents: int) -> bool:
        """Return whether attending without keys and values takes less time and memory."""
        attention = self.attention
        queries = attention.num_heads * num_latents
        if (
            projection.position is not None
            or in_half_precision(projection.content)
            or len(projection.bias) < FEWER * 2 * queries
        ):
            return False
        logits = projection.scale.numel() * queries
        return torch.compiler.is_exporting() or logits <= stored_limit(projection)

    def streamed_source(self, chunks: Callable[[], Iterable[Inputs]]) -> ExtensibleSource:
        """Prepare features that arrive in chunks to be attended to, for inference alone.

        Args:
            chunks: called once for each read; returns the chunks from the first one on.
        """

        def parts() -> Iterator[PartialSource]:
            for chunk in chunks():
                projection = self._project(chunk, self.spread(chunk.content))
                yield from streamed_parts(projection, self.attention, chunk.mask)

        return StreamedKeyValues(parts)

    def spread(self, x: Tensor) -> Tensor | None:
        """Return what the norm of the features divides them by; see `feature_spread`."""
        return feature_spread(x, self.norm_inputs)

    def _project(self, inputs: Inputs, spread: Tensor | None) -> Projection:
        """Return the projection of the normalised features to keys and values."""
        attention, position = self.attention, inputs.dense_position
        linears = (attention.to_k, attention.to_v)
        projection = project_features(inputs.content, self.norm_inputs, linears, spread)
        if position is None:
            return projection
        # A projection multiplies both terms by the scale; positions are added after the norm.
        keys = F.pad(attention.to_k.weight, (0, 0, 0, attention.to_v.out_features))
        return projection._replace(
            position=position / projection.scale,
            position_weight=keys.to(projection.content_weight.dtype),
        )

    def forward(self, z: Tensor, source: ExtensibleSource | None) -> Tensor:
        """Apply the layer to latents, (1 or B, N, D) → (B, N, D).

        Args:
            z: the latents.
            source: the features; None for a layer that reads the latents alone.
        """
        normed = self.norm_latents(z)
        if source is None:
            update = self.attention.read_itself(normed)
        elif self.reads == "both":
            update = self.attention(normed, source.beside(self.attention.stored_key_values(normed)))
        else:
            update = self.attention(normed, source)
        z = z + update if self.residual else update
        return z if self.feed_forward is None else z + self.feed_forward(z)


# The channels of keys and values must exceed twice the queries by this factor, so that attending
# without keys and values saves more multiplications than its separate products lose.
FEWER = 1.25


def build_norm(kind: str, dim: int, eps: float) -> nn.Module:
    """Return a norm over `dim` channels.

    Args:
        kind: "layer", "rms" or "none".
        dim: number of channels.
        eps: added to the variance.

    Raises:
        ValueError: there is no such norm.
    """
    if kind not in get_args(Norm):
        raise ValueError(f"unknown norm {kind!r}; expected 'layer', 'rms' or 'none'")
    kinds: dict[str, Callable[..., Any]] = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}
    return kinds[kind](dim, eps=eps) if kind in kinds else nn.Identity()
