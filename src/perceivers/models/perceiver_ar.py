"""Perceiver AR on bytes: a model that continues texts."""

from collections.abc import Iterator
from typing import Any, overload

import torch
from torch import Tensor
from typing_extensions import override

from ..core import Inputs, PerceiverAR
from ..modalities.adapter import Adapter
from ..modalities.text.stream import TextStreamAdapter
from .base import PerceiverModel
from .config import PerceiverARConfig

# B batch · S bytes · N latents · D latent_dim

NUM_BYTES = 256
START = b"\n"
"""The byte before a text: texts of the training follow each other as lines do."""


def build_perceiver_ar(
    config: PerceiverARConfig, num_tokens: int, max_length: int, longest: str
) -> PerceiverAR:
    """Build the core of a model of tokens.

    Args:
        config: configuration of the model.
        num_tokens: number of different tokens.
        max_length: largest number of tokens that are read at once.
        longest: what decides it, for messages.

    Raises:
        ValueError: widths or numbers do not fit each other.
    """
    if config.latent_dim % config.num_self_heads:
        raise ValueError(
            f"latent_dim={config.latent_dim} is not divisible by "
            f"num_self_heads={config.num_self_heads}; change one of them"
        )
    if not 2 <= config.num_latents <= max_length:
        raise ValueError(f"num_latents={config.num_latents}; expected 2 to {longest}={max_length}")
    return PerceiverAR(
        num_tokens,
        max_length=max_length,
        dim=config.latent_dim,
        num_layers=config.num_layers_per_block,
        num_heads=config.num_self_heads,
        head_dim=config.latent_dim // config.num_self_heads,
        rotary_fraction=config.rotary_fraction,
        widening_factor=config.widening_factor,
        activation=config.activation,
        output_norm=config.output_norm,
        prefix_dropout=config.prefix_dropout,
        dropout=config.dropout,
    )


class PerceiverARModel(PerceiverModel):
    """Perceiver AR (arXiv 2202.07765) on the bytes of texts: the last N of S bytes are latents.

    A raw batch holds ids (B, S), as `perceivers.modalities.text.decode.encode` returns them.

    Args:
        config: configuration of the model.
        labels: none; the outputs are the 256 values of a byte.
        adapter: not supported.

    Raises:
        ValueError: an option is invalid, or the input is no stream of text.
    """

    config: PerceiverARConfig
    adapter: TextStreamAdapter
    perceiver: PerceiverAR

    def __init__(
        self,
        config: PerceiverARConfig,
        labels: tuple[str, ...] | None = None,
        *,
        adapter: Adapter | None = None,
    ) -> None:
        super().__init__(config, labels or (), adapter=adapter)
        if labels:
            raise ValueError(f"got {len(labels)} labels; a model of bytes has none")

    @override
    def build_perceiver(self) -> PerceiverAR:
        config = self.config
        if not isinstance(self.adapter, TextStreamAdapter):
            raise ValueError(
                f"a model of kind {config.kind!r} reads inputs of kind 'text-stream', not of "
                f"{config.input.kind!r}"
            )
        return build_perceiver_ar(config, NUM_BYTES, self.adapter.max_length, "input.max_length")

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Predict the byte after each of the last N bytes.

        Args:
            x: ids (B, S), or a list of tensors (S,) of different lengths.
            mask: not supported: bytes that do not exist are padding (id 0).

        Returns:
            Logits (B, min(N, S), 256). Those at padding mean nothing.

        Raises:
            ValueError: ids of another shape or range, or a mask.
        """
        if mask is not None:
            raise ValueError("mask is not supported; what does not exist is padding, with id 0")
        return self.respond(self.elements(x))

    @override
    def respond(self, inputs: Inputs) -> Tensor:
        logits: Tensor = self.perceiver(*self._sequence(inputs))
        return logits

    @override
    def encode(self, x: Any, mask: Tensor | None = None) -> Tensor:
        """Encode ids (B, S) to the latents of the last bytes, (B, min(N, S), D)."""
        if mask is not None:
            raise ValueError("mask is not supported; what does not exist is padding, with id 0")
        return self.perceiver.encode(*self._sequence(self.elements(x)))

    def _sequence(self, inputs: Inputs) -> tuple[Tensor, int, Tensor | None]:
        """Return tokens, length of the prefix, and padding."""
        tokens, real = inputs.content[..., 0].long(), inputs.mask
        padding = None
        if real is not None and not real.all():
            padding = (~real).sum(dim=1)
        return tokens, max(0, tokens.shape[1] - self.config.num_latents), padding

    def stream(
        self,
        prompt: str | bytes,
        length: int = 256,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[bytes]:
        """Continue a text, and yield each byte as soon as it is drawn.

        Args:
            prompt: the text, at least one byte.
            length: number of bytes to generate.
            temperature: divides the logits; 0: always the most probable byte.
            top_k: only this many most probable bytes are drawn. None: all.
            top_p: only the most probable bytes with this probability together are drawn.
            seed: seed of the draws; None: another text each time.

        Raises:
            ValueError: the prompt is empty or longer than the model reads, or a setting is out of
                range.
        """
        steps = self._steps(
            [prompt], length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed
        )
        return (bytes([int(step)]) for step in steps)

    @overload
    def generate(self, prompt: str, length: int = ..., **settings: Any) -> str: ...

    @overload
    def generate(self, prompt: list[str], length: int = ..., **settings: Any) -> list[str]: ...

    def generate(
        self, prompt: str | list[str], length: int = 256, **settings: Any
    ) -> str | list[str]:
        """Continue a text, or several side by side.

        Args:
            prompt: the text, or a list of texts of any lengths, each continued as it is alone.
            length: number of bytes to generate for each.
            **settings: `temperature`, `top_k`, `top_p` and `seed`, as in `stream`.

        Returns:
            The generated text without the prompt; a list of them for a list. Bytes that are no
            UTF-8 become "\ufffd".

        Raises:
            ValueError: as `stream`.
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        steps = torch.cat(list(self._steps(prompts, length, **settings)), dim=1)
        texts = [bytes(row).decode(errors="replace") for row in steps.tolist()]
        return texts[0] if isinstance(prompt, str) else texts

    def _steps(
        self,
        prompts: list[Any],
        length: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[Tensor]:
        """Return the generated bytes (B, 1) of each step."""
        device = self.perceiver.positions.device
        generator = torch.Generator(device=device)
        _ = generator.seed() if seed is None else generator.manual_seed(seed)
        return self.perceiver.stream(
            [self._prompt(prompt).to(device) for prompt in prompts],
            length,
            num_latents=self.config.num_latents,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            generator=generator,
        )

    def _prompt(self, prompt: str | bytes) -> Tensor:
        raw = prompt.encode() if isinstance(prompt, str) else prompt
        if not raw:
            raise ValueError("the prompt is empty; expected at least one character")
        if len(raw) >= self.adapter.max_length:
            raise ValueError(
                f"the prompt has {len(raw):,} bytes; this model reads up to "
                f"{self.adapter.max_length - 1:,}: leave out its beginning"
            )
        return torch.tensor(list(START + raw))
