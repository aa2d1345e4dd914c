"""Parameters and floating-point operations of a model, counted without running it.

A multiplication and an addition count as two operations, as in the paper. Norms, activations and
softmax are not counted, as in the paper; nor is the work of an adapter before the Perceiver. Keys
and values count as computed, although on CPU some inputs are read with fewer operations without
them (`core/layers.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..core import Inputs, Perceiver
from .base import PerceiverModel
from .build import build_on_meta
from .config import EncoderConfig
from .perceiver_ar import PerceiverARModel
from .perceiver_ar_forecast import PerceiverARForecaster


@dataclass(frozen=True)
class Cost:
    """Parameters of a model, and FLOPs of its forward pass over one example of M elements."""

    num_inputs: int
    """Number of input elements M of the example."""
    num_parameters: int
    """Number of learned parameters; shared ones are counted once."""
    cross_flops_fixed: int
    """FLOPs of all cross-attends that do not depend on M."""
    cross_flops_per_input: int
    """FLOPs of all cross-attends for each input element. The keys and values of a shared
    cross-attend are counted once, as they are computed once unless they are too large to keep in
    memory (`core/layers.py`)."""
    remade_flops_per_input: int
    """Additional FLOPs for each input element if the keys and values of a shared cross-attend are
    computed at each step, as the paper counts them."""
    latent_flops: int
    """FLOPs of all self-attends."""
    head_flops: int
    """FLOPs of the head."""

    @property
    def cross_flops(self) -> int:
        """FLOPs of all cross-attends as this library runs them."""
        return self.cross_flops_fixed + self.num_inputs * self.cross_flops_per_input

    @property
    def cross_flops_published(self) -> int:
        """FLOPs of all cross-attends as the paper counts them."""
        return self.cross_flops + self.num_inputs * self.remade_flops_per_input

    def at(self, num_inputs: int) -> "Cost":
        """Return the cost of the same model for another number of input elements.

        Raises:
            ValueError: `num_inputs` is less than 1.
        """
        if num_inputs < 1:
            raise ValueError(f"inputs={num_inputs}; expected at least one element per example")
        return replace(self, num_inputs=num_inputs)

    @property
    def flops(self) -> int:
        """All FLOPs as this library runs the model."""
        return self.cross_flops + self.latent_flops + self.head_flops

    @property
    def flops_published(self) -> int:
        """All FLOPs as the paper counts them."""
        return self.cross_flops_published + self.latent_flops + self.head_flops


def cost(config: EncoderConfig, num_inputs: int | None = None) -> Cost:
    """Count the parameters and FLOPs of a model.

    Args:
        config: configuration of the model.
        num_inputs: number M of input elements of an example; None: the number that the configured
            input size gives.

    Raises:
        ValueError: the configuration is not valid, or `num_inputs` is less than 1.
    """
    native = _native_cost(_ByText(config))
    return native if num_inputs is None else native.at(num_inputs)


@dataclass(frozen=True)
class _ByText:
    """A configuration that is compared by its text, since it may hold dictionaries."""

    config: EncoderConfig

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByText) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


@lru_cache(maxsize=32)  # a training plans, chooses and describes the same model
def _native_cost(key: _ByText) -> Cost:
    """Count a model for the number of input elements that its configuration gives."""
    config = key.config
    model = build_on_meta(config).eval()  # attention dropout takes a detour
    if isinstance(model, PerceiverARModel | PerceiverARForecaster):
        return _cost_of_ar(model)
    num_parameters = sum(p.numel() for p in model.parameters())
    latent = _take_blocks(model.perceiver)
    least = model.adapter.least_inputs
    one, two = _count(model, least), _count(model, least + 1)  # FLOPs are linear in M
    per_input = two["cross"] - one["cross"]
    steps = [index for index in config.cross_order if index is not None]
    remade = 0
    if steps:
        cross_attend: Any = model.perceiver.cross_attends[0]
        to_k, to_v = cross_attend.attention.to_k, cross_attend.attention.to_v
        weights = to_k.weight.numel() + to_v.weight.numel()
        remade = 2 * weights * (len(steps) - len(set(steps)))
    return Cost(
        num_inputs=model.adapter.num_inputs,
        num_parameters=num_parameters,
        cross_flops_fixed=one["cross"] - least * per_input,
        cross_flops_per_input=per_input,
        remade_flops_per_input=remade,
        latent_flops=latent,
        head_flops=one["head"],
    )


def _cost_of_ar(model: PerceiverARModel | PerceiverARForecaster) -> Cost:
    """Count a Perceiver AR: a cross-attend to N latents and a prefix, and causal self-attends.

    Causal attention is counted as if all latents attended to all.
    """
    latents, core = model.config.num_latents, model.perceiver
    core.max_length = max(core.max_length, latents + 1)  # to count a prefix, even if none fits
    counts = []
    for length in (latents, latents + 1):  # FLOPs are linear in the prefix
        tokens = torch.zeros(1, length, dtype=torch.int64, device="meta")
        with FlopCounterMode(display=False) as counter:
            core(tokens, length - latents)
        flops = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
        name = type(core).__name__
        later = sum(flops[f"{name}.layers.{i}"] for i in range(1, len(core.layers)))
        counts.append((flops["Global"], later, flops[f"{name}.to_logits"]))
    (total, later, head), (longer, *_) = counts
    return Cost(
        num_inputs=model.adapter.num_inputs,
        num_parameters=sum(p.numel() for p in model.parameters()),
        cross_flops_fixed=total - later - head - latents * (longer - total),
        cross_flops_per_input=longer - total,
        remade_flops_per_input=0,
        latent_flops=later,
        head_flops=head,
    )


def _take_blocks(perceiver: Perceiver) -> int:
    """Take the blocks out of a Perceiver on the meta device; return the FLOPs of all their steps.

    All self-attends are alike, so that one is counted. Tracing them all takes most of the time.
    """
    blocks = cast(Sequence[nn.Sequential], perceiver.blocks)
    times = sum(index is not None for index in perceiver.block_order)
    if not times or not len(blocks[0]):
        return 0
    latents = torch.empty(1, *perceiver.latents.shape, device="meta")
    with FlopCounterMode(display=False) as counter:
        blocks[0][0](latents)
    perceiver.blocks = nn.ModuleList(nn.Identity() for _ in blocks)
    return times * len(blocks[0]) * counter.get_total_flops()


def _count(model: PerceiverModel, num_inputs: int) -> dict[str, int]:
    """Count the FLOPs of a model without blocks, on the meta device and in eval mode."""
    adapter = model.adapter
    content_dim, position = adapter.dim, None
    if adapter.position_dim:
        position = torch.empty(1, num_inputs, adapter.position_dim, device="meta")
        content_dim -= 0 if adapter.fusion == "add" else adapter.position_dim
    content = torch.empty(1, num_inputs, content_dim, device="meta")
    with FlopCounterMode(display=False) as counter:
        model.respond(Inputs(content, position, fusion=adapter.fusion))
    flops = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    cross = flops.get("Perceiver", 0)  # absent if no step has a cross-attend
    return {"cross": cross, "head": flops.get("Global", 0) - cross}
