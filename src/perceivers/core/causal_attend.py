"""The layer of Perceiver AR: causal attention with rotary positions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .feed_forward import FeedForward
from .multihead import MultiHeadAttention
from .options import LayerOptions

# B batch · P prefix · N latents · D dim · H heads · K head_dim · R rotated channels


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

    def prefix_keys_values(self, x: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values of a prefix (B, P, D), (B, H, P, K) each."""
        return self._keys_values(self.norm_prefix(x), angles)

    def _keys_values(self, normed: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
        source = self.attention.stored_key_values(normed)
        return _rotated(source.keys, angles), source.values

    def forward(
        self, x: Tensor, angles: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Apply the layer to latents, (B, N, D) → (B, N, D).

        Args:
            x: the latents.
            angles: their rotary positions.
            past: keys and values of all that comes before them; None: nothing does.

        Returns:
            The new latents; and keys and values of all that came before them and of themselves.
        """
        normed = self.norm(x)
        keys, values = self._keys_values(normed, angles)
        if past is not None:
            keys = torch.cat([past[0], keys], dim=2)
            values = torch.cat([past[1], values], dim=2)
        queries = _rotated(self.attention.queries(normed), angles)
        new, seen = x.shape[1], keys.shape[2]
        causal = None
        if new > 1:  # latent i sees all that comes before it, and itself: aligned at the end
            causal = torch.ones(new, seen, dtype=torch.bool, device=x.device).tril(seen - new)
        read = F.scaled_dot_product_attention(queries, keys, values, attn_mask=causal)
        x = x + self.attention.to_out(self.attention.merge_heads(read))
        return x + self.feed_forward(x), (keys, values)


def _rotated(x: Tensor, angles: Tensor) -> Tensor:
    """Rotate the first R channels of each head, in pairs (i, i + R / 2); (B, H, S, K)."""
    half = angles.shape[-1]
    if not half:
        return x
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second, rest = x.split([half, half, x.shape[-1] - 2 * half], dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin, rest], dim=-1)
