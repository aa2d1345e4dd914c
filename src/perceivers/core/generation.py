"""Generation: which tokens are drawn, and what a Perceiver AR reads anew meanwhile."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .ar_cache import ARCache

# B batch · S length · N latents


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn from logits.

    Raises:
        ValueError: a setting is out of range.
    """

    temperature: float = 1.0
    """Number that divides the logits; 0: always the most probable token."""
    top_k: int | None = None
    """Only this many most probable tokens are drawn; None: all."""
    top_p: float = 1.0
    """Only the most probable tokens that have this probability together are drawn."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature={self.temperature}; expected a number of at least 0")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(
                f"top_k={self.top_k}; expected at least 1; leave it out to draw from all tokens"
            )
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p}; expected more than 0 and at most 1")

    def draw(self, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw a token for each example, (B, tokens) → (B, 1)."""
        if not self.temperature:
            return logits.argmax(dim=-1, keepdim=True)
        below = logits.double() - logits.double().amax(
            dim=-1, keepdim=True
        )  # at most 0: no overflow
        scaled = (below / self.temperature).softmax(dim=-1)
        probabilities, order = scaled.sort(descending=True, stable=True)
        before = probabilities.cumsum(dim=-1) - probabilities  # of more probable tokens
        probabilities = probabilities.masked_fill(before >= self.top_p, 0.0)
        if self.top_k is not None:
            probabilities[:, self.top_k :] = 0.0
        return order.gather(1, torch.multinomial(probabilities, 1, generator=generator))


def check_tokens(tokens: Tensor, num_tokens: int) -> None:
    """Raise a ValueError unless tokens are whole numbers (B, S) from 0 to `num_tokens` - 1."""
    if tokens.ndim != 2 or tokens.is_floating_point() or not tokens.numel():
        raise ValueError(
            f"tokens are {tokens.dtype} of shape {tuple(tokens.shape)}; expected whole numbers "
            "of shape (batch, length), at least one"
        )
    if tokens.device.type == "cpu" and not torch.compiler.is_compiling():
        low, high = (int(x) for x in torch.aminmax(tokens))
        if low < 0 or high >= num_tokens:
            raise ValueError(f"tokens are {low} to {high}; expected 0 to {num_tokens - 1}")


def check_sizes(length: int, num_latents: int, max_length: int) -> None:
    """Raise a ValueError unless so many tokens can be generated with so many latents."""
    if length < 1:
        raise ValueError(f"length={length}; expected at least 1 token to generate")
    if not 1 <= num_latents <= max_length:
        raise ValueError(f"num_latents={num_latents}; expected 1 to max_length={max_length}")


def left_padded(prompts: Tensor | Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Put prompts of different lengths side by side, so that all of them end at the same place.

    Args:
        prompts: (B, S), or B tensors (S,) of different lengths, each with at least one token.

    Returns:
        Tokens (B, S), with token 0 before the shorter ones; and the number of these for each
        example, int64 (B,), or None if there are none.

    Raises:
        ValueError: there is no prompt, or one is empty or of another shape.
    """
    if isinstance(prompts, Tensor):
        return prompts, None
    shapes = [tuple(prompt.shape) for prompt in prompts]
    if wrong := [shape for shape in shapes if len(shape) != 1 or not shape[0]] or not shapes:
        raise ValueError(
            f"prompts have shapes {wrong if shapes else []}; expected a list of tensors (length,), "
            "each with at least one token"
        )
    longest = max(shape[0] for shape in shapes)
    missing = [longest - len(prompt) for prompt in prompts]
    rows = [
        torch.cat([prompt.new_zeros(count), prompt])
        for count, prompt in zip(missing, prompts, strict=True)
    ]
    tokens = torch.stack(rows)
    return tokens, torch.tensor(missing, device=tokens.device) if any(missing) else None


def continuation(
    read: Callable[..., tuple[Tensor, ARCache]],
    tokens: Tensor,
    padding: Tensor | None,
    length: int,
    *,
    num_latents: int,
    max_length: int,
    draw: Callable[[Tensor], Tensor],
) -> Iterator[Tensor]:
    """Yield tokens that follow others, (B, 1) each; see `PerceiverAR.stream`.

    Each reading leaves places for latents free, which the tokens that are generated take. When all
    of them are taken, all tokens are read anew. How an example is read depends on the number of
    tokens to generate alone, not on the other examples of the batch.

    Args:
        read: `PerceiverAR.read` of the model.
        tokens: the prompts, (B, S).
        padding: number of tokens at the beginning of each example that are padding, (B,), or None.
        length: number of tokens to generate.
        num_latents: N, largest number of latents.
        max_length: largest number of tokens that are read.
        draw: function from logits (B, tokens) to the next token (B, 1).
    """
    cache: ARCache | None = None
    places = 0  # for further tokens, before all are read anew
    for remaining in range(length, 0, -1):
        if places:
            logits, cache = read(tokens[:, -1:], cache=cache)
            places -= 1
        else:
            latents = max(num_latents - remaining + 1, (num_latents + 1) // 2)
            places = min(remaining, num_latents - latents + 1) - 1
            forgotten = max(0, tokens.shape[1] - (max_length - places))
            tokens = tokens[:, forgotten:]
            padding = None if padding is None else (padding - forgotten).clamp_min(0)
            logits, cache = read(tokens, max(0, tokens.shape[1] - latents), padding=padding)
        token = draw(logits[:, -1])
        tokens = torch.cat([tokens, token], dim=1)
        yield token
