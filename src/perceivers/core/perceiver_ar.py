"""Perceiver AR: the last positions of a long sequence are latents that predict the next tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from .causal_attend import CausalAttend
from .init import trunc_normal
from .options import Activation, LayerOptions

# B batch · S tokens · P prefix · N latents · D dim · H heads · K head_dim · R rotated channels

EMBEDDING_STD = 0.02
LONGEST_WAVE = 10_000.0  # of the rotary positions, divided by 2π


@dataclass(frozen=True)
class ARCache:
    """Keys and values of the tokens that a `PerceiverAR` has read, to continue from there."""

    layers: tuple[tuple[Tensor, Tensor], ...]
    """Keys and values (B, H, L, K) of each layer; the first layer's are those of the prefix too."""
    length: int
    """Number of tokens read."""
    prefix: int
    """P, number of tokens that are no latents; it stays the same."""


class PerceiverAR(nn.Module):
    """Perceiver AR (arXiv 2202.07765): tokens (B, S) → logits of the next token (B, N, tokens).

    The last N positions are latents. The first layer lets each of them attend to the prefix before
    them and to the latents up to itself; the other layers let latents attend to latents up to
    themselves. The cost is linear in the prefix.

    Args:
        num_tokens: number of different tokens.
        max_length: largest length S of a sequence.
        dim: D, channels.
        num_layers: layers after the first one.
        num_heads: attention heads.
        head_dim: channels of a head.
        rotary_fraction: share of the channels of a head that rotary positions (arXiv 2104.09864)
            turn (published: 0.5).
        widening_factor: hidden width of each feed-forward divided by D (published: 4).
        activation: activation of each feed-forward, as in `LayerOptions`.
        output_norm: whether a LayerNorm comes before the logits.
        prefix_dropout: share of the prefix that is left out in training, others in each example.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        num_tokens: int,
        *,
        max_length: int,
        dim: int = 512,
        num_layers: int = 6,
        num_heads: int = 8,
        head_dim: int = 64,
        rotary_fraction: float = 0.5,
        widening_factor: int = 4,
        activation: Activation = "gelu",
        output_norm: bool = False,
        prefix_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, share in (
            ("rotary_fraction", rotary_fraction),
            ("prefix_dropout", prefix_dropout),
        ):
            if not 0 <= share <= 1:
                raise ValueError(f"{name}={share}; expected a number from 0 to 1")
        options = LayerOptions(
            num_heads=num_heads,
            qk_dim=num_heads * head_dim,
            widening_factor=widening_factor,
            activation=activation,
        )
        self.max_length, self.prefix_dropout = max_length, prefix_dropout
        self.rotated = round(rotary_fraction * head_dim / 2) * 2
        """R, channels of a head that are rotated."""
        self.tokens = nn.Embedding(num_tokens, dim)
        self.positions = nn.Parameter(torch.empty(max_length, dim))
        self.layers = nn.ModuleList(
            CausalAttend(dim, options, with_prefix=i == 0) for i in range(num_layers + 1)
        )
        self.norm = nn.LayerNorm(dim) if output_norm else nn.Identity()
        self.to_logits = nn.Linear(dim, num_tokens)
        self.init_weights()

    def forward(self, tokens: Tensor, prefix: int) -> Tensor:
        """Predict the token after each latent.

        Args:
            tokens: whole numbers, (B, S).
            prefix: P, number of tokens at the beginning that are no latents, from 0 to S - 1.

        Returns:
            Logits (B, S - P, num_tokens): entry i is about the token at position P + i + 1.

        Raises:
            ValueError: the tokens have another shape or are too many, or the prefix does not fit.
        """
        return self.read(tokens, prefix)[0]

    def read(
        self, tokens: Tensor, prefix: int = 0, cache: ARCache | None = None
    ) -> tuple[Tensor, ARCache]:
        """Predict the token after each latent, and return what is needed to continue.

        Args:
            tokens: whole numbers, (B, S). With a cache: those that follow the ones read before.
            prefix: P, as in `forward`; not used with a cache, whose prefix stays the same.
            cache: result of an earlier call.

        Returns:
            The logits, as `forward` returns them, of the tokens that are given; and the cache.

        Raises:
            ValueError: see `forward`.
        """
        start = 0 if cache is None else cache.length
        self._check(tokens, 0 if cache else prefix, start)
        prefix = prefix if cache is None else cache.prefix
        end = start + tokens.shape[1]
        x = self.tokens(tokens) + self.positions[start:end]
        angles = self._angles(start, end, x.device)
        before, before_angles = x[:, :0], angles[:0]
        if cache is None:
            before, x = x[:, :prefix], x[:, prefix:]
            before_angles, angles = angles[:prefix], angles[prefix:]
            if self.training and self.prefix_dropout and prefix:
                before, before_angles = self._dropped(before, before_angles)
        stored = []
        for i, layer in enumerate(cast(Sequence[CausalAttend], self.layers)):
            past = cache.layers[i] if cache else None
            if i == 0 and cache is None:
                past = layer.prefix_keys_values(before, before_angles)
            x, keys_values = layer(x, angles, past)
            stored.append(keys_values)
        return self.to_logits(self.norm(x)), ARCache(tuple(stored), end, prefix)

    @torch.no_grad()
    def generate(
        self,
        tokens: Tensor,
        length: int,
        *,
        num_latents: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Continue sequences, token by token; keys and values are kept, not computed again.

        Args:
            tokens: the prompts, (B, S), at least one token.
            length: number of tokens to generate.
            num_latents: N, number of latents of the training. The prompt's last tokens are latents
                as far as those that are generated leave places; its other tokens are the prefix.
            temperature: divides the logits; 0: always the most probable token.
            top_k: only this many most probable tokens are drawn. None: all.
            top_p: only the most probable tokens with this probability together are drawn.
            generator: source of random numbers.

        Returns:
            The generated tokens, (B, length).

        Raises:
            ValueError: prompt and generated tokens are longer than `max_length`, or the generated
                tokens are more than N; or a setting is out of range.
        """
        if not 1 <= length <= num_latents or temperature < 0 or not 0 < top_p <= 1:
            raise ValueError(
                f"length={length}, temperature={temperature}, top_p={top_p}; expected 1 to "
                f"num_latents={num_latents} tokens, temperature at least 0, and top_p in (0, 1]"
            )
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k={top_k}; expected at least 1, or None for all tokens")
        prompt = tokens.shape[1] if tokens.ndim == 2 else 0
        if prompt + length - 1 > self.max_length:
            raise ValueError(
                f"{prompt} tokens and {length} generated ones; expected at most "
                f"max_length={self.max_length} tokens"
            )
        latents = min(prompt, max(1, num_latents - length + 1))
        logits, cache = self.read(tokens, prompt - latents)
        found = [_draw(logits[:, -1], temperature, top_k, top_p, generator)]
        while len(found) < length:
            logits, cache = self.read(found[-1], cache=cache)
            found.append(_draw(logits[:, -1], temperature, top_k, top_p, generator))
        return torch.cat(found, dim=1)

    def _check(self, tokens: Tensor, prefix: int, start: int) -> None:
        if tokens.ndim != 2 or tokens.is_floating_point() or not tokens.numel():
            raise ValueError(
                f"tokens are {tokens.dtype} of shape {tuple(tokens.shape)}; expected whole numbers "
                "of shape (batch, length), at least one"
            )
        if start + tokens.shape[1] > self.max_length:
            raise ValueError(
                f"{start + tokens.shape[1]} tokens; expected at most max_length={self.max_length}"
            )
        if not 0 <= prefix < tokens.shape[1]:
            raise ValueError(
                f"prefix={prefix} of {tokens.shape[1]} tokens; expected at least 0, and one token "
                "more than the prefix"
            )

    def _angles(self, start: int, end: int, device: torch.device) -> Tensor:
        """Return the angles of rotary positions, (S, R / 2), in float32."""
        exponent = torch.arange(0, self.rotated, 2, device=device).float() / max(1, self.rotated)
        return torch.arange(start, end, device=device).float()[:, None] * LONGEST_WAVE**-exponent

    def _dropped(self, x: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
        """Leave out a share of the prefix (B, P, D) of each example at random; keep the order."""
        batch, length = x.shape[:2]
        keep = length - int(length * self.prefix_dropout)
        chosen = torch.rand(batch, length, device=x.device).argsort(dim=1)[:, :keep].sort(dim=1)[0]
        return x.gather(1, chosen[..., None].expand(-1, -1, x.shape[2])), angles[chosen][:, None]

    def init_weights(self) -> None:
        """Initialise all weights: embeddings of standard deviation 0.02, linear maps on fan-in."""
        trunc_normal(self.tokens.weight, EMBEDDING_STD)
        trunc_normal(self.positions, EMBEDDING_STD)
        trunc_normal(self.to_logits.weight, EMBEDDING_STD)
        nn.init.zeros_(self.to_logits.bias)
        for layer in cast(Sequence[CausalAttend], self.layers):
            layer.attention.init_weights()
            layer.feed_forward.init_weights()


def _draw(
    logits: Tensor,
    temperature: float,
    top_k: int | None,
    top_p: float,
    generator: torch.Generator | None,
) -> Tensor:
    """Draw a token for each example, (B, tokens) → (B, 1)."""
    if not temperature:
        return logits.argmax(dim=-1, keepdim=True)
    probabilities, order = (logits.float() / temperature).softmax(dim=-1).sort(descending=True)
    before = probabilities.cumsum(dim=-1) - probabilities  # of more probable tokens
    probabilities = probabilities.masked_fill(before >= top_p, 0.0)
    if top_k is not None:
        probabilities[:, top_k:] = 0.0
    return order.gather(1, torch.multinomial(probabilities, 1, generator=generator))
