"""The attention of each cross-attend, split into what was sensed and where."""

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
    """One application of a cross-attend. The N×M arrays are made when they are asked for."""

    cross: int
    """Which of the distinct cross-attends this is (an entry of `cross_order`)."""
    queries: Tensor
    """(B, H, N, K), scaled: a logit is their product with a key."""
    keys: Tensor
    """(B, H, M, K), those the model used."""
    content_keys: Tensor
    """(B, H, M, K), the part made from content, with the key's bias."""
    position_keys: Tensor
    """(B, H, M, K), the part made from position."""
    mask: Tensor | None
    """(B, M), True = attended to."""

    @property
    def logits(self) -> Tensor:
        """Before the softmax and without the mask, (B, H, N, M)."""
        return self.queries @ self.keys.transpose(-1, -2)

    @property
    def content(self) -> Tensor:
        """The content term of the logits, (B, H, N, M)."""
        return self.queries @ self.content_keys.transpose(-1, -2)

    @property
    def position(self) -> Tensor:
        """The position term of the logits, (B, H, N, M)."""
        return self.queries @ self.position_keys.transpose(-1, -2)

    @property
    def weights(self) -> Tensor:
        """What the values are averaged with, (B, H, N, M); zeros where an example has no input."""
        logits = self.logits
        if self.mask is None:
            return logits.softmax(dim=-1)
        mask = self.mask[:, None, None, :]
        return logits.masked_fill(~mask, -torch.inf).softmax(dim=-1).nan_to_num(0.0)


@contextmanager
def record_attention(model: nn.Module) -> Iterator[list[AttentionMap]]:
    """Record the cross-attends of a model as it runs; one map each time one is applied, in order.

    The list is filled by every forward pass anew. Gradients are not recorded.

    Args:
        model: any module with one `Perceiver` in it, such as what `create` or `load` gives.

    Raises:
        ValueError: there is none, or there are several.

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

            def hook(_: Any, args: Any, out: Any, index: int = index, of: Any = cross) -> None:
                recorder.record(index, of, *args)

            stack.callback(cross.attention.register_forward_hook(hook).remove)
        yield recorder.maps


class _Recorder:
    """What the hooks of one recording share."""

    def __init__(self) -> None:
        self.maps: list[AttentionMap] = []
        self.inputs: Inputs | None = None
        self.terms: dict[int, tuple[Tensor, Tensor]] = {}

    def begin(self, perceiver: nn.Module, args: tuple[Inputs]) -> None:
        """A forward pass begins."""
        self.maps.clear()
        self.terms.clear()
        self.inputs = args[0]

    @torch.no_grad()
    def record(
        self, index: int, cross: CrossAttend, latents: Tensor, source: KeyValueSource
    ) -> None:
        """A cross-attend was applied to normalised latents (1 or B, N, D)."""
        assert self.inputs is not None
        if index not in self.terms:  # a shared cross-attend makes its keys once
            self.terms[index] = cross.key_terms(self.inputs)
        content, position = self.terms[index]
        if isinstance(source, StoredKeyValues):
            keys = source.keys.detach()
        else:  # it holds none: as the model makes them
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
