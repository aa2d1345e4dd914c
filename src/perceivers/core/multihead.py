"""Multi-head attention: the projections around an attention to some source."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .init import init_linear
from .linear import Linear, linear
from .options import DEFAULT_OPTIONS, LayerOptions, attention_widths
from .sources import KeyValueSource, StoredKeyValues

# B batch · N queries (latents) · M inputs · H heads · K qk_dim / H · V v_dim / H

# Columns of ones that carry the bias of the values: as many as torch's kernels want in a multiple.
ONES = 8


class MultiHeadAttention(nn.Module):
    """Multi-head attention over keys and values that the caller provides.

    `forward` takes keys and values as a `KeyValueSource`, so that a cross-attend that is applied
    several times computes them once. `qk_dim` and `v_dim` are totals over all heads.

    Args:
        query_dim: channels of the queries, and of the output.
        input_dim: channels of the elements that keys and values are projected from.
        options: heads, widths, biases and dropout of the attention. The output projection always
            has a bias.
        num_kv_heads: number of heads of keys and values, each read by equally many heads of queries
            (arXiv 2305.13245). None: `options.num_heads`, each head has its own.

    Raises:
        ValueError: `qk_dim` or `v_dim` is not divisible by `num_heads`, or `num_heads` not by
            `num_kv_heads`.
    """

    def __init__(
        self,
        query_dim: int,
        input_dim: int,
        options: LayerOptions = DEFAULT_OPTIONS,
        *,
        num_kv_heads: int | None = None,
    ) -> None:
        super().__init__()
        num_heads, bias = options.num_heads, options.qkv_bias
        natural = min(query_dim, input_dim)
        qk_dim, v_dim = attention_widths(natural, options.qk_dim, options.v_dim)
        for name, width in (("qk_dim", qk_dim), ("v_dim", v_dim)):
            if width % num_heads:
                given = getattr(options, name) is not None
                what = f"{name}={width} is" if given else f"{width} channels are"
                fitting = width // num_heads * num_heads or num_heads
                raise ValueError(
                    f"{what} not divisible by {num_heads} heads; change the heads, or set "
                    f"{name}={fitting}"
                )
        kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        if kv_heads < 1 or num_heads % kv_heads:
            raise ValueError(
                f"num_kv_heads={kv_heads}; expected a number that divides the {num_heads} heads"
            )
        self.num_heads = num_heads
        self.sharing = num_heads // kv_heads
        """Heads of queries that read the same head of keys and values."""
        self.dropout = options.attention_dropout
        self.to_q = Linear(query_dim, qk_dim, bias=bias)
        self.to_k = Linear(input_dim, qk_dim // self.sharing, bias=bias)
        self.to_v = Linear(input_dim, v_dim // self.sharing, bias=bias)
        self.to_out = Linear(v_dim, query_dim)

    def split_heads(self, x: Tensor) -> Tensor:
        """Split keys or values into heads, (B, L, H·K) → (B, H, L, K), as a view."""
        return x.unflatten(-1, (self.num_heads // self.sharing, -1)).transpose(1, 2)

    def queries(self, x: Tensor) -> Tensor:
        """Project to queries, (B, N, D) → (B, H, N, K).

        If G heads share their keys, their queries are queries of one head: (B, H / G, G·N, K).
        """
        if self.sharing == 1:
            return self.split_heads(self.to_q(x))
        queries = self.to_q(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        return queries.unflatten(1, (-1, self.sharing)).flatten(2, 3)

    def merge_heads(self, x: Tensor) -> Tensor:
        """Concatenate what the heads read, (B, H, N, V) → (B, N, H·V); reverses `queries`."""
        if self.sharing > 1:
            x = x.unflatten(2, (self.sharing, -1)).flatten(1, 2)
        return x.transpose(1, 2).flatten(2)

    def split_keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Separate concatenated keys and values and split their heads.

        Args:
            x: keys and values concatenated along the channels, (B, M, qk_dim + v_dim).

        Returns:
            Keys (B, H, M, K) and values (B, H, M, V).
        """
        keys, values = x.split([self.to_k.out_features, self.to_v.out_features], dim=-1)
        return self.split_heads(keys), self.split_heads(values)

    def stored_key_values(self, x: Tensor, mask: Tensor | None = None) -> StoredKeyValues:
        """Compute the keys and values of elements.

        Args:
            x: elements, (B, M, C).
            mask: boolean (B, M), True where an element is attended to. None: everywhere.
        """
        return StoredKeyValues(self.split_heads(self.to_k(x)), self.split_heads(self.to_v(x)), mask)

    def read_itself(self, x: Tensor) -> Tensor:
        """Self-attention: x attends to itself, (B, N, D) → (B, N, D)."""
        if self._wide_heads(x):
            return self._read_unprojected(x)
        return self(x, self.stored_key_values(x))

    def _wide_heads(self, x: Tensor) -> bool:
        """Return whether computing keys and values costs more than attending to x itself.

        This is so if the heads are at least as wide as x. The projection matrices are then
        multiplied with each other, which pays, forward and backward, if there are enough more rows
        than channels. In an exported program, whose batch varies, the products are constants.
        """
        batch, rows, channels = x.shape
        narrowest = min(self.to_k.out_features, self.to_v.out_features) // self.num_heads
        if self.sharing != 1 or narrowest < channels:
            return False
        return torch.compiler.is_exporting() or batch * rows > 2 * channels

    def _read_unprojected(self, x: Tensor) -> Tensor:
        """Compute `read_itself` with x as the keys and values of all heads.

        A logit is (Wq x + bq)·(Wk y + bk) = (Wkᵀ(Wq x + bq))·y plus a term that does not depend on
        y, and the averaged values go through Wv and then Wo. Each pair of matrices is multiplied
        into one. With heads as wide as x, two of the four projections remain.

        Attention weights add up to 1, so that the bias of the values goes into the bias of the
        output. After dropout they do not: then the bias belongs to columns of ones beside x, which
        are averaged as x is.
        """
        heads, channels = self.num_heads, x.shape[-1]
        w_q, w_k, w_v = (
            part.weight.unflatten(0, (heads, -1)) for part in (self.to_q, self.to_k, self.to_v)
        )
        w_k = w_k * (channels / w_q.shape[1]) ** 0.5  # attention divides by √C instead of √K
        w_out = self.to_out.weight.unflatten(1, (heads, -1)).transpose(0, 1)  # H D V
        query_weight, query_bias = (w_k.mT @ w_q).flatten(0, 1), None
        dropout = self.dropout if self.training else 0.0
        values = x
        out_bias: Tensor = self.to_out.bias
        if self.to_q.bias is not None:
            query_bias = (self.to_q.bias.view(heads, 1, -1) @ w_k).flatten()
            # The bias of the keys changes no attention weight: its gradient is zero, not missing.
            out_bias = out_bias + 0.0 * self.to_k.bias.sum()
            if dropout:
                bias = self.to_v.bias.view(heads, -1, 1) / ONES
                w_v = torch.cat([w_v, bias.expand(-1, -1, ONES)], dim=-1)
                values = F.pad(x, (0, ONES), value=1.0)
            else:
                out_bias = out_bias + self.to_out.weight @ self.to_v.bias
        out_weight = (w_out @ w_v).transpose(0, 1).flatten(1)
        queries = linear(x, query_weight, query_bias)
        batch = x.shape[0]
        one_head = batch >= torch.get_num_threads() and not torch.compiler.is_exporting()
        if x.device.type == "cpu" and one_head:
            # All heads attend to the same keys, so they can be additional queries of one head. This
            # is faster on CPU if there is an example for each thread (docs/log.md, 2026-11-21).
            source = StoredKeyValues(x[:, None], values[:, None])
            out = source.read(queries.view(batch, 1, -1, channels), dropout=dropout)
            return linear(out.reshape(batch, -1, out_weight.shape[1]), out_weight, out_bias)
        source = StoredKeyValues(*(t[:, None].expand(-1, heads, -1, -1) for t in (x, values)))
        out = source.read(self.split_heads(queries), dropout=dropout)
        return linear(out.transpose(1, 2).flatten(2), out_weight, out_bias)

    def forward(self, x: Tensor, source: KeyValueSource) -> Tensor:
        """Attend to a source, (1 or B, N, D) → (B, N, D).

        Args:
            x: the elements that queries are projected from.
            source: keys and values.
        """
        dropout = self.dropout if self.training else 0.0
        return self.to_out(self.merge_heads(source.read(self.queries(x), dropout=dropout)))

    def init_weights(self) -> None:
        """Initialise all projections by variance scaling on fan-in, as DeepMind's code does."""
        for part in (self.to_q, self.to_k, self.to_v, self.to_out):
            init_linear(part)
