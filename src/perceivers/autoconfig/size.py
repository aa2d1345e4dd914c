"""The size of a model, its batches and its epochs, by the number of examples."""

import math
from dataclasses import dataclass, replace

from ..models.config import EncoderConfig
from .starting_point import StartingPoint

BUDGET = 30 * 60  # seconds of training on the reference machine
STEPS = 2500  # training steps; the measured recipes have 800 (digits) to 5,900 (cifar10)
# FLOPs per second during training on the reference machine, which the recipes were measured on:
# 2 cores of an AMD EPYC. Its float32 matrix product runs at 2**37 = 137 GFLOP/s, of which training
# reaches 40% (digits) to 80% (images) (docs/log.md, 2026-11-21).
SPEED = 0.5 * 2**37


@dataclass(frozen=True)
class Size:
    """A size of the latent array and of the blocks applied to it."""

    examples: int
    """Smallest number of training examples for which this size is used."""
    num_latents: int
    """Number of latents."""
    latent_dim: int
    """Channels of each latent."""
    num_blocks: int
    """Number of cross-attends, each followed by a block of self-attends."""
    num_layers: int
    """Number of self-attends in each block."""
    shared: bool
    """Whether all blocks share their weights; all cross-attends after the first share theirs for
    every size, as in the paper."""


SIZES = (
    Size(0, 32, 64, 2, 2, True),
    Size(1_000, 32, 128, 2, 2, True),
    Size(20_000, 64, 128, 4, 2, False),
    Size(200_000, 128, 256, 4, 3, False),
    Size(1_000_000, 256, 512, 6, 4, True),
)


def size_for(examples: int) -> Size:
    """Return the size for a number of training examples."""
    return [size for size in SIZES if size.examples <= examples][-1]


def describe_size(size: Size) -> str:
    """Describe the latent array and the blocks of a size."""
    shared = " with shared weights" if size.shared else ""
    if size.examples:
        examples = f"{size.examples:,} training examples or more"
    else:
        examples = f"fewer than {SIZES[1].examples:,} training examples"
    return (
        f"model: {size.num_latents} latents of {size.latent_dim} channels, {size.num_blocks} "
        f"cross-attends, each followed by {size.num_layers} self-attends{shared}; the size for "
        f"{examples}"
    )


def batch_size_for(examples: int) -> int:
    """Return 8 to 64, for at least 30 steps per epoch; 128 for large data sets."""
    if examples >= 20_000:
        return 128
    return next((size for size in (64, 32, 16) if examples >= 30 * size), 8)


def sized_model(start: StartingPoint, size: Size, classes: int) -> EncoderConfig:
    """Return the model of the starting recipe with the chosen input and size."""
    base = start.recipe.model
    later = range(1, size.num_blocks)
    sized = replace(
        base,
        input=start.input,
        num_latents=size.num_latents,
        latent_dim=size.latent_dim,
        cross_order=(0, *(1 for _ in later)),
        block_order=(0, *(0 if size.shared else index for index in later)),
        num_layers_per_block=size.num_layers,
        num_self_heads=max(4, size.latent_dim // 32),
        qk_dim=None if base.qk_dim is None else size.latent_dim,
    )
    return sized.for_labels("classification", classes)  # the data decides, once it is read


def epochs_for(model: EncoderConfig, examples: int, batch_size: int) -> tuple[int, int]:
    """Return the number of epochs, and what it would be if time did not matter."""
    wanted = min(60, max(10, math.ceil(STEPS * batch_size / max(1, examples))))
    return min(wanted, max(1, int(BUDGET / _epoch_seconds(model, examples)))), wanted


def _epoch_seconds(model: EncoderConfig, examples: int) -> float:
    """Estimate the seconds of an epoch on the reference machine; backward costs twice forward."""
    from ..models.cost import cost

    return 3 * cost(model).flops * examples / SPEED
