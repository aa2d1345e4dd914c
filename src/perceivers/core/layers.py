"""The two residual layers a Perceiver is made of, both pre-norm."""

from torch import Tensor, nn

from .attention import MultiHeadAttention, init_linear

KeysValues = tuple[Tensor, Tensor]


class FeedForward(nn.Module):
    """LayerNorm → Linear → GELU → Linear, hidden width `widening_factor` × `dim` (paper: 1)."""

    def __init__(self, dim: int, *, widening_factor: int = 1) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, widening_factor * dim)
        self.gelu = nn.GELU()
        self.contract = nn.Linear(widening_factor * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) → (B, N, D), without the residual."""
        return self.contract(self.gelu(self.expand(self.norm(x))))

    def init_weights(self) -> None:
        """Variance-scaling on fan-in, biases zero (DeepMind's code)."""
        init_linear(self.expand)
        init_linear(self.contract)


class CrossAttend(nn.Module):
    """Latents read inputs: z + attention(LN z, LN x), then z + feed-forward(z). Cost O(M·N).

    Args:
        latent_dim: D, channels of the latents.
        input_dim: C, channels of the inputs, positions included.
        num_heads: attention heads (paper: 1).
        qk_dim: width of queries and keys in total; None: min(D, C), as published.
        v_dim: width of values in total; None: `qk_dim`.
        widening_factor: of the feed-forward (paper: 1).
    """

    def __init__(
        self,
        latent_dim: int,
        input_dim: int,
        *,
        num_heads: int = 1,
        qk_dim: int | None = None,
        v_dim: int | None = None,
        widening_factor: int = 1,
    ) -> None:
        super().__init__()
        qk_dim, v_dim = attention_widths(min(latent_dim, input_dim), qk_dim, v_dim)
        self.norm_latents = nn.LayerNorm(latent_dim)
        self.norm_inputs = nn.LayerNorm(input_dim)
        self.attention = MultiHeadAttention(
            latent_dim, input_dim, num_heads=num_heads, qk_dim=qk_dim, v_dim=v_dim
        )
        self.feed_forward = FeedForward(latent_dim, widening_factor=widening_factor)

    def keys_values(self, inputs: Tensor) -> KeysValues:
        """Inputs (B, M, C) → keys and values. They do not depend on the latents: make them once."""
        return self.attention.keys_values(self.norm_inputs(inputs))

    def forward(self, z: Tensor, keys_values: KeysValues, mask: Tensor | None = None) -> Tensor:
        """Latents (B, N, D) → (B, N, D)."""
        z = z + self.attention(self.norm_latents(z), keys_values, mask)
        return z + self.feed_forward(z)

    def init_weights(self) -> None:
        """As published; see the parts."""
        self.attention.init_weights()
        self.feed_forward.init_weights()


class SelfAttend(nn.Module):
    """Latents read each other: z + attention(LN z), then z + feed-forward(z). Cost O(N²).

    Args:
        dim: D, channels of the latents.
        num_heads: attention heads (paper: 8).
        qk_dim: width of queries and keys in total; None: D.
        v_dim: width of values in total; None: `qk_dim`.
        widening_factor: of the feed-forward (paper: 1).
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int = 8,
        qk_dim: int | None = None,
        v_dim: int | None = None,
        widening_factor: int = 1,
    ) -> None:
        super().__init__()
        qk_dim, v_dim = attention_widths(dim, qk_dim, v_dim)
        self.norm = nn.LayerNorm(dim)
        self.attention = MultiHeadAttention(
            dim, dim, num_heads=num_heads, qk_dim=qk_dim, v_dim=v_dim
        )
        self.feed_forward = FeedForward(dim, widening_factor=widening_factor)

    def forward(self, z: Tensor) -> Tensor:
        """Latents (B, N, D) → (B, N, D)."""
        y = self.norm(z)
        z = z + self.attention(y, self.attention.keys_values(y))
        return z + self.feed_forward(z)

    def init_weights(self) -> None:
        """As published; see the parts."""
        self.attention.init_weights()
        self.feed_forward.init_weights()


def attention_widths(natural: int, qk_dim: int | None, v_dim: int | None) -> tuple[int, int]:
    """The one place where an unset `qk_dim` (→ `natural`) and `v_dim` (→ `qk_dim`) are resolved."""
    qk_dim = natural if qk_dim is None else qk_dim
    return qk_dim, qk_dim if v_dim is None else v_dim
