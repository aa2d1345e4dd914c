"""Recorded attention of cross-attends, split into a content term and a position term."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..core import CrossAttend, Inputs, KeyValueSource, Perceiver, StoredKeyValues

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
        mask = self.mask[:, None, None, :]
        return logits.masked_fill(~mask, -torch.inf).softmax(dim=-1).nan_to_num(0.0)


@contextmanager
def record_attention(model: nn.Module) -> Iterator[list[AttentionMap]]:
    """Record the attention of a model's cross-attends during its forward passes.

    The list that the context manager yields holds one map for each application of a cross-attend,
    in order. Each forward pass replaces its contents. Gradients are not recorded.

    Args:
        model: a module that contains exactly one `Perceiver`, such as a result of `create` or
            `load`.

    Yields:
        The list of maps; it is empty until the first forward pass.

    Raises:
        ValueError: the model contains no `Perceiver`, or several.

    Example:
        >>> with record_attention(model) as maps:                   # doctest: +SKIP
        ...     logits = model(images)
        >>> maps[0].weights, maps[-1].content                       # doctest: +SKIP
    """
    perceivers = [module for module in model.modules() if isinstance(module, Perceiver)]
    if len(perceivers) != 1:
        raise ValueError(f"found {len(perceivers)} Perceivers in the model; expected one")
    recorder = _Recorder()
    with ExitStack() as stack:
        stack.callback(perceivers[0].register_forward_pre_hook(recorder.begin).remove)
        for index, cross in enumerate(perceivers[0].cross_attends):
            assert isinstance(cross, CrossAttend)

            def hook(_: Any, args: Any, out: Any, index: int = index, cross: Any = cross) -> None:
                recorder.record(index, cross, *args)

            stack.callback(cross.attention.register_forward_hook(hook).remove)
        yield recorder.maps


class _Recorder:
    """State that the hooks of one recording share."""

    def __init__(self) -> None:
        self.maps: list[AttentionMap] = []
        self.inputs: Inputs | None = None
        self.terms: dict[int, tuple[Tensor, Tensor]] = {}  # by index of the cross-attend

    def begin(self, perceiver: nn.Module, args: tuple[Inputs]) -> None:
        """Discard the maps of the last forward pass and remember the inputs of this one."""
        self.maps.clear()
        self.terms.clear()
        self.inputs = args[0]

    @torch.no_grad()
    def record(
        self, index: int, cross: CrossAttend, latents: Tensor, source: KeyValueSource
    ) -> None:
        """Append the map of a cross-attend that was applied to normalised latents."""
        assert self.inputs is not None
        if index not in self.terms:  # the keys of a shared cross-attend are the same at each step
            self.terms[index] = cross.key_terms(self.inputs)
        content, position = self.terms[index]
        if isinstance(source, StoredKeyValues):
            keys = source.keys.detach()
        else:  # the source does not store its keys; compute them as the model does
            keys = cross.attention.split_keys_values(cross.project(self.inputs)())[0]
        queries = cross.attention.queries(latents).expand(len(keys), -1, -1, -1)
        self.maps.append(
            AttentionMap(
                cross=index,
                queries=queries * queries.shape[-1] ** -0.5,
                keys=keys,
                content_keys=content,
                position_keys=position,
                mask=self.inputs.mask,
            )
        )
