"""Sources of keys and values that queries attend to.

The sources differ in how many keys and values they store at a time. All give the same output.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import (
    MASKED_LOGIT,
    attend,
    merge_all,
    partial_attend,
    partial_attend_backward,
    plain_gradients,
    plain_partial_attend,
    second_order,
)
from .projection import Projection

# B batch · H heads · N queries (latents) · M inputs · K qk_dim / H · V v_dim / H

KeysValues = tuple[Tensor, Tensor]
CHUNKED_FIELDS = ("content", "position", "scale")  # the first fields of `Projection`, one per input
Split = Callable[[Tensor], KeysValues]  # (B, m, O) → keys (B, H, m, K) and values (B, H, m, V)


class KeyValueSource(Protocol):
    """Keys and values that queries can attend to, in whatever form they are stored."""

    def read(self, queries: Tensor, *, dropout: float = 0.0) -> Tensor:
        """Attend to all inputs.

        Args:
            queries: (1 or B, H, N, K).
            dropout: probability with which an attention weight is dropped.

        Returns:
            (B, H, N, V); zero for an example without any unmasked input.
        """


class ExtensibleSource(KeyValueSource, Protocol):
    """Keys and values of inputs, beside which the latents' own can be read."""

    def beside(self, more: "StoredKeyValues") -> KeyValueSource:
        """Return a source of these keys and values and more of them, under one softmax.

        Args:
            more: without a mask; its batch may be 1 for all examples.
        """


class PartialSource(Protocol):
    """Keys and values of a part of the inputs."""

    def partial(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Attend to this part of the inputs.

        Args:
            queries: (1 or B, H, N, K).

        Returns:
            The output (B, H, N, V) and the logsumexp (B, H, N) to merge it with other parts by.
        """


@dataclass(frozen=True)
class StoredKeyValues:
    """Keys and values in memory; both a `KeyValueSource` and a `PartialSource`."""

    keys: Tensor
    """(B, H, M, K)."""
    values: Tensor
    """(B, H, M, V)."""
    mask: Tensor | None = None
    """Boolean (B, M), True where an input is attended to. None: everywhere."""

    def beside(self, more: "StoredKeyValues") -> "StoredKeyValues":
        """Return these keys and values and more of them; see `ExtensibleSource`."""
        batch = self.keys.shape[0]
        keys, values = (
            torch.cat([own, other.expand(batch, -1, -1, -1)], dim=2)
            for own, other in ((self.keys, more.keys), (self.values, more.values))
        )
        mask = self.mask
        if mask is not None:
            mask = F.pad(mask, (0, more.keys.shape[2]), value=True)
        return StoredKeyValues(keys, values, mask)

    def read(self, queries: Tensor, *, dropout: float = 0.0) -> Tensor:
        """Attend to all inputs, (1 or B, H, N, K) → (B, H, N, V)."""
        queries = queries.expand(self.keys.shape[0], -1, -1, -1)
        return attend(queries, self.keys, self.values, self.mask, dropout=dropout)

    def partial(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output, as `read` does, and the logsumexp of the logits (B, H, N)."""
        queries = queries.expand(self.keys.shape[0], -1, -1, -1)
        return partial_attend(queries, self.keys, self.values, self.mask)


@dataclass(frozen=True)
class ChunkedKeyValues:
    """Keys and values computed for `size` inputs at a time, and again in the backward pass.

    It is a `KeyValueSource`. Neither N×M logits nor M×K keys are ever in memory at once: of what is
    stored, only the inputs themselves grow with M. Second derivatives are the exception: they store
    both.
    """

    projection: Projection
    """Projection of all M inputs to keys and values, concatenated."""
    split: Split
    """Function that separates keys from values and splits the heads."""
    mask: Tensor | None
    """Boolean (B, M), True where an input is attended to. None: everywhere."""
    size: int
    """Number of inputs in a chunk."""
    more: StoredKeyValues | None = None
    """Keys and values (B, …) that are read as one more chunk, without a mask."""

    def beside(self, more: StoredKeyValues) -> "ChunkedKeyValues":
        """Return these keys and values and more of them; see `ExtensibleSource`."""
        batch = self.projection.scale.shape[0]
        keys, values = (x.expand(batch, -1, -1, -1) for x in (more.keys, more.values))
        return replace(self, more=StoredKeyValues(keys, values))

    def read(self, queries: Tensor, *, dropout: float = 0.0) -> Tensor:
        """Attend to all inputs, (1 or B, H, N, K) → (B, H, N, V); `dropout` must be 0."""
        if dropout:
            raise ValueError(
                f"attention_dropout={dropout}, but keys computed in chunks do not support it; "
                "set it to 0"
            )
        queries = queries.expand(self.projection.scale.shape[0], -1, -1, -1)
        nonempty, mask = None, self.mask
        if mask is not None and self.more is None:
            # An example without unmasked inputs attends to all of them; its output is zeroed below.
            nonempty = mask.any(dim=-1)
            mask = mask | ~nonempty[:, None]
        projection = self.projection._replace(position=self.projection.dense_position())
        more = (None, None) if self.more is None else (self.more.keys, self.more.values)
        out = _ReadChunks.apply(queries, mask, self.split, self.size, *more, *projection)
        return out if nonempty is None else torch.where(nonempty[:, None, None, None], out, 0.0)


@dataclass(frozen=True)
class StreamedKeyValues:
    """Keys and values of parts that are computed one after another in each read.

    It is a `KeyValueSource` for inference alone: it records no gradients.
    """

    open: Callable[[], Iterable[PartialSource]]
    """Function that returns all parts, from the first one on."""

    def beside(self, more: StoredKeyValues) -> "StreamedKeyValues":
        """Return these keys and values and more of them; see `ExtensibleSource`."""

        def parts() -> Iterator[PartialSource]:
            yield from self.open()
            yield more

        return StreamedKeyValues(parts)

    @torch.no_grad()
    def read(self, queries: Tensor, *, dropout: float = 0.0) -> Tensor:
        """Attend to all parts, (1 or B, H, N, K) → (B, H, N, V).

        Raises:
            ValueError: the stream is empty, or dropout is asked for.
        """
        if dropout:
            raise ValueError("a stream is read without attention dropout; call model.eval() first")
        merged = merge_all(part.partial(queries) for part in self.open())
        if merged is None:
            raise ValueError("the stream is empty; expected at least one chunk of inputs")
        out, lse = merged
        return torch.where(lse[..., None] <= MASKED_LOGIT / 2, 0.0, out)  # keeps NaN


class _ReadChunks(torch.autograd.Function):
    """Attention over chunks by an online softmax; stores the output and the logsumexp."""

    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        mask: Tensor | None,
        split: Split,
        size: int,
        more_keys: Tensor | None,
        more_values: Tensor | None,
        *tensors: Any,
    ) -> Tensor:

        def parts() -> Iterator[tuple[Tensor, Tensor]]:
            for chunk, chunk_mask in in_chunks(Projection(*tensors), mask, size):
                yield partial_attend(queries, *split(chunk()), chunk_mask)
            if more_keys is not None and more_values is not None:
                yield partial_attend(queries, more_keys, more_values, None)

        merged = merge_all(parts())
        assert merged is not None  # there is always one chunk
        out, lse = merged
        ctx.save_for_backward(queries, mask, out, lse, more_keys, more_values, *tensors)
        ctx.split, ctx.size = split, size
        ctx.autocast = _autocast(queries.device.type)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        queries, mask, out, lse, *more_and_tensors = ctx.saved_tensors
        more, tensors = more_and_tensors[:2], more_and_tensors[2:]
        if second_order():

            def read(queries: Tensor, more_keys: Any, more_values: Any, *tensors: Any) -> Tensor:
                with ctx.autocast:
                    keys, values = ctx.split(Projection(*tensors)())
                source = StoredKeyValues(keys, values, mask)
                if more_keys is not None:
                    source = source.beside(StoredKeyValues(more_keys, more_values))
                return plain_partial_attend(queries, source.keys, source.values, source.mask)[0]

            first, *rest = plain_gradients(read, (queries, *more, *tensors), grad)
            return first, None, None, None, *rest
        needed = ctx.needs_input_grad[6:]
        grad_queries, grad_more = torch.zeros_like(queries), more
        if more[0] is not None:
            keys, values = more
            grad_queries, *grad_more = partial_attend_backward(
                grad, queries, keys, values, out, lse, None
            )
        collected: list[list[Tensor]] = [[] for _ in needed]
        for chunk, chunk_mask in in_chunks(Projection(*tensors), mask, ctx.size):
            leaves: list[Any] = [
                tensor.detach().requires_grad_() if need and isinstance(tensor, Tensor) else tensor
                for tensor, need in zip(chunk, needed, strict=True)
            ]
            with torch.enable_grad(), ctx.autocast:
                keys_values = ctx.split(Projection(*leaves)())
            keys, values = (tensor.detach() for tensor in keys_values)
            grad_part, *grad_keys_values = partial_attend_backward(
                grad, queries, keys, values, out, lse, chunk_mask
            )
            grad_queries += grad_part
            wanted = [i for i, need in enumerate(needed) if need]
            if wanted:
                grads = torch.autograd.grad(
                    keys_values, [leaves[i] for i in wanted], grad_keys_values
                )
                for i, grad_leaf in zip(wanted, grads, strict=True):
                    _collect(collected[i], grad_leaf, per_input=i < len(CHUNKED_FIELDS))
        grad_tensors = [
            torch.cat(parts, dim=1) if len(parts) > 1 else next(iter(parts), None)
            for parts in collected
        ]
        return grad_queries, None, None, None, *grad_more, *grad_tensors


def _autocast(device: str) -> AbstractContextManager[Any]:
    """Return a context with the current autocast settings, to compute keys again later."""
    if not torch.amp.is_autocast_available(device):
        return nullcontext()
    dtype, enabled = torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)
    return torch.autocast(device, dtype, enabled)


def in_chunks(
    projection: Projection, mask: Tensor | None, size: int
) -> Iterator[tuple[Projection, Tensor | None]]:
    """Yield a projection and its mask for at most `size` inputs at a time.

    There is at least one chunk; it is empty if there are no inputs.

    Args:
        projection: of M inputs.
        mask: boolean (B, M), or None.
        size: inputs per chunk.
    """
    for i, chunk in enumerate(projection.chunks(size)):
        yield chunk, None if mask is None else mask[:, i * size : (i + 1) * size]


def _collect(parts: list[Tensor], part: Tensor, *, per_input: bool) -> None:
    """Append the gradient of a per-input tensor, or add up the gradient of a weight."""
    if per_input or not parts:
        parts.append(part)
    else:
        parts[0] = parts[0] + part
