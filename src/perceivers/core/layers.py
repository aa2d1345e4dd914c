"""The two residual layers a Perceiver is made of, both pre-norm."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import MultiHeadAttention, init_linear
from .inputs import Inputs

# B batch · M inputs · C input_dim · N latents · D latent_dim

KeysValues = tuple[Tensor, Tensor]
Activation = Literal["gelu", "geglu"]
Attention = Literal["content", "position", "both"]


class FeedForward(nn.Module):
    """LayerNorm → Linear → GELU → Linear.

    Args:
        dim: D.
        widening_factor: hidden width over D (paper: 1).
        activation: "gelu" (the papers), or "geglu" (arXiv 2002.05202): the first linear is twice as
            wide, and the GELU of its second half multiplies its first.
        dropout: probability with which an output is dropped in training (the papers: 0).
    """

    def __init__(
        self,
        dim: int,
        *,
        widening_factor: int = 1,
        activation: Activation = "gelu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if activation not in ("gelu", "geglu"):
            raise ValueError(f"unknown activation {activation!r}; expected 'gelu' or 'geglu'")
        self.gated = activation == "geglu"
        hidden = widening_factor * dim
        self.norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, 2 * hidden if self.gated else hidden)
        self.contract = nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) → (B, N, D), without the residual."""
        return self.transform(self.norm(x))

    def transform(self, x: Tensor) -> Tensor:
        """What comes after the norm, (B, N, D) → (B, N, D)."""
        hidden = self.expand(x)
        if self.gated:
            hidden, gates = hidden.chunk(2, dim=-1)
            hidden = hidden * F.gelu(gates)
        else:
            hidden = F.gelu(hidden)
        return self.dropout(self.contract(hidden))

    def init_weights(self) -> None:
        """Variance-scaling on fan-in, biases zero (DeepMind's code)."""
        init_linear(self.expand)
        init_linear(self.contract)


class CrossAttend(nn.Module):
    """Latents read inputs: z + attention(LN z, LN x), then z + feed-forward(z). Cost O(M·N).

    Keys are linear in the normalised input, so that each attention logit is a content term plus a
    position term; `attention` says which of them counts. Values always carry both.

    Args:
        latent_dim: D, channels of the latents.
        input_dim: C, channels of the inputs, positions included.
        num_heads: attention heads (paper: 1).
        qk_dim: width of queries and keys in total; None: min(D, C), as published.
        v_dim: width of values in total; None: `qk_dim`.
        qkv_bias: see `MultiHeadAttention`.
        attention: "both" (the papers), or the "content" or "position" term alone.
        attention_dropout: of attention weights.
        widening_factor, activation, dropout: see `FeedForward`.
    """

    def __init__(
        self,
        latent_dim: int,
        input_dim: int,
        *,
        num_heads: int = 1,
        qk_dim: int | None = None,
        v_dim: int | None = None,
        qkv_bias: bool = True,
        attention: Attention = "both",
        attention_dropout: float = 0.0,
        widening_factor: int = 1,
        activation: Activation = "gelu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if attention not in ("content", "position", "both"):
            raise ValueError(
                f"unknown attention {attention!r}; expected 'content', 'position' or 'both'"
            )
        qk_dim, v_dim = attention_widths(min(latent_dim, input_dim), qk_dim, v_dim)
        self.attends_to = attention
        self.norm_latents = nn.LayerNorm(latent_dim)
        self.norm_inputs = nn.LayerNorm(input_dim)
        self.attention = MultiHeadAttention(
            latent_dim,
            input_dim,
            num_heads=num_heads,
            qk_dim=qk_dim,
            v_dim=v_dim,
            qkv_bias=qkv_bias,
            dropout=attention_dropout,
        )
        self.feed_forward = FeedForward(
            latent_dim, widening_factor=widening_factor, activation=activation, dropout=dropout
        )

    def keys_values(self, inputs: Inputs) -> KeysValues:
        """Keys and values of M inputs. They do not depend on the latents: make them once."""
        x = self.norm_inputs(inputs.joined())
        asked = x if self.attends_to == "both" else self.key_terms(inputs)[self.attends_to]
        return self.attention.keys(asked), self.attention.values(x)

    def key_terms(self, inputs: Inputs) -> dict[str, Tensor]:
        """The "content" and the "position" term of the normalised inputs, (B, M, C) each.

        Their sum is LayerNorm(inputs) exactly: positions side by side with the content fill columns
        of their own; of positions added to it, the norm is linear once its spread is known.
        """
        x = inputs.joined()
        normalised = self.norm_inputs(x)
        if inputs.position is None:
            if self.attends_to == "position":
                raise ValueError(
                    "attention='position', but the inputs carry no position; use 'content' or "
                    "'both', or an adapter with positions"
                )
            position = torch.zeros_like(normalised)
        elif inputs.fusion == "add":
            spread = (x.var(dim=-1, correction=0, keepdim=True) + self.norm_inputs.eps).rsqrt()
            position = inputs.position.to(x.dtype)
            position = position - position.mean(dim=-1, keepdim=True)
            position = position * spread * self.norm_inputs.weight
        else:
            content_dim = inputs.content.shape[-1]
            position = F.pad(normalised[..., content_dim:], (content_dim, 0))
        return {"content": normalised - position, "position": position}

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
        qkv_bias: see `MultiHeadAttention`.
        attention_dropout: of attention weights.
        widening_factor, activation, dropout: see `FeedForward`.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int = 8,
        qk_dim: int | None = None,
        v_dim: int | None = None,
        qkv_bias: bool = True,
        attention_dropout: float = 0.0,
        widening_factor: int = 1,
        activation: Activation = "gelu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        qk_dim, v_dim = attention_widths(dim, qk_dim, v_dim)
        self.norm = nn.LayerNorm(dim)
        self.attention = MultiHeadAttention(
            dim,
            dim,
            num_heads=num_heads,
            qk_dim=qk_dim,
            v_dim=v_dim,
            qkv_bias=qkv_bias,
            dropout=attention_dropout,
        )
        self.feed_forward = FeedForward(
            dim, widening_factor=widening_factor, activation=activation, dropout=dropout
        )

    def forward(self, z: Tensor) -> Tensor:
        """Latents (B, N, D) → (B, N, D)."""
        y = self.norm(z)
        z = z + self.attention(y, (self.attention.keys(y), self.attention.values(y)))
        return z + self.feed_forward(z)

    def init_weights(self) -> None:
        """As published; see the parts."""
        self.attention.init_weights()
        self.feed_forward.init_weights()


def attention_widths(natural: int, qk_dim: int | None, v_dim: int | None) -> tuple[int, int]:
    """The one place where an unset `qk_dim` (→ `natural`) and `v_dim` (→ `qk_dim`) are resolved."""
    qk_dim = natural if qk_dim is None else qk_dim
    return qk_dim, qk_dim if v_dim is None else v_dim
