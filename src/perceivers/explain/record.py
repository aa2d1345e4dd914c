"""Recorded attention of cross-attends, split into a content term and a position term."""

import inspect
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..core import (
    CrossAttend,
    Inputs,
    KeyValueSource,
    Perceiver,
    StoredKeyValues,
    StreamedKeyValues,
)

# B batch · H heads · N latents · M inputs · K qk_dim / H


@dataclass(frozen=True)
class AttentionMap:
    """Attention of one application of a cross-attend.

    The properties compute their N×M arrays anew at each access.
    """

    cross: int
    """Index of the distinct cross-attend, as in `cross_order`."""
    queries: Tensor
    """Queries (B, H, N, K), scaled so that a logit is the product of a query and a key."""
    keys: Tensor
    """Keys that the model used, (B, H, M, K)."""
    content_keys: Tensor
    """Content term of the keys, bias included, (B, H, M, K)."""
    position_keys: Tensor
    """Position term of the keys, (B, H, M, K)."""
    mask: Tensor | None
    """Boolean (B, M), True where an input is attended to. None: everywhere."""

    @property
    def logits(self) -> Tensor:
        """Attention logits before mask and softmax, (B, H, N, M)."""
        return self.queries @ self.keys.transpose(-1, -2)

    @property
    def content(self) -> Tensor:
        """Content term of the logits, (B, H, N, M)."""
        return self.queries @ self.content_keys.transpose(-1, -2)

    @property
    def position(self) -> Tensor:
        """Position term of the logits, (B, H, N, M)."""
        return self.queries @ self.position_keys.transpose(-1, -2)

    @property
    def weights(self) -> Tensor:
        """Attention weights, (B, H, N, M); zero for an example without any unmasked input."""
        logits = self.logits
        if self.mask is None:
            return logits.softmax(dim=-1)
        nonempty = self.mask.any(dim=-1)[:, None, None, None]
        masked = nonempty & ~self.mask[:, None, None, :]
        weights = logits.masked_fill(masked, -torch.inf).softmax(dim=-1)
        return torch.where(nonempty, weights, 0.0)


@contextmanager
def record_attention(model: nn.Module) -> Iterator[list[AttentionMap]]:
    """Record the attention of a model's cross-attends during its forward passes.

    The list that the context manager yields holds one map for each application of a cross-attend,
    in order. Each forward pass replaces its contents, so that it never holds maps of two passes;
    copy it, `list(maps)`, to keep them. It is empty during a pass, and after one that raised an
    error. Forward passes of several threads are recorded apart; the list holds those of the pass
    that ended last. Gradients and attention dropout are not recorded. A compiled model runs without
    its compiled code inside the context.

    Args:
        model: a module that contains exactly one `Perceiver`, such as a result of `create` or
            `load`.

    Yields:
        The list of maps; it is empty until the first forward pass.

    Raises:
        ValueError: the model contains no `Perceiver`, or several. Inside the context: it reads a
            stream, or inputs that are distributed over processes, whose keys are never together.

    Example:
        >>> with record_attention(model) as maps:                   # doctest: +SKIP
        ...     logits = model(images)
        >>> maps[0].weights, maps[-1].content                       # doctest: +SKIP
    """
    perceivers = [module for module in model.modules() if isinstance(module, Perceiver)]
    if len(perceivers) != 1:
        raise ValueError(f"found {len(perceivers)} Perceivers in the model; expected one")
    perceiver, recorder = perceivers[0], _Recorder()
    with ExitStack() as stack:
        if "torch._dynamo" in sys.modules:  # the model may be compiled, without these hooks
            stack.enter_context(_uncompiled())
        begin = perceiver.register_forward_pre_hook(recorder.begin, with_kwargs=True)
        end = perceiver.register_forward_hook(recorder.end, always_call=True)
        stack.callback(begin.remove)
        stack.callback(end.remove)
        for index, cross in enumerate(perceiver.cross_attends):
            assert isinstance(cross, CrossAttend)

            def hook(_: Any, args: Any, out: Any, index: int = index, cross: Any = cross) -> None:
                recorder.record(index, cross, *args)

            stack.callback(cross.attention.register_forward_hook(hook).remove)
        yield recorder.maps


class _Stance:
    """The stance of torch.compile, which all recordings of the process share."""

    lock = threading.Lock()
    recordings = 0
    changed = ExitStack()  # restores the stance


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Run compiled functions without their compiled code until the last context has ended.

    Contexts of several threads need not end in the reverse of the order in which they began, so
    that each of them cannot restore the stance that it found.
    """
    with _Stance.lock:
        if not _Stance.recordings:
            _Stance.changed.enter_context(torch.compiler.set_stance("force_eager"))
        _Stance.recordings += 1
    try:
        yield
    finally:
        with _Stance.lock:
            _Stance.recordings -= 1
            if not _Stance.recordings:
                _Stance.changed.close()


class _Pass(threading.local):
    """The forward pass that a thread is recording."""

    inputs: Inputs | None = None  # None: there is none
    maps: list[AttentionMap]
    terms: dict[int, tuple[Tensor, Tensor]]  # by index of the cross-attend


class _Recorder:
    """State that the hooks of one recording share."""

    def __init__(self) -> None:
        self.maps: list[AttentionMap] = []
        self.current = _Pass()

    def begin(self, perceiver: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        """Discard the maps of the last forward pass and remember the inputs of this one."""
        arguments = inspect.signature(perceiver.forward).bind(*args, **kwargs).arguments
        if arguments.get("group") is not None:
            raise ValueError(
                "attention to inputs that are distributed over processes cannot be recorded; pass "
                "all elements to one process, without a group"
            )
        self.maps.clear()
        self.current.inputs = arguments["inputs"]
        self.current.maps, self.current.terms = [], {}

    def end(self, perceiver: nn.Module, args: Any, out: Any) -> None:
        """Publish the maps of this thread's forward pass, unless it raised an error."""
        if self.current.inputs is not None and out is not None:
            self.maps[:] = self.current.maps
        self.current.inputs = None

    @torch.no_grad()
    def record(
        self, index: int, cross: CrossAttend, latents: Tensor, source: KeyValueSource
    ) -> None:
        """Append the map of a cross-attend that was applied to normalised latents."""
        if isinstance(source, StreamedKeyValues):
            raise ValueError(
                "attention to a stream cannot be recorded, because its keys are never together; "
                "pass a batch that fits into memory: model(batch)"
            )
        inputs = self.current.inputs
        if inputs is None:  # computed again in a backward pass, or applied by itself
            return
        terms = self.current.terms
        if index not in terms:  # the keys of a shared cross-attend are the same at each step
            terms[index] = cross.key_terms(inputs)
        content, position = terms[index]
        if isinstance(source, StoredKeyValues):
            keys = source.keys.detach()
        else:  # the source does not store its keys; compute them as the model does
            keys = cross.attention.split_keys_values(cross.project(inputs)())[0]
        queries = cross.attention.queries(latents).expand(len(keys), -1, -1, -1)
        self.current.maps.append(
            AttentionMap(
                cross=index,
                queries=queries * queries.shape[-1] ** -0.5,
                keys=keys,
                content_keys=content,
                position_keys=position,
                mask=inputs.mask,
            )
        )
