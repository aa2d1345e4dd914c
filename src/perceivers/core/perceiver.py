"""The Perceiver: a small latent array that reads an input array again and again."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from .attention import trunc_normal
from .inputs import Inputs
from .layers import Activation, Attention, CrossAttend, KeysValues, SelfAttend

# B batch · M inputs · C input_dim · N latents · D latent_dim


class Perceiver(nn.Module):
    """Inputs → latents, by cross-attends and blocks of self-attends in a given order.

    Weight sharing is an order: each distinct cross-attend and block is stored once, and
    `cross_order` / `block_order`, of equal length, say which is applied at each step. The paper
    (arXiv 2103.03206, Table 7) is `cross_order=(0, 1, 1, 1, 1, 1, 1, 1)`, `block_order=(0,) * 8`.

    Args:
        input_dim: C, channels of an input element, position included.
        num_latents: N, rows of the latent array.
        latent_dim: D, channels of a latent.
        cross_order: the cross-attend of each step; None: no cross-attend at this step.
        block_order: the block of self-attends of each step; None: no block at this step.
        num_layers_per_block: self-attends in a block.
        num_cross_heads: heads of a cross-attend.
        num_self_heads: heads of a self-attend.
        qk_dim: total width of queries and keys in cross-attends; None: min(D, C), as published.
        v_dim: total width of values in cross-attends; None: `qk_dim`.
        self_qk_dim: total width of queries and keys in self-attends; None: D.
        self_v_dim: total width of values in self-attends; None: `self_qk_dim`.
        qkv_bias: whether queries, keys and values have biases (the papers).
        attention: the part of the inputs that keys are made from; see `CrossAttend`.
        attention_dropout: probability with which an attention weight is dropped (the papers: 0).
        widening_factor: hidden width of each feed-forward over D.
        activation: of each feed-forward, "gelu" or "geglu".
        dropout: probability with which a feed-forward's output is dropped (the papers: 0).
        latent_std: spread of the initial latents (published: 0.02; 0.1 diverged there).

    Raises:
        ValueError: orders of unequal length, or a skipped index.
    """

    def __init__(
        self,
        input_dim: int,
        *,
        num_latents: int = 512,
        latent_dim: int = 1024,
        cross_order: Sequence[int | None] = (0, 1, 1, 1, 1, 1, 1, 1),
        block_order: Sequence[int | None] = (0,) * 8,
        num_layers_per_block: int = 6,
        num_cross_heads: int = 1,
        num_self_heads: int = 8,
        qk_dim: int | None = None,
        v_dim: int | None = None,
        self_qk_dim: int | None = None,
        self_v_dim: int | None = None,
        qkv_bias: bool = True,
        attention: Attention = "both",
        attention_dropout: float = 0.0,
        widening_factor: int = 1,
        activation: Activation = "gelu",
        dropout: float = 0.0,
        latent_std: float = 0.02,
    ) -> None:
        super().__init__()
        num_cross, num_blocks = check_orders(cross_order, block_order)
        self.input_dim = input_dim
        self.cross_order = tuple(cross_order)
        self.block_order = tuple(block_order)
        self.latent_std = latent_std
        self.latents = nn.Parameter(torch.empty(num_latents, latent_dim))
        shared: dict[str, Any] = {
            "qkv_bias": qkv_bias,
            "attention_dropout": attention_dropout,
            "widening_factor": widening_factor,
            "activation": activation,
            "dropout": dropout,
        }

        def cross_attend() -> CrossAttend:
            return CrossAttend(
                latent_dim,
                input_dim,
                num_heads=num_cross_heads,
                qk_dim=qk_dim,
                v_dim=v_dim,
                attention=attention,
                **shared,
            )

        def self_attend() -> SelfAttend:
            return SelfAttend(
                latent_dim,
                num_heads=num_self_heads,
                qk_dim=self_qk_dim,
                v_dim=self_v_dim,
                **shared,
            )

        self.cross_attends = nn.ModuleList(cross_attend() for _ in range(num_cross))
        self.blocks = nn.ModuleList(
            nn.Sequential(*(self_attend() for _ in range(num_layers_per_block)))
            for _ in range(num_blocks)
        )
        self.init_weights()

    def forward(self, inputs: Inputs) -> Tensor:
        """Inputs of M elements → latents (B, N, D)."""
        if inputs.dim != self.input_dim:
            raise ValueError(
                f"inputs have {inputs.dim} channels (content and position together); "
                f"this model was built for input_dim={self.input_dim}"
            )
        z = self.latents.expand(len(inputs.content), -1, -1)
        cross_attends = cast(Sequence[CrossAttend], self.cross_attends)
        made: dict[int, KeysValues] = {}  # a shared cross-attend makes its keys and values once
        for cross, block in zip(self.cross_order, self.block_order, strict=True):
            if cross is not None:
                if cross not in made:
                    made[cross] = cross_attends[cross].keys_values(inputs)
                z = cross_attends[cross](z, made[cross], inputs.mask)
            if block is not None:
                z = self.blocks[block](z)
        return z

    def init_weights(self) -> None:
        """As published: latents truncated normal of spread 0.02 (§3.1), layers fan-in scaled."""
        trunc_normal(self.latents, self.latent_std)
        for module in self.modules():
            if isinstance(module, CrossAttend | SelfAttend):
                module.init_weights()


def check_orders(
    cross_order: Sequence[int | None], block_order: Sequence[int | None]
) -> tuple[int, int]:
    """How many distinct cross-attends and blocks the two orders name; ValueError if they cannot."""
    if len(cross_order) != len(block_order):
        raise ValueError(
            f"cross_order has {len(cross_order)} steps and block_order {len(block_order)}; they "
            "describe the same steps and must be equally long (use None where a step has none)"
        )
    counts = []
    for name, order in (("cross_order", cross_order), ("block_order", block_order)):
        used = {index for index in order if index is not None}
        if used != set(range(len(used))):
            raise ValueError(
                f"{name}={tuple(order)} names modules {sorted(used)}; "
                f"number them from 0 without gaps: {list(range(len(used)))}"
            )
        counts.append(len(used))
    return counts[0], counts[1]
