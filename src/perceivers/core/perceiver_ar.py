"""Perceiver AR: the last positions of a long sequence are latents that predict the next tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .ar_cache import ARCache, KeysValues
from .causal_attend import CausalAttend, visible
from .generation import Sampling, check_sizes, check_tokens, continuation, left_padded
from .init import trunc_normal
from .linear import Linear
from .options import Activation, LayerOptions
from .rotary import Embedded, Rotation, rotation_at

# B batch · S tokens · P prefix · N latents · D dim · H heads · K head_dim · R rotated channels

EMBEDDING_STD = 0.02
AHEAD = 64  # places after those read whose rotary positions are computed with theirs


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
        dropout: probability of dropping an output of a feed-forward in training.

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
        dropout: float = 0.0,
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
            dropout=dropout,
        )
        self.max_length, self.head_dim = max_length, head_dim
        self.prefix_dropout, self.dropout = prefix_dropout, dropout
        self.activation_checkpointing = False
        """Whether training stores only the latents between layers."""
        self.rotated = round(rotary_fraction * head_dim / 2) * 2
        """R, channels of a head that are rotated."""
        self.tokens = nn.Embedding(num_tokens, dim)
        self.positions = nn.Parameter(torch.empty(max_length, dim))
        self.layers = nn.ModuleList(
            CausalAttend(dim, options, with_prefix=i == 0) for i in range(num_layers + 1)
        )
        self.norm = nn.LayerNorm(dim) if output_norm else nn.Identity()
        self.to_logits = Linear(dim, num_tokens)
        self.init_weights()

    def forward(self, tokens: Tensor, prefix: int, padding: Tensor | None = None) -> Tensor:
        """Predict the token after each latent.

        Args:
            tokens: whole numbers, (B, S).
            prefix: P, number of tokens at the beginning that are no latents, from 0 to S - 1.
            padding: number of tokens at the beginning of each example that are padding, whole
                numbers (B,) from 0 to S - 1. The logits of what follows are those of the example
                without padding. None: no padding.

        Returns:
            Logits (B, S - P, num_tokens): entry i is about the token at position P + i + 1. Those
            of latents that are padding mean nothing.

        Raises:
            ValueError: the tokens have another shape or are too many, or the prefix or the padding
                does not fit.
        """
        return self.to_logits(self.encode(tokens, prefix, padding))

    def encode(self, tokens: Tensor, prefix: int, padding: Tensor | None = None) -> Tensor:
        """Return the latents (B, S - P, D) from which `forward` computes the logits."""
        return self.norm(self._read_first(tokens, prefix, padding)[0])

    def read(
        self,
        tokens: Tensor,
        prefix: int = 0,
        cache: ARCache | None = None,
        *,
        padding: Tensor | None = None,
    ) -> tuple[Tensor, ARCache]:
        """Predict the token after each latent, and return what is needed to continue.

        Args:
            tokens: whole numbers, (B, S). With a cache: those that follow the ones read before.
            prefix: P, as in `forward`; not used with a cache, whose prefix stays the same.
            cache: result of an earlier call.
            padding: as in `forward`; not used with a cache, whose padding stays the same.

        Returns:
            The logits, as `forward` returns them, of the tokens that are given; and the cache.

        Raises:
            ValueError: see `forward`.
        """
        if cache is None:
            x, cache = self._read_first(tokens, prefix, padding)
        else:
            x, cache = self._read_on(tokens, cache)
        return self.to_logits(self.norm(x)), cache

    def _read_first(
        self, tokens: Tensor, prefix: int, padding: Tensor | None
    ) -> tuple[Tensor, ARCache]:
        """Read tokens (B, S) without a cache; return the latents (B, S - P, D) and a cache."""
        self._check(tokens, prefix, padding)
        length = tokens.shape[1]
        ahead = self._rotation(0, length + AHEAD, padding)
        embedded = self._embedded(tokens, 0, padding, ahead.run(0, length))
        before, latents = embedded.run(0, prefix), embedded.run(prefix, None)
        if self.training and self.prefix_dropout and prefix:
            before = before.thinned(self.prefix_dropout)
        real = latents.real
        if before.real is not None and real is not None:
            real = torch.cat([before.real, real], dim=1)
        first = cast(Sequence[CausalAttend], self.layers)[0]
        past = first.prefix_keys_values(before.x, before.rotation)
        x, layers = self._layered(latents, [past], real)
        cache = ARCache(layers, length, prefix, padding, real, (0, ahead))
        return x, cache

    def _read_on(self, tokens: Tensor, cache: ARCache) -> tuple[Tensor, ARCache]:
        """Read tokens that follow others; return their latents and a new cache."""
        self._check(tokens, 0, None, cache.length)
        start, count, ahead = cache.length, tokens.shape[1], cache.ahead
        rotation = cache.rotation(count)
        if rotation is None:
            ahead = start, self._rotation(start, start + count + AHEAD, cache.padding)
            rotation = ahead[1].run(0, count)
        embedded = self._embedded(tokens, start, cache.padding, rotation)
        real = None if cache.real is None else F.pad(cache.real, (0, count), value=True)
        x, layers = self._layered(embedded, cache.layers, real)
        return x, replace(cache, layers=layers, length=start + count, real=real, ahead=ahead)

    def _layered(
        self, latents: Embedded, past: Sequence[KeysValues], real: Tensor | None
    ) -> tuple[Tensor, tuple[KeysValues, ...]]:
        """Apply all layers to N latents, and return what each of them attended to.

        Args:
            latents: the latents.
            past: keys and values before them, of the first layer or of all layers.
            real: boolean (B, L), False where a key of the first layer is of padding.
        """
        x, rotation, _ = latents
        new, stored, masks = x.shape[1], [], {}
        for i, layer in enumerate(cast(Sequence[CausalAttend], self.layers)):
            known = past[i] if i < len(past) else None
            seen = new + (0 if known is None else known.keys.shape[2])
            if seen not in masks:  # there are two: of the first layer, and of all others
                part = None if real is None else real[:, -seen:]
                masks[seen] = visible(new, seen, part, x.device)
            arguments = (x, rotation, known, masks[seen])
            if self.activation_checkpointing and torch.is_grad_enabled():
                x, keys_values = checkpoint(layer, *arguments, use_reentrant=False)
            else:
                x, keys_values = layer(*arguments)
            stored.append(keys_values)
        return x, tuple(stored)

    def stream(
        self,
        tokens: Tensor | Sequence[Tensor],
        length: int,
        *,
        num_latents: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Continue sequences, and yield each token as soon as it is drawn.

        Keys and values are kept, not computed again. Of the tokens that are read, so many are
        latents that those to be generated have places too, but at least half of `num_latents`. The
        prefix stays the same until all places are taken; then all tokens are read anew, as they
        were at the beginning. If they are more than `max_length`, the oldest are forgotten.

        Args:
            tokens: the prompts, (B, S), or a list of B tensors (S,) of different lengths; each has
                at least one token. A prompt is continued as it is alone.
            length: number of tokens to generate.
            num_latents: N, number of latents of the training.
            temperature: divides the logits; 0: always the most probable token.
            top_k: only this many most probable tokens are drawn. None: all.
            top_p: only the most probable tokens with this probability together are drawn.
            generator: source of random numbers.

        Returns:
            An iterator of the generated tokens, (B, 1) each.

        Raises:
            ValueError: a prompt is empty or longer than `max_length`, or a setting is out of range.
        """
        sampling = Sampling(temperature, top_k, top_p)
        if self.training and (self.prefix_dropout or self.dropout):
            raise ValueError("generation leaves nothing out; call model.eval() first")
        check_sizes(length, num_latents, self.max_length)
        prompts, padding = left_padded(tokens)
        self._check(prompts, 0, padding)
        return torch.inference_mode()(continuation)(
            self.read,
            prompts,
            padding,
            length,
            num_latents=num_latents,
            max_length=self.max_length,
            draw=partial(sampling.draw, generator=generator),
        )

    def generate(self, tokens: Tensor | Sequence[Tensor], length: int, **settings: Any) -> Tensor:
        """Continue sequences token by token; the arguments are those of `stream`.

        Returns:
            The generated tokens, (B, length).

        Raises:
            ValueError: as `stream`.
        """
        return torch.cat(list(self.stream(tokens, length, **settings)), dim=1)

    def _check(self, tokens: Tensor, prefix: int, padding: Tensor | None, start: int = 0) -> None:
        check_tokens(tokens, self.tokens.num_embeddings)
        batch, length = tokens.shape
        if start + length > self.max_length:
            raise ValueError(
                f"{start + length} tokens; expected at most max_length={self.max_length}"
            )
        if not 0 <= prefix < length:
            raise ValueError(
                f"prefix={prefix} of {length} tokens; expected at least 0, and one token "
                "more than the prefix"
            )
        if padding is not None and (
            padding.shape != (batch,)
            or padding.is_floating_point()
            or not 0 <= padding.min() <= padding.max() < length
        ):
            raise ValueError(
                f"padding is {padding.tolist()}; expected {batch} whole numbers from 0 to "
                f"{length - 1}: how many tokens of each example are padding"
            )

    def _embedded(
        self, tokens: Tensor, start: int, padding: Tensor | None, rotation: Rotation
    ) -> Embedded:
        """Embed tokens that follow `start` others."""
        end = start + tokens.shape[1]
        if padding is None:
            return Embedded(self.tokens(tokens) + self.positions[start:end], rotation, None)
        places = torch.arange(start, end, device=tokens.device) - padding[:, None]
        x = self.tokens(tokens) + self.positions[places.clamp_min(0)]
        return Embedded(x, rotation, places >= 0)

    def _rotation(self, start: int, end: int, padding: Tensor | None) -> Rotation:
        """Return the rotary positions from one place to another, of each example if padded."""
        places = torch.arange(start, end, device=self.positions.device)
        if padding is not None:
            places = (places - padding[:, None]).clamp_min(0)
        return rotation_at(places, self.rotated, self.head_dim, self.positions.dtype)

    def init_weights(self) -> None:
        """Initialise all weights: embeddings of standard deviation 0.02, linear maps on fan-in."""
        trunc_normal(self.tokens.weight, EMBEDDING_STD)
        trunc_normal(self.positions, EMBEDDING_STD)
        trunc_normal(self.to_logits.weight, EMBEDDING_STD)
        nn.init.zeros_(self.to_logits.bias)
        for layer in cast(Sequence[CausalAttend], self.layers):
            layer.attention.init_weights()
            layer.feed_forward.init_weights()
