"""What a model costs: parameters and floating-point operations, counted without running it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..core import Inputs
from .build import build_on_meta
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
    cross_flops: int
    """All cross-attends as run here: a shared one makes its keys and values once."""
    cross_flops_published: int
    """The same if keys and values are made anew at each step, as the paper counts."""
    latent_flops: int
    """All self-attends."""
    head_flops: int
    """The output projection."""

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
    if num_inputs is None:
        num_inputs = model.adapter.num_inputs
    if num_inputs < 1:
        raise ValueError(f"inputs={num_inputs}; expected at least one element")
    elements = torch.empty(1, num_inputs, model.adapter.dim, device="meta")
    with FlopCounterMode(display=False) as counter:
        model.classify(Inputs(elements))
    counts = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    perceiver = counts["Perceiver"]
    latent = sum(counts[f"Perceiver.blocks.{i}"] for i in range(len(model.perceiver.blocks)))
    steps = [index for index in config.cross_order if index is not None]
    first: Any = model.perceiver.cross_attends[0]
    widths = first.attention.to_k.weight.numel() + first.attention.to_v.weight.numel()
    made_again = 2 * num_inputs * widths * (len(steps) - len(set(steps)))
    return Cost(
        num_inputs=num_inputs,
        num_parameters=sum(p.numel() for p in model.parameters()),
        cross_flops=perceiver - latent,
        cross_flops_published=perceiver - latent + made_again,
        latent_flops=latent,
        head_flops=counts["Global"] - perceiver,
    )
