"""Multi-head attention: projections around whatever is read."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .init import init_linear
from .options import DEFAULT_OPTIONS, LayerOptions, attention_widths
from .sources import KeyValueSource, StoredKeyValues

# B batch · N queries (latents) · M inputs · H heads · K qk_dim / H · V v_dim / H


class MultiHeadAttention(nn.Module):
    """Queries read keys and values; `qk_dim` and `v_dim` are totals over all heads.

    What is read comes from outside, as a `KeyValueSource`: a cross-attend applied several times makes its
    keys and values once.

    Args:
        query_dim: channels of the queries, and of the output.
        input_dim: channels of what is attended to.
        options: heads, widths, biases and dropout of the attention. The output projection has a
            bias whatever `qkv_bias` says.

    Raises:
        ValueError: `qk_dim` or `v_dim` is not divisible by `num_heads`.
    """

    def __init__(
        self,
        query_dim: int,
        input_dim: int,
        options: LayerOptions = DEFAULT_OPTIONS,
    ) -> None:
        super().__init__()
        num_heads, bias = options.num_heads, options.qkv_bias
        natural = min(query_dim, input_dim)
        qk_dim, v_dim = attention_widths(natural, options.qk_dim, options.v_dim)
        for name, width in (("qk_dim", qk_dim), ("v_dim", v_dim)):
            if width % num_heads:
                raise ValueError(
                    f"{name}={width} is not divisible by {num_heads} heads; "
                    f"use {width // num_heads * num_heads or num_heads} or change the heads"
                )
        self.num_heads = num_heads
        self.dropout = options.attention_dropout
        self.to_q = nn.Linear(query_dim, qk_dim, bias=bias)
        self.to_k = nn.Linear(input_dim, qk_dim, bias=bias)
        self.to_v = nn.Linear(input_dim, v_dim, bias=bias)
        self.to_out = nn.Linear(v_dim, query_dim)

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, L, H·K) → (B, H, L, K), a view."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def queries(self, x: Tensor) -> Tensor:
        """(B, N, D) → (B, H, N, K)."""
        return self.split_heads(self.to_q(x))

    def split_keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values side by side, (B, M, qk_dim + v_dim) → (B, H, M, K), (B, H, M, V)."""
        keys, values = x.split([self.to_k.out_features, self.to_v.out_features], dim=-1)
        return self.split_heads(keys), self.split_heads(values)

    def stored_key_values(self, x: Tensor, mask: Tensor | None = None) -> StoredKeyValues:
        """Keys and values of (B, M, C)."""
        return StoredKeyValues(self.split_heads(self.to_k(x)), self.split_heads(self.to_v(x)), mask)

    def read_itself(self, x: Tensor) -> Tensor:
        """What asks is also what is read, (B, N, D) → (B, N, D)."""
        return (
            self._read_unprojected(x) if self._wide_heads(x) else self(x, self.stored_key_values(x))
        )

    def _wide_heads(self, x: Tensor) -> bool:
        """Whether keys and values are wider than what they are made from, so that they only cost.

        The maps are then multiplied with each other, which pays if there are more rows than
        channels, forward and backward.
        """
        batch, rows, channels = x.shape
        narrowest = min(self.to_k.out_features, self.to_v.out_features) // self.num_heads
        return narrowest >= channels and batch * rows > 2 * channels

    def _read_unprojected(self, x: Tensor) -> Tensor:
        """`read_itself` with x for keys and values of all heads.

        A logit is (Wq x + bq)·(Wk y + bk) = (Wkᵀ(Wq x + bq))·y + what does not depend on y, and
        what is read goes through Wv and then Wo; of each pair one matrix is made. With heads as
        wide as x this leaves two of four projections.
        """
        heads, channels = self.num_heads, x.shape[-1]
        of_q, of_k, of_v = (
            linear.weight.unflatten(0, (heads, -1)) for linear in (self.to_q, self.to_k, self.to_v)
        )
        of_out = self.to_out.weight.unflatten(1, (heads, -1)).transpose(0, 1)  # H D V
        asks, bias = (of_k.mT @ of_q).flatten(0, 1), None
        gives = (of_out @ of_v).transpose(0, 1).flatten(1)
        last: Tensor = self.to_out.bias
        if self.to_q.bias is not None:
            bias = (self.to_q.bias.view(heads, 1, -1) @ of_k).flatten()
            # The keys' bias changes no weight: its gradient is zero, not missing.
            last = last + self.to_out.weight @ self.to_v.bias + 0.0 * self.to_k.bias.sum()
        queries = F.linear(x, asks, bias) * (channels / of_q.shape[1]) ** 0.5
        dropout = self.dropout if self.training else 0.0
        if x.device.type == "cpu" and len(x) >= torch.get_num_threads():
            # All heads read the same, so that they can be more queries of one head: faster on CPU,
            # as long as there is an example for each thread (docs/log.md, 2026-11-21).
            keys = x[:, None]
            out = StoredKeyValues(keys, keys).read(
                queries.view(len(x), 1, -1, channels), dropout=dropout
            )
            return F.linear(out.reshape(len(x), -1, heads * channels), gives, last)
        keys = x[:, None].expand(-1, heads, -1, -1)
        out = StoredKeyValues(keys, keys).read(self.split_heads(queries), dropout=dropout)
        return F.linear(out.transpose(1, 2).flatten(2), gives, last)

    def forward(self, x: Tensor, source: KeyValueSource) -> Tensor:
        """What asks, (1 or B, N, D), reads a source → (B, N, D)."""
        dropout = self.dropout if self.training else 0.0
        out = source.read(self.queries(x), dropout=dropout)
        return self.to_out(out.transpose(1, 2).flatten(2))

    def init_weights(self) -> None:
        """As DeepMind's code: every projection variance-scaling on fan-in, biases zero."""
        for linear in (self.to_q, self.to_k, self.to_v, self.to_out):
            init_linear(linear)
