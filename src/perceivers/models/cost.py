"""What a model costs: parameters and floating-point operations, counted without running it."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..core import Inputs
from .build import build_on_meta
from .classifier import PerceiverClassifier
from .config import ModelConfig

# M inputs. A multiply and an add count as two, as in the paper; norms, activations and softmax are
# left out, as there. What an adapter does before the Perceiver is not counted.


@dataclass(frozen=True)
class Cost:
    """Cost of one forward pass over one example."""

    num_inputs: int
    """M."""
    num_parameters: int
    """Learned numbers, shared ones counted once."""
    cross_flops_fixed: int
    """Of all cross-attends, what does not depend on M."""
    cross_flops_per_input: int
    """Of all cross-attends, what each input costs; a shared one makes its keys and values once, as
    long as they are few enough to hold (`core.layers.MAX_STORED`)."""
    remade_flops_per_input: int
    """What each input would cost more if keys and values were made anew at each step, as the paper
    counts."""
    latent_flops: int
    """All self-attends."""
    head_flops: int
    """The output projection."""

    @property
    def cross_flops(self) -> int:
        """All cross-attends as run here."""
        return self.cross_flops_fixed + self.num_inputs * self.cross_flops_per_input

    @property
    def cross_flops_published(self) -> int:
        """All cross-attends as the paper counts."""
        return self.cross_flops + self.num_inputs * self.remade_flops_per_input

    def at(self, num_inputs: int) -> "Cost":
        """The same model's for another M."""
        if num_inputs < 1:
            raise ValueError(f"inputs={num_inputs}; expected at least one element")
        return replace(self, num_inputs=num_inputs)

    @property
    def flops(self) -> int:
        """Total as run here."""
        return self.cross_flops + self.latent_flops + self.head_flops

    @property
    def flops_published(self) -> int:
        """Total as the paper counts."""
        return self.cross_flops_published + self.latent_flops + self.head_flops


def cost(config: ModelConfig, num_inputs: int | None = None) -> Cost:
    """Parameters and FLOPs of a configuration.

    Args:
        config: the model.
        num_inputs: M, elements of an example; None: what the configured input size gives.
    """
    model = build_on_meta(config)
    one, two = _count(model, 1), _count(model, 2)  # all is linear in M
    per_input = two["cross"] - one["cross"]
    steps = [index for index in config.cross_order if index is not None]
    remade = 0
    if steps:
        read: Any = model.perceiver.cross_attends[0]
        widths = read.attention.to_k.weight.numel() + read.attention.to_v.weight.numel()
        remade = 2 * widths * (len(steps) - len(set(steps)))
    native = Cost(
        num_inputs=model.adapter.num_inputs,
        num_parameters=sum(p.numel() for p in model.parameters()),
        cross_flops_fixed=one["cross"] - per_input,
        cross_flops_per_input=per_input,
        remade_flops_per_input=remade,
        latent_flops=one["latent"],
        head_flops=one["head"],
    )
    return native if num_inputs is None else native.at(num_inputs)


def _count(model: PerceiverClassifier, num_inputs: int) -> dict[str, int]:
    """FLOPs by part, counted by torch on a model without memory."""
    elements = torch.empty(1, num_inputs, model.adapter.dim, device="meta")
    with FlopCounterMode(display=False) as counter:
        model.classify(Inputs(elements))
    flops = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    perceiver = flops["Perceiver"]
    latent = sum(flops[f"Perceiver.blocks.{i}"] for i in range(len(model.perceiver.blocks)))
    return {"cross": perceiver - latent, "latent": latent, "head": flops["Global"] - perceiver}
