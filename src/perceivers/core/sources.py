"""What queries read, and how much of it is held at a time. All sources give the same numbers."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from .attention import MASKED_LOGIT, attend, merge_all, partial_attend, partial_attend_backward
from .projection import Projection

# B batch · H heads · N queries (latents) · M inputs · K qk_dim / H · V v_dim / H

KeysValues = tuple[Tensor, Tensor]
CHUNKED_FIELDS = ("content", "position", "scale")  # what of a projection comes chunk by chunk
Split = Callable[[Tensor], KeysValues]  # (B, m, O) → keys (B, H, m, K) and values (B, H, m, V)


class KeyValueSource(Protocol):
    """Something that queries can read."""

    def read(self, queries: Tensor, *, dropout: float = 0.0) -> Tensor:
        """Queries (1 or B, H, N, K) → what they read, (B, H, N, V)."""


class PartialSource(Protocol):
    """Some of the inputs that queries read."""

    def partial(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (1 or B, H, N, K) → (B, H, N, V) and the logsumexp (B, H, N) to merge it by."""


@dataclass(frozen=True)
class StoredKeyValues:
    """Keys and values, made once and kept."""

    keys: Tensor
    """(B, H, M, K)."""
    values: Tensor
    """(B, H, M, V)."""
    mask: Tensor | None = None
    """Boolean (B, M), True = attend."""

    def read(self, queries: Tensor, *, dropout: float = 0.0) -> Tensor:
        """See `KeyValueSource`."""
        queries = queries.expand(len(self.keys), -1, -1, -1)
        return attend(queries, self.keys, self.values, self.mask, dropout=dropout)

    def partial(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """See `PartialSource`."""
        queries = queries.expand(len(self.keys), -1, -1, -1)
        return partial_attend(queries, self.keys, self.values, self.mask)


@dataclass(frozen=True)
class ChunkedKeyValues:
    """Keys and values of `size` inputs at a time, made again in the backward pass.

    Neither N×M logits nor M×K keys are ever held: memory grows with M by the inputs alone.
    """

    projection: Projection
    """Of all M inputs, to keys and values side by side."""
    split: Split
    """Tells keys from values, and heads apart."""
    mask: Tensor | None
    """Boolean (B, M), True = attend."""
    size: int
    """Inputs of a chunk."""

    def read(self, queries: Tensor, *, dropout: float = 0.0) -> Tensor:
        """See `KeyValueSource`."""
        if dropout:
            raise ValueError("attention dropout needs keys that are held; set it to 0")
        queries = queries.expand(len(self.projection.scale), -1, -1, -1)
        seen, mask = None, self.mask
        if mask is not None:  # an example that sees nothing reads all, and then nothing
            seen = mask.any(dim=-1)
            mask = mask | ~seen[:, None]
        projection = self.projection._replace(position=self.projection.dense_position())
        out = _ReadChunks.apply(queries, mask, self.split, self.size, *projection)
        return out if seen is None else torch.where(seen[:, None, None, None], out, 0.0)


@dataclass(frozen=True)
class StreamedKeyValues:
    """Chunks that come one after another, each time they are asked for. For inference alone."""

    open: Callable[[], Iterable[PartialSource]]
    """Begins anew."""

    @torch.no_grad()
    def read(self, queries: Tensor, *, dropout: float = 0.0) -> Tensor:
        """See `KeyValueSource`."""
        whole = merge_all(part.partial(queries) for part in self.open())
        if whole is None:
            raise ValueError("the stream is empty; expected at least one chunk of inputs")
        out, lse = whole
        return torch.where(lse[..., None] > MASKED_LOGIT / 2, out, 0.0)


class _ReadChunks(torch.autograd.Function):
    """Attention over chunks: online softmax forward, its whole output and logsumexp backward."""

    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, mask: Tensor | None, split: Split, size: int, *tensors: Any
    ) -> Tensor:
        whole = merge_all(
            partial_attend(queries, *split(chunk()), of_chunk)
            for chunk, of_chunk in in_chunks(Projection(*tensors), mask, size)
        )
        assert whole is not None  # there is always one chunk
        out, lse = whole
        ctx.save_for_backward(queries, mask, out, lse, *tensors)
        ctx.split, ctx.size = split, size
        ctx.autocast = _autocast(queries.device.type)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        queries, mask, out, lse, *tensors = ctx.saved_tensors
        needed = ctx.needs_input_grad[4:]
        of_queries = torch.zeros_like(queries)
        gathered: list[list[Tensor]] = [[] for _ in needed]
        for chunk, of_chunk in in_chunks(Projection(*tensors), mask, ctx.size):
            leaves: list[Any] = [
                tensor.detach().requires_grad_() if need and isinstance(tensor, Tensor) else tensor
                for tensor, need in zip(chunk, needed, strict=True)
            ]
            with torch.enable_grad(), ctx.autocast:
                made = ctx.split(Projection(*leaves)())
            keys, values = (tensor.detach() for tensor in made)
            of_part, *of_made = partial_attend_backward(
                grad, queries, keys, values, out, lse, of_chunk
            )
            of_queries += of_part
            wanted = [i for i, need in enumerate(needed) if need]
            if wanted:
                found = torch.autograd.grad(made, [leaves[i] for i in wanted], of_made)
                for i, of_leaf in zip(wanted, found, strict=True):
                    _gather(gathered[i], of_leaf, apart=i < len(CHUNKED_FIELDS))
        of_tensors = [
            torch.cat(parts, dim=1) if len(parts) > 1 else next(iter(parts), None)
            for parts in gathered
        ]
        return of_queries, None, None, None, *of_tensors


def _autocast(device: str) -> AbstractContextManager[Any]:
    """The precision of now, to make keys again in it later."""
    if not torch.amp.is_autocast_available(device):
        return nullcontext()
    dtype, enabled = torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)
    return torch.autocast(device, dtype, enabled)


def in_chunks(
    projection: Projection, mask: Tensor | None, size: int
) -> Iterator[tuple[Projection, Tensor | None]]:
    """A projection and its mask, `size` inputs at a time; at least one part, if an empty one."""
    for i, chunk in enumerate(projection.chunks(size)):
        yield chunk, None if mask is None else mask[:, i * size : (i + 1) * size]


def _gather(parts: list[Tensor], part: Tensor, *, apart: bool) -> None:
    """Gradients of what comes chunk by chunk lie side by side, those of weights add up."""
    if apart or not parts:
        parts.append(part)
    else:
        parts[0] = parts[0] + part
