"""The two residual layers of a Perceiver, cross-attend and self-attend; both are pre-norm."""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributed import ProcessGroup

from .feed_forward import FeedForward
from .inputs import Inputs
from .multihead import MultiHeadAttention
from .options import DEFAULT_OPTIONS, SELF_ATTEND_OPTIONS, LayerOptions
from .positions import AxialPosition
from .projection import Projection, element_variance, in_half_precision, project
from .separable import SeparableGrid, grid_features, may_read_grids
from .sharded import ShardedKeyValues, sum_weight_gradients
from .sources import (
    ChunkedKeyValues,
    KeyValueSource,
    PartialSource,
    StoredKeyValues,
    StreamedKeyValues,
    in_chunks,
)
from .unprojected import UnprojectedFeatures

# B batch · M inputs · C input_dim · N latents · D latent_dim

# Keys and values of more numbers than this are computed chunk by chunk. In training on CPU the
# limit is lower, because chunks cost no time there (docs/log.md, 2026-11-21).
MAX_STORED = 2**27
MAX_STORED_IN_CPU_TRAINING = 2**23
# Elements per chunk; on CPU a chunk fits into the cache.
CHUNK_ELEMENTS = 2**16
CHUNK_ELEMENTS_ON_CPU = 2**11
# Attending to a grid of few channels without keys is faster on CPU from this many elements on, and
# if keys and values are wider, per head, than the content by this much (docs/log.md, 2026-11-21).
SEPARABLE_MIN_ELEMENTS = 2**9
SEPARABLE_MIN_ELEMENTS_IN_HALF = 2**11  # in half precision
SEPARABLE_MIN_EXTRA_WIDTH = 96
# Attending without keys and values must save this factor of multiplications, because its products
# are smaller and its logits are stored.
UNPROJECTED_GAIN = 1.25
Attention = Literal["content", "position", "both"]


class CrossAttend(nn.Module):
    """Cross-attend: latents attend to inputs, at a cost of O(M·N).

    It computes z + attention(LN z, LN x) and then z + feed-forward(z). Keys are linear in the
    normalised input, so that each attention logit is a content term plus a position term;
    `attention` selects the terms. Values always depend on both content and position.

    Args:
        latent_dim: D, channels of the latents.
        input_dim: C, channels of the inputs, positions included.
        options: heads, widths, dropout and feed-forward; 1 head by default, as in the paper.
        attention: "both" (the papers), or the "content" or "position" term alone.
        use_query_residual: whether z is added to the attention, as above (the papers' encoders).

    Raises:
        ValueError: `attention` or an option is invalid.
    """

    def __init__(
        self,
        latent_dim: int,
        input_dim: int,
        options: LayerOptions = DEFAULT_OPTIONS,
        *,
        attention: Attention = "both",
        use_query_residual: bool = True,
    ) -> None:
        super().__init__()
        if attention not in ("content", "position", "both"):
            raise ValueError(
                f"unknown attention {attention!r}; expected 'content', 'position' or 'both'"
            )
        self.options = options
        self.attends_to = attention
        self.use_query_residual = use_query_residual
        self.norm_latents = nn.LayerNorm(latent_dim)
        self.norm_inputs = nn.LayerNorm(input_dim)
        self.attention = MultiHeadAttention(latent_dim, input_dim, options)
        self.feed_forward = FeedForward(latent_dim, options)

    def source(
        self, inputs: Inputs, variance: Tensor | None = None, *, num_queries: int | None = None
    ) -> KeyValueSource:
        """Prepare the inputs to be attended to.

        The result does not depend on the latents, so that a shared cross-attend needs it once. Keys
        and values are stored if they are few, and otherwise computed chunk by chunk in each read.
        For few queries on CPU they are not computed at all if that is less work.

        Args:
            inputs: M elements.
            variance: `element_variance(inputs)`, if it is already known.
            num_queries: number of queries of an example that will read the source, those of all
                reads together. None: unknown.
        """
        projection = self.project(inputs, variance)
        split = self.attention.split_keys_values
        if self._separable(projection):
            return SeparableGrid(projection, split, grid_features(projection, inputs.mask))
        if num_queries is not None and self._unprojected(projection, num_queries):
            heads, keys = self.attention.num_heads, self.attention.to_k.out_features
            return UnprojectedFeatures(projection.joined(), heads, keys, inputs.mask)
        return keys_values(projection, self.attention, inputs.mask)

    def _unprojected(self, projection: Projection, num_queries: int) -> bool:
        """Return whether attending without keys and values takes clearly fewer multiplications."""
        if projection.content.device.type != "cpu" or torch.compiler.is_exporting():
            return False
        batch, elements, content = projection.content.shape
        own_positions, position = 0, 0
        if projection.position is not None:
            own_positions, _, position = projection.position.shape
        width, queries = len(projection.bias), num_queries * self.attention.num_heads
        # Positions that the examples share are projected once for all of them.
        share = own_positions / max(1, batch)
        stored = elements * width * (content + share * position + num_queries)
        channels = content + position
        unprojected = channels * (num_queries * width + 2 * queries * elements)
        few_logits = batch * queries * elements <= stored_limit(projection)
        return few_logits and UNPROJECTED_GAIN * unprojected <= stored

    def _separable(self, projection: Projection) -> bool:
        """Return whether the inputs are to be read as a `SeparableGrid`."""
        content, attention = projection.content, self.attention
        widths = attention.to_k.out_features + attention.to_v.out_features
        half = in_half_precision(content)
        elements = SEPARABLE_MIN_ELEMENTS_IN_HALF if half else SEPARABLE_MIN_ELEMENTS
        # The size of an exported grid may vary, and a condition on it would be part of the program.
        exporting = torch.compiler.is_exporting()
        return (
            isinstance(projection.position, AxialPosition)
            and may_read_grids()
            and content.device.type == "cpu"
            and (exporting or content.shape[1] >= elements)
            and widths >= attention.num_heads * (SEPARABLE_MIN_EXTRA_WIDTH + content.shape[2])
            and not (self.training and attention.dropout)
            and not (torch.is_grad_enabled() and projection.scale.requires_grad)
        )

    def streamed_source(self, chunks: Callable[[], Iterable[Inputs]]) -> KeyValueSource:
        """Prepare inputs that arrive in chunks to be attended to, for inference alone.

        Args:
            chunks: called once for each read; returns the chunks from the first one on.
        """
        split = self.attention.split_keys_values

        def parts() -> Iterator[PartialSource]:
            for chunk in chunks():
                projection = self.project(chunk)
                if self._separable(projection):
                    yield SeparableGrid(projection, split, grid_features(projection, chunk.mask))
                    continue
                yield from streamed_parts(projection, self.attention, chunk.mask)

        return StreamedKeyValues(parts)

    def sharded_source(self, inputs: Inputs, group: ProcessGroup) -> KeyValueSource:
        """Prepare inputs that are distributed over several ranks to be attended to.

        Args:
            inputs: this rank's part of the elements.
            group: the ranks that hold the parts.
        """
        projection = sum_weight_gradients(self.project(inputs), group)
        return ShardedKeyValues(*self.attention.split_keys_values(projection()), inputs.mask, group)

    def project(self, inputs: Inputs, variance: Tensor | None = None) -> Projection:
        """Return the projection to keys and values, (B, M, qk_dim + v_dim), not yet computed.

        Args:
            inputs: M elements.
            variance: `element_variance(inputs)`, if it is already known.
        """
        variance = element_variance(inputs) if variance is None else variance
        linears = (self.attention.to_k, self.attention.to_v)
        return project(inputs, self.norm_inputs, linears, (self.attends_to, "both"), variance)

    def key_terms(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the content term and the position term of the keys, (B, H, M, K) each.

        Their sum is the keys of `attention="both"`. This holds for concatenated positions, which
        have columns of their own in the projection, and for added positions, because the norm is
        linear once the variance is known. The bias is part of the content term; it is the same for
        all inputs and therefore changes no attention weight.

        Args:
            inputs: M elements.
        """
        keys, variance = self.attention.to_k, element_variance(inputs)
        content = project(inputs, self.norm_inputs, [keys], ["content"], variance)()
        position = torch.zeros_like(content)
        if inputs.position is not None:
            projection = project(inputs, self.norm_inputs, [keys], ["position"], variance)
            position = projection._replace(bias=torch.zeros_like(projection.bias))()
        return self.attention.split_heads(content), self.attention.split_heads(position)

    def forward(self, z: Tensor, source: KeyValueSource) -> Tensor:
        """Let the latents attend to a source, (1 or B, N, D) → (B, N, D)."""
        attended = self.attention(self.norm_latents(z), source)
        z = z + attended if self.use_query_residual else attended
        return z + self.feed_forward(z)

    def init_weights(self) -> None:
        """Initialise attention and feed-forward as published."""
        self.attention.init_weights()
        self.feed_forward.init_weights()


class SelfAttend(nn.Module):
    """Self-attend: latents attend to each other, at a cost of O(N²).

    It computes z + attention(LN z) and then z + feed-forward(z).

    Args:
        dim: D, channels of the latents.
        options: heads, widths, dropout and feed-forward; 8 heads by default, as in the paper.

    Raises:
        ValueError: an option is invalid.
    """

    def __init__(self, dim: int, options: LayerOptions = SELF_ATTEND_OPTIONS) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attention = MultiHeadAttention(dim, dim, options)
        self.feed_forward = FeedForward(dim, options)

    def forward(self, z: Tensor) -> Tensor:
        """Apply the layer to latents, (B, N, D) → (B, N, D)."""
        z = z + self.attention.read_itself(self.norm(z))
        return z + self.feed_forward(z)

    def init_weights(self) -> None:
        """Initialise attention and feed-forward as published."""
        self.attention.init_weights()
        self.feed_forward.init_weights()


def keys_values(
    projection: Projection, attention: MultiHeadAttention, mask: Tensor | None
) -> StoredKeyValues | ChunkedKeyValues:
    """Return keys and values, stored if they are few and else computed chunk by chunk in each read.

    Args:
        projection: to keys and values.
        attention: the attention that reads them.
        mask: boolean (B, M), True where an element is attended to. None: everywhere.
    """
    split = attention.split_keys_values
    if _too_many(projection, attention):
        return ChunkedKeyValues(projection, split, mask, _chunk_size(projection))
    return StoredKeyValues(*split(projection()), mask)


def streamed_parts(
    projection: Projection, attention: MultiHeadAttention, mask: Tensor | None
) -> Iterator[PartialSource]:
    """Yield keys and values of a chunk of a stream, few of them at a time.

    Args:
        projection: of the chunk, to keys and values.
        attention: the attention that reads them.
        mask: boolean (B, M), True where an element is attended to. None: everywhere.
    """
    for part, part_mask in in_chunks(projection, mask, _chunk_size(projection)):
        yield StoredKeyValues(*attention.split_keys_values(part()), part_mask)


def _too_many(projection: Projection, attention: MultiHeadAttention) -> bool:
    """Return whether keys and values are to be computed chunk by chunk."""
    if (attention.training and attention.dropout) or torch.compiler.is_exporting():
        return False
    few = projection.scale.shape[1] <= 2 * _chunk_size(projection)
    numbers = projection.scale.numel() * len(projection.bias)
    return not few and numbers > stored_limit(projection)


def stored_limit(projection: Projection) -> int:
    """Return how many numbers that inputs are mapped to may be stored at once."""
    training = torch.is_grad_enabled() and projection.scale.device.type == "cpu"
    return MAX_STORED_IN_CPU_TRAINING if training else MAX_STORED


def _chunk_size(projection: Projection) -> int:
    return CHUNK_ELEMENTS_ON_CPU if projection.scale.device.type == "cpu" else CHUNK_ELEMENTS
