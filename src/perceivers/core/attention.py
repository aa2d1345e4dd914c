"""Multi-head attention over torch's fused kernels."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# B batch · N queries (latents) · M keys (inputs) · H heads · K qk_dim / H · V v_dim / H

PLAIN_LOGITS = 2**18  # N·M up to which a head's logits are held, on CPU in bfloat16


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, dropout: float = 0.0
) -> Tensor:
    """Scaled dot-product attention: q (B, H, N, K), k (B, H, M, K), v (B, H, M, V) → (B, H, N, V).

    `mask` is boolean (B, M), True = attend. An example whose mask is all False gets zeros: there
    was nothing to read, so nothing is read, as in DeepMind's own code. `dropout` is the probability
    with which an attention weight is dropped.
    """
    if mask is None:
        return _kernel(q, k, v, None, dropout)
    seen = mask.any(dim=-1)
    # In the kernel an empty row attends everywhere (no NaN, no NaN gradient); then it is zeroed.
    kernel_mask = (mask | ~seen[:, None])[:, None, None, :]
    out = _kernel(q, k, v, kernel_mask, dropout)
    return torch.where(seen[:, None, None, None], out, out.new_zeros(()))


def _kernel(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
    """torch's fused attention, except where the plain form is measurably faster.

    On CPU in half precision torch's fused backward pass is 2 to 5 times slower than two batched
    matrix products (docs/log.md, 2026-11-21), as long as the N×M logits of a head stay small.
    """
    small = q.shape[-2] * k.shape[-2] <= PLAIN_LOGITS
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and small:
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        if mask is not None:
            logits = logits.masked_fill(~mask, -math.inf)
        return F.dropout(logits.softmax(dim=-1), dropout) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)


class MultiHeadAttention(nn.Module):
    """Queries read keys and values; `qk_dim` and `v_dim` are totals over all heads.

    The projections are separate calls, so that a cross-attend applied several times can make its
    keys and values once.

    Args:
        query_dim: channels of the queries, and of the output.
        input_dim: channels of what is attended to.
        num_heads: must divide `qk_dim` and `v_dim`.
        qk_dim: width of queries and keys.
        v_dim: width of values.
        qkv_bias: whether the three projections in have biases (the papers); the one out always has.
        dropout: probability with which an attention weight is dropped in training (the papers: 0).
    """

    def __init__(
        self,
        query_dim: int,
        input_dim: int,
        *,
        num_heads: int,
        qk_dim: int,
        v_dim: int,
        qkv_bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, width in (("qk_dim", qk_dim), ("v_dim", v_dim)):
            if width % num_heads:
                raise ValueError(
                    f"{name}={width} is not divisible by {num_heads} heads; "
                    f"use {width // num_heads * num_heads or num_heads} or change the heads"
                )
        self.num_heads = num_heads
        self.dropout = dropout
        self.to_q = nn.Linear(query_dim, qk_dim, bias=qkv_bias)
        self.to_k = nn.Linear(input_dim, qk_dim, bias=qkv_bias)
        self.to_v = nn.Linear(input_dim, v_dim, bias=qkv_bias)
        self.to_out = nn.Linear(v_dim, query_dim)

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, L, H·K) → (B, H, L, K), a view."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def queries(self, x: Tensor) -> Tensor:
        """(B, N, D) → (B, H, N, K)."""
        return self.split_heads(self.to_q(x))

    def keys(self, x: Tensor) -> Tensor:
        """(B, M, C) → (B, H, M, K)."""
        return self.split_heads(self.to_k(x))

    def values(self, x: Tensor) -> Tensor:
        """(B, M, C) → (B, H, M, V)."""
        return self.split_heads(self.to_v(x))

    def forward(
        self, x: Tensor, keys_values: tuple[Tensor, Tensor], mask: Tensor | None = None
    ) -> Tensor:
        """What asks, (B, N, D), reads `keys_values` → (B, N, D)."""
        dropout = self.dropout if self.training else 0.0
        out = attend(self.queries(x), *keys_values, mask, dropout=dropout)
        return self.to_out(out.transpose(1, 2).flatten(2))

    def init_weights(self) -> None:
        """As DeepMind's code: every projection variance-scaling on fan-in, biases zero."""
        for linear in (self.to_q, self.to_k, self.to_v, self.to_out):
            init_linear(linear)


def init_linear(linear: nn.Linear) -> None:
    """Truncated normal of variance 1 / fan-in, bias zero (Haiku's VarianceScaling, scale 1).

    Truncating at two standard deviations shrinks the spread to 0.8796 of itself, made up for here.
    """
    std = math.sqrt(1.0 / linear.in_features) / 0.87962566103423978
    trunc_normal(linear.weight, std)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)


def trunc_normal(tensor: Tensor, std: float) -> None:
    """Normal of mean 0, cut at two standard deviations (Haiku counts the bounds in std units)."""
    nn.init.trunc_normal_(tensor, std=std, a=-2 * std, b=2 * std)
