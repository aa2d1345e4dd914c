"""The Perceiver: a small latent array that attends to an input array repeatedly."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.utils.checkpoint import checkpoint

from .init import trunc_normal
from .inputs import Inputs
from .layers import Attention, CrossAttend, SelfAttend
from .options import Activation, LayerOptions
from .projection import element_variance
from .sharded import check_parts
from .sources import KeyValueSource

# B batch · M inputs · C input_dim · N latents · D latent_dim


class Perceiver(nn.Module):
    """Perceiver: encodes inputs to latents by cross-attends and blocks of self-attends.

    Weight sharing is expressed as an order. Each distinct cross-attend and block is stored once,
    and `cross_order` and `block_order`, of equal length, say which one is applied at each step. The
    paper (arXiv 2103.03206, Table 7) has `cross_order=(0, 1, 1, 1, 1, 1, 1, 1)` and
    `block_order=(0,) * 8`.

    Args:
        input_dim: C, channels of an input element, position included.
        num_latents: N, rows of the latent array.
        latent_dim: D, channels of a latent.
        cross_order: index of the cross-attend of each step; None: no cross-attend at this step.
        block_order: index of the block of self-attends of each step; None: no block at this step.
        num_layers_per_block: self-attends in a block.
        num_cross_heads: heads of a cross-attend.
        num_self_heads: heads of a self-attend.
        qk_dim: total width of queries and keys in cross-attends; None: min(D, C), as published.
        v_dim: total width of values in cross-attends; None: `qk_dim`.
        self_qk_dim: total width of queries and keys in self-attends; None: D.
        self_v_dim: total width of values in self-attends; None: `self_qk_dim`.
        qkv_bias: whether the projections to queries, keys and values have biases (the papers).
        attention: part of the inputs that keys are computed from: "both" (the papers), "content" or
            "position".
        use_query_residual: whether a cross-attend adds its result to the latents (the papers) or
            replaces them.
        attention_dropout: probability with which an attention weight is dropped (the papers: 0).
        widening_factor: hidden width of each feed-forward divided by D.
        activation: activation of each feed-forward: "gelu", "geglu", "relu" or "swiglu".
        dropout: probability with which a feed-forward output is dropped (the papers: 0).
        latent_std: standard deviation of the initial latents (published: 0.02; 0.1 diverged there).

    Attributes:
        activation_checkpointing: if True, training stores only the latents between layers and
            blocks and computes all other activations again in the backward pass; initially False.

    Raises:
        ValueError: the orders differ in length or skip an index, or an option is invalid.
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
        use_query_residual: bool = True,
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
        self.activation_checkpointing = False
        self.latents = nn.Parameter(torch.empty(num_latents, latent_dim))
        cross_options = LayerOptions(
            num_heads=num_cross_heads,
            qk_dim=qk_dim,
            v_dim=v_dim,
            qkv_bias=qkv_bias,
            attention_dropout=attention_dropout,
            widening_factor=widening_factor,
            activation=activation,
            dropout=dropout,
        )
        self_options = replace(
            cross_options, num_heads=num_self_heads, qk_dim=self_qk_dim, v_dim=self_v_dim
        )

        def block() -> nn.Sequential:
            layers = (SelfAttend(latent_dim, self_options) for _ in range(num_layers_per_block))
            return nn.Sequential(*layers)

        self.cross_attends = nn.ModuleList(
            CrossAttend(
                latent_dim,
                input_dim,
                cross_options,
                attention=attention,
                use_query_residual=use_query_residual,
            )
            for _ in range(num_cross)
        )
        self.blocks = nn.ModuleList(block() for _ in range(num_blocks))
        self.init_weights()

    def forward(
        self, inputs: Inputs, group: ProcessGroup | None = None, *, initial: Tensor | None = None
    ) -> Tensor:
        """Encode M input elements to latents (B, N, D).

        Args:
            inputs: the elements, or this rank's part of them.
            group: ranks that each hold a part of the same examples' elements. All ranks get the
                same latents. If all compute the same loss from them, each also gets the gradients
                of all weights that one process with all elements would get.
            initial: latents to begin with, (1 or B, N, D); None: the learned ones.

        Raises:
            ValueError: there are no examples, the inputs have other channels than `input_dim`, or
                the ranks' parts differ in examples or channels.
        """
        self._check(inputs)
        if group is None:
            variance = element_variance(inputs)
            z = self._read(
                lambda cross, queries: cross.source(inputs, variance, num_queries=queries), initial
            )
        else:
            check_parts(inputs, group)
            z = self._read(lambda cross, _: cross.sharded_source(inputs, group), initial)
        return z.expand(inputs.content.shape[0], -1, -1)

    @torch.no_grad()
    def encode_stream(self, chunks: Iterable[Inputs]) -> Tensor:
        """Encode inputs that arrive in chunks to latents (B, N, D), the same as `forward` gives.

        The chunks are never in memory together; each step with a cross-attend iterates over all of
        them. For inference: no gradients are recorded.

        Args:
            chunks: parts of the inputs along M, in any order and of any size. The positions are
                those in the whole input. A model that attends to its inputs more than once needs an
                iterable that starts anew: a list, or an object whose `__iter__` opens the file
                again, but not a generator.

        Raises:
            ValueError: there is no chunk, the chunks differ in channels or batch size, or a
                generator is given to a model that attends to its inputs more than once.
        """
        times = sum(cross is not None for cross in self.cross_order)
        if isinstance(chunks, Iterator) and times > 1:
            raise ValueError(
                f"this model reads its input {times} times, but an iterator can be read only once; "
                "give a list, or an object whose __iter__ starts again"
            )

        def checked() -> Iterator[Inputs]:
            batch = None
            for chunk in chunks:
                self._check(chunk)
                batch = batch or len(chunk.content)
                if len(chunk.content) != batch:
                    raise ValueError(
                        f"a chunk has {len(chunk.content)} examples, the first had {batch}; all "
                        "chunks are parts of the same examples"
                    )
                yield chunk

        return self._read(lambda cross, _: cross.streamed_source(checked))

    def _check(self, inputs: Inputs) -> None:
        if inputs.content.shape[0] == 0:
            raise ValueError("the batch has no examples; expected at least one")
        if inputs.dim != self.input_dim:
            raise ValueError(
                f"inputs have {inputs.dim} channels (content and position together); "
                f"this model was built for input_dim={self.input_dim}"
            )

    def _read(
        self,
        make_source: Callable[[CrossAttend, int], KeyValueSource],
        initial: Tensor | None = None,
    ) -> Tensor:
        """Alternate cross-attends and blocks, as in the paper's figure: (1 or B, N, D).

        Args:
            make_source: returns what a cross-attend reads, given the number of queries of all its
                reads.
            initial: as in `forward`.
        """
        cross_attends = cast(Sequence[CrossAttend], self.cross_attends)
        sources: dict[int, KeyValueSource] = {}  # one per distinct cross-attend
        # The learned latents are the same for all examples until the first cross-attend.
        z = self.latents[None] if initial is None else initial
        for cross, block in zip(self.cross_order, self.block_order, strict=True):
            if cross is not None:
                if cross not in sources:
                    queries = self.cross_order.count(cross) * z.shape[1]
                    sources[cross] = make_source(cross_attends[cross], queries)
                z = self.apply_layer(cross_attends[cross], z, sources[cross])
            if block is not None:
                z = self.apply_layer(self.blocks[block], z)
        return z

    def apply_layer(self, layer: nn.Module, z: Tensor, *source: KeyValueSource) -> Tensor:
        """Apply a layer to latents (B, N, D), as `activation_checkpointing` says.

        Args:
            layer: a cross-attend, a self-attend or a block of them.
            z: the latents.
            source: what a cross-attend reads.
        """
        if self.activation_checkpointing and torch.is_grad_enabled():
            return checkpoint(layer, z, *source, use_reentrant=False)
        return layer(z, *source)

    def init_weights(self) -> None:
        """Initialise all weights as published.

        Latents come from a truncated normal of standard deviation `latent_std` (§3.1: 0.02), linear
        layers from variance scaling on fan-in.
        """
        trunc_normal(self.latents, self.latent_std)
        for module in self.modules():
            if isinstance(module, CrossAttend | SelfAttend):
                module.init_weights()


def check_orders(
    cross_order: Sequence[int | None], block_order: Sequence[int | None]
) -> tuple[int, int]:
    """Return the numbers of distinct cross-attends and blocks that two orders name.

    Args:
        cross_order: index of the cross-attend of each step, or None.
        block_order: index of the block of each step, or None.

    Raises:
        ValueError: the orders differ in length or skip an index.
    """
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
