"""The layer of Perceiver AR: causal attention with rotary positions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .ar_cache import KeysValues, Maps
from .feed_forward import FeedForward
from .linear import linear
from .multihead import MultiHeadAttention
from .options import LayerOptions
from .rotary import Rotation

# B batch · P prefix · N latents · L keys · D dim · H heads · K head_dim


class CausalAttend(nn.Module):
    """A pre-norm layer in which each latent attends to what comes before it, and to itself.

    Args:
        dim: D, channels.
        options: heads, widths and feed-forward.
        with_prefix: whether there is a norm of its own for a prefix.
    """

    def __init__(self, dim: int, options: LayerOptions, *, with_prefix: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        if with_prefix:
            self.norm_prefix = nn.LayerNorm(dim)
        self.attention = MultiHeadAttention(dim, dim, options)
        self.feed_forward = FeedForward(dim, options)

    def prefix_keys_values(self, x: Tensor, rotation: Rotation) -> KeysValues:
        """Return keys and values of a prefix (B, P, D), (B, H, P, K) each."""
        source = self.attention.stored_key_values(self.norm_prefix(x))
        return KeysValues(rotation(source.keys), source.values)

    def forward(
        self, x: Tensor, rotation: Rotation, past: KeysValues | None, mask: Tensor | None
    ) -> tuple[Tensor, KeysValues]:
        """Apply the layer to latents, (B, N, D) → (B, N, D).

        Args:
            x: the latents.
            rotation: their rotary positions.
            past: keys and values of all that comes before them; None: nothing does.
            mask: which keys each latent attends to, as `visible` returns it.

        Returns:
            The new latents; and keys and values of all that came before them and of themselves.
        """
        attention, maps = self.attention, self._maps(x, past)
        queries, keys, values = self._projected(self.norm(x), rotation, maps)
        seen = KeysValues(keys, values) if past is None else past.extended(keys, values, maps)
        causal = mask is None and x.shape[1] > 1
        read = F.scaled_dot_product_attention(
            queries, seen.keys, seen.values, attn_mask=mask, is_causal=causal
        )
        x = x + attention.to_out(attention.merge_heads(read))
        return x + self.feed_forward(x), seen

    def _maps(self, x: Tensor, past: KeysValues | None) -> Maps | None:
        """Return the maps to queries, keys and values as one, to generate token by token.

        For a single token the number of operations is what counts: one product instead of three.
        The copy of the weights is made for the first token, and kept with the keys and values.
        """
        if past is None or torch.is_grad_enabled():
            return None
        if past.maps is not None or x.shape[1] > 1:
            return past.maps
        parts = (self.attention.to_q, self.attention.to_k, self.attention.to_v)
        biases: list[Tensor] = [part.bias for part in parts if part.bias is not None]
        weights: list[Tensor] = [part.weight for part in parts]
        return torch.cat(weights), torch.cat(biases) if biases else None

    def _projected(
        self, normed: Tensor, rotation: Rotation, maps: Maps | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return rotated queries, rotated keys, and values, (B, H, N, K) each."""
        attention, heads = self.attention, self.attention.num_heads
        if maps is None:
            both = torch.cat([attention.to_q(normed), attention.to_k(normed)], dim=-1)
            both = both.unflatten(-1, (2 * heads, -1)).transpose(1, 2)
            values = attention.split_heads(attention.to_v(normed))
        else:
            parts = linear(normed, *maps).unflatten(-1, (3 * heads, -1)).transpose(1, 2)
            both, values = parts.split([2 * heads, heads], dim=1)
        queries, keys = rotation(both).chunk(2, dim=1)  # rotated as one array
        return queries, keys, values


def visible(new: int, seen: int, real: Tensor | None, device: torch.device) -> Tensor | None:
    """Return which keys each latent attends to: those up to itself that are no padding.

    A latent that is padding itself attends to itself, so that its result is a number.

    Args:
        new: N, number of latents.
        seen: L, number of keys; the last N are those of the latents.
        real: boolean (B, L), False at padding. None: there is no padding.
        device: device of the result.

    Returns:
        Boolean (N, L) or (B, 1, N, L). None: all keys if N is 1, otherwise (N is L) all up to the
        latent itself.
    """
    if real is None and new in (1, seen):
        return None
    before = torch.ones(new, seen, dtype=torch.bool, device=device).tril(seen - new)
    if real is None:
        return before
    return before & (real[:, None, None] | before.triu(seen - new))
