"""The two residual layers a Perceiver is made of, both pre-norm."""

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
from .projection import Projection, element_variance, project
from .separable import SeparableGrid, grid_features
from .sharded import ShardedKeyValues, share_weights
from .sources import (
    ChunkedKeyValues,
    KeyValueSource,
    PartialSource,
    StoredKeyValues,
    StreamedKeyValues,
    in_chunks,
)

# B batch · M inputs · C input_dim · N latents · D latent_dim

# Keys and values of more numbers than MAX_STORED are made chunk by chunk; in training on CPU earlier,
# where it costs no time (docs/log.md, 2026-11-21).
MAX_STORED, MAX_STORED_IN_CPU_TRAINING = 2**27, 2**23
CHUNK_ELEMENTS, CHUNK_ELEMENTS_ON_CPU = (
    2**16,
    2**11,
)  # inputs of a chunk; on CPU it fits into the cache
# From where on reading a grid of few channels without keys is faster, on CPU
# (docs/log.md, 2026-11-21): inputs, more in half precision, and by how much the keys and values of
# a head must be wider than the content.
SEPARABLE_MIN_ELEMENTS, SEPARABLE_MIN_ELEMENTS_IN_HALF, SEPARABLE_MIN_EXTRA_WIDTH = 2**9, 2**11, 96
Attention = Literal["content", "position", "both"]


class CrossAttend(nn.Module):
    """Latents read inputs: z + attention(LN z, LN x), then z + feed-forward(z). Cost O(M·N).

    Keys are linear in the normalised input, so that each attention logit is a content term plus a
    position term; `attention` says which of them counts. Values always carry both.

    Args:
        latent_dim: D, channels of the latents.
        input_dim: C, channels of the inputs, positions included.
        options: heads, widths, dropout and feed-forward (paper: 1 head).
        attention: "both" (the papers), or the "content" or "position" term alone.
    """

    def __init__(
        self,
        latent_dim: int,
        input_dim: int,
        options: LayerOptions = DEFAULT_OPTIONS,
        *,
        attention: Attention = "both",
    ) -> None:
        super().__init__()
        if attention not in ("content", "position", "both"):
            raise ValueError(
                f"unknown attention {attention!r}; expected 'content', 'position' or 'both'"
            )
        self.options = options
        self.attends_to = attention
        self.norm_latents = nn.LayerNorm(latent_dim)
        self.norm_inputs = nn.LayerNorm(input_dim)
        self.attention = MultiHeadAttention(latent_dim, input_dim, options)
        self.feed_forward = FeedForward(latent_dim, options)

    def source(self, inputs: Inputs, variance: Tensor | None = None) -> KeyValueSource:
        """What the latents read of M inputs. It does not depend on them: make it once.

        Keys and values are held if they are few, else made chunk by chunk as they are read.

        Args:
            inputs: the elements.
            spread: their `variance`, if it is known already.
        """
        projection = self.project(inputs, variance)
        split = self.attention.split_keys_values
        if self._separable(projection):
            return SeparableGrid(projection, split, grid_features(projection, inputs.mask))
        if self._too_many(projection):
            return ChunkedKeyValues(projection, split, inputs.mask, _chunk_size(projection))
        return StoredKeyValues(*split(projection()), inputs.mask)

    def _separable(self, projection: Projection) -> bool:
        """Whether rows, columns and channels are read instead of keys and values."""
        content, attention = projection.content, self.attention
        widths = attention.to_k.out_features + attention.to_v.out_features
        half = torch.is_autocast_enabled("cpu") or content.dtype.itemsize < 4
        return (
            isinstance(projection.position, AxialPosition)
            and content.device.type == "cpu"
            and content.shape[1]
            >= (SEPARABLE_MIN_ELEMENTS_IN_HALF if half else SEPARABLE_MIN_ELEMENTS)
            and widths >= attention.num_heads * (SEPARABLE_MIN_EXTRA_WIDTH + content.shape[2])
            and not (self.training and attention.dropout)
            and not (torch.is_grad_enabled() and projection.scale.requires_grad)
            and not torch.compiler.is_exporting()
        )

    def _too_many(self, projection: Projection) -> bool:
        """Whether keys and values are to be made chunk by chunk."""
        if self.training and self.attention.dropout:
            return False
        training = torch.is_grad_enabled() and projection.scale.device.type == "cpu"
        limit = MAX_STORED_IN_CPU_TRAINING if training else MAX_STORED
        few = projection.scale.shape[1] <= 2 * _chunk_size(projection)
        return not few and projection.scale.numel() * len(projection.bias) > limit

    def streamed_source(self, chunks: Callable[[], Iterable[Inputs]]) -> KeyValueSource:
        """What the latents read of chunks that come anew each time, for inference."""

        split = self.attention.split_keys_values

        def opened() -> Iterator[PartialSource]:
            for chunk in chunks():
                projection = self.project(chunk)
                if self._separable(projection):
                    yield SeparableGrid(projection, split, grid_features(projection, chunk.mask))
                    continue
                for part, mask in in_chunks(projection, chunk.mask, _chunk_size(projection)):
                    yield StoredKeyValues(*split(part()), mask)

        return StreamedKeyValues(opened)

    def sharded_source(self, inputs: Inputs, group: ProcessGroup) -> KeyValueSource:
        """What the latents read of inputs whose parts lie with the ranks of a group."""
        projection = share_weights(self.project(inputs), group)
        return ShardedKeyValues(*self.attention.split_keys_values(projection()), inputs.mask, group)

    def project(self, inputs: Inputs, variance: Tensor | None = None) -> Projection:
        """Keys and values of the inputs side by side, (B, M, qk_dim + v_dim), to be computed."""
        variance = element_variance(inputs) if variance is None else variance
        linears = (self.attention.to_k, self.attention.to_v)
        return project(inputs, self.norm_inputs, linears, (self.attends_to, "both"), variance)

    def key_terms(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Keys from content and from position, (B, H, M, K) each; their sum is those from both.

        Positions side by side with the content go through columns of their own; of positions added
        to it, the norm is linear once its spread is known. The bias is counted with the content: it
        is the same for all inputs, so that it changes no attention weight.
        """
        keys, variance = self.attention.to_k, element_variance(inputs)
        content = project(inputs, self.norm_inputs, [keys], ["content"], variance)()
        position = torch.zeros_like(content)
        if inputs.position is not None:
            alone = project(inputs, self.norm_inputs, [keys], ["position"], variance)
            position = alone._replace(bias=torch.zeros_like(alone.bias))()
        return self.attention.split_heads(content), self.attention.split_heads(position)

    def forward(self, z: Tensor, source: KeyValueSource) -> Tensor:
        """Latents (1 or B, N, D) → (B, N, D)."""
        z = z + self.attention(self.norm_latents(z), source)
        return z + self.feed_forward(z)

    def init_weights(self) -> None:
        """As published; see the parts."""
        self.attention.init_weights()
        self.feed_forward.init_weights()


class SelfAttend(nn.Module):
    """Latents read each other: z + attention(LN z), then z + feed-forward(z). Cost O(N²).

    Args:
        dim: D, channels of the latents.
        options: heads, widths, dropout and feed-forward (paper: 8 heads).
    """

    def __init__(self, dim: int, options: LayerOptions = SELF_ATTEND_OPTIONS) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attention = MultiHeadAttention(dim, dim, options)
        self.feed_forward = FeedForward(dim, options)

    def forward(self, z: Tensor) -> Tensor:
        """Latents (B, N, D) → (B, N, D)."""
        z = z + self.attention.read_itself(self.norm(z))
        return z + self.feed_forward(z)

    def init_weights(self) -> None:
        """As published; see the parts."""
        self.attention.init_weights()
        self.feed_forward.init_weights()


def _chunk_size(projection: Projection) -> int:
    return CHUNK_ELEMENTS_ON_CPU if projection.scale.device.type == "cpu" else CHUNK_ELEMENTS
