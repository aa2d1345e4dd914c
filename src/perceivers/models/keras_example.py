"""The Perceiver of the Keras example, including its departures from the paper."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from typing_extensions import override

from ..core import CrossAttend, KeyValueSource, LayerOptions, LearnedPosition, MultiHeadAttention
from ..core.dropout import Dropout
from ..core.layers import Attention
from ..modalities.adapter import Adapter
from .classifier import PerceiverClassifier
from .config import KerasExampleConfig

# B batch · M inputs · C input_dim · N latents · D latent_dim · H heads · K qk_dim / H

EPS = 1e-6  # of every LayerNorm of the example; the defaults of Keras and torch differ from it


class ScaledAttention(MultiHeadAttention):
    """Attention with a learned scale, as Keras' `Attention(use_scale=True)`.

    The logits are q·k times the parameter `scale`, which starts at 1, without the factor 1/√K.
    There is no projection after the values, so `v_dim` must be equal to `query_dim`.

    Args:
        query_dim: channels of the queries, and of the output.
        input_dim: channels of the elements that keys and values are projected from.
        options: heads, widths, biases and dropout of the attention.

    Raises:
        ValueError: `v_dim` is not `query_dim`, or a width is not divisible by `num_heads`.
    """

    def __init__(self, query_dim: int, input_dim: int, options: LayerOptions) -> None:
        super().__init__(query_dim, input_dim, options)
        v_dim = self.to_v.out_features
        if v_dim != query_dim:
            raise ValueError(
                f"v_dim={v_dim}, latent_dim={query_dim}; the Keras example has no projection after "
                "the values, so the two must be equal: set v_dim (or qk_dim) to latent_dim"
            )
        self.to_out = nn.Identity()  # type: ignore[assignment]
        self.scale = nn.Parameter(torch.ones(()))

    @override
    def queries(self, x: Tensor) -> Tensor:
        q = super().queries(x)
        # `attend` divides by √K, which the example does not.
        return q * (self.scale * math.sqrt(q.shape[-1]))

    @override
    def init_weights(self) -> None:
        for linear in (self.to_q, self.to_k, self.to_v):
            init_dense(linear)
        nn.init.ones_(self.scale)


class NormedCrossAttend(CrossAttend):
    """Cross-attend whose residual connections carry the normalised latents, not the raw ones.

    It computes y = LN z + attention(LN z, LN x) and then LN y + feed-forward(y): each residual
    connection starts after the LayerNorm.

    Args:
        latent_dim: D, channels of the latents.
        input_dim: C, channels of the inputs, positions included.
        options: heads, widths, dropout and feed-forward.
        attention: "both", or the "content" or "position" term alone; see `CrossAttend`.

    Raises:
        ValueError: the values are not as wide as the latents, or an option is invalid.
    """

    def __init__(
        self,
        latent_dim: int,
        input_dim: int,
        options: LayerOptions,
        *,
        attention: Attention = "both",
    ) -> None:
        super().__init__(latent_dim, input_dim, options, attention=attention)
        self.attention = ScaledAttention(latent_dim, input_dim, options)

    @override
    def forward(self, z: Tensor, source: KeyValueSource) -> Tensor:
        z = self.norm_latents(z)
        z = self.feed_forward.norm(z + self.attention(z, source))
        return z + self.feed_forward.transform(z)


class KerasExample(PerceiverClassifier):
    """The Perceiver of https://keras.io/examples/vision/perceiver_image_classification/.

    It is numerically equal to the example's model (tests/parity/test_keras.py). It differs from the
    paper in:

    - cross-attends whose residual connections are normalised (`NormedCrossAttend`) and whose logits
      have a learned scale and no 1/√K, with no projection after the values (`ScaledAttention`);
    - self-attends whose heads are each as wide as the latents: 8 × 256;
    - projected patches, to which learned positions are added;
    - a head of two layers, and dropout of attention weights, of feed-forwards and of the logits.

    The example's first layer, `Normalization`, is the adapter's `mean` and `std`.

    Weights are initialised as in the example: latents normal with standard deviation 0.05,
    positions uniform in ±0.05, matrices Glorot-uniform, biases 0. As in Keras 3.15 the fans of a
    matrix are those of all its heads together. Older versions (3.3 for one, and those of 2021)
    counted them as those of a convolution, so that queries, keys and values of self-attends started
    within ±0.0094 instead of ±0.0510, and their outputs within ±0.0383: `attention_fans`.

    Args:
        config: configuration of the model.
        labels: names of the classes in output order; None: 0, 1, ….
        adapter: an adapter of your own in place of the one that `config.input` describes.

    Raises:
        ValueError: the values of the cross-attend are not as wide as the latents.
    """

    config: KerasExampleConfig

    def __init__(
        self,
        config: KerasExampleConfig,
        labels: tuple[str, ...] | None = None,
        *,
        adapter: Adapter | None = None,
    ) -> None:
        super().__init__(config, labels, adapter=adapter)
        self._own_adapter = adapter is not None
        self.perceiver.cross_attends = nn.ModuleList(
            NormedCrossAttend(
                config.latent_dim, self.adapter.dim, cross.options, attention=cross.attends_to
            )
            for cross in self.perceiver.cross_attends
            if isinstance(cross, CrossAttend)
        )
        for module in self._example_modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = EPS
        self.init_weights()

    @override
    def build_head(self) -> nn.Module:
        config = self.config
        return nn.Sequential(
            nn.Linear(config.latent_dim, config.head_dim),
            nn.GELU(),
            nn.Linear(config.head_dim, config.num_classes),
            Dropout(config.dropout),
        )

    @override
    def reset_head(self, num_classes: int, labels: tuple[str, ...] | None = None) -> None:
        super().reset_head(num_classes, labels)
        for module in self.head.modules():
            if isinstance(module, nn.Linear):
                init_dense(module)

    def init_weights(self) -> None:
        """Initialise all weights as the example does; the class describes how."""
        for module in self._example_modules():
            if isinstance(module, nn.Linear):
                init_dense(module)
        if self.config.attention_fans == "convolution":
            for module in self.perceiver.blocks.modules():
                if isinstance(module, MultiHeadAttention):
                    init_as_convolution(module)
        nn.init.normal_(self.perceiver.latents, std=self.config.latent_std)
        position = getattr(self.adapter, "position", None)
        if isinstance(position, LearnedPosition) and not self._own_adapter:
            nn.init.uniform_(position.weight, -0.05, 0.05)

    def _example_modules(self) -> Iterator[nn.Module]:
        """Yield all modules but those of an adapter of the user's own, which stay as they are."""
        for name, module in self.named_modules():
            if not (self._own_adapter and name.split(".")[0] == "adapter"):
                yield module


def init_dense(linear: nn.Linear) -> None:
    """Initialise a linear layer as Keras' `Dense`: Glorot-uniform weights and zero biases."""
    nn.init.xavier_uniform_(linear.weight)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)


def init_as_convolution(attention: MultiHeadAttention) -> None:
    """Initialise an attention as `MultiHeadAttention` of older versions of Keras does.

    Its kernels are (D, H, K) for queries, keys and values and (H, K, D) for outputs. The axes
    before the last two were taken for those of a convolution, whose size multiplies both fans.
    """
    heads = attention.num_heads
    for linear in (attention.to_q, attention.to_k, attention.to_v):
        limit = math.sqrt(6 / (linear.in_features * (heads + linear.out_features // heads)))
        nn.init.uniform_(linear.weight, -limit, limit)
    out = attention.to_out
    limit = math.sqrt(6 / (out.in_features + heads * out.out_features))
    nn.init.uniform_(out.weight, -limit, limit)
