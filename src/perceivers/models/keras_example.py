"""The Perceiver of the Keras example, its departures from the paper included."""

import math

import torch
from torch import Tensor, nn

from ..core import CrossAttend, KeyValueSource, LayerOptions, LearnedPosition, MultiHeadAttention
from ..core.layers import Attention
from .classifier import PerceiverClassifier
from .config import KerasExampleConfig

# B batch · M inputs · C input_dim · N latents · D latent_dim · H heads · K qk_dim / H

EPS = 1e-6  # of every LayerNorm there; Keras' and torch's own defaults differ


class ScaledAttention(MultiHeadAttention):
    """Attention as Keras' `Attention(use_scale=True)`: logits are q·k times a learned number.

    The number, `scale`, starts at 1: there is no 1/√K. Nothing is projected after the values, so
    `v_dim` must be `query_dim`. Arguments are those of `MultiHeadAttention`.
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

    def queries(self, x: Tensor) -> Tensor:
        """(B, N, D) → (B, H, N, K), times scale·√K: `attend` divides by √K again."""
        q = super().queries(x)
        return q * (self.scale * math.sqrt(q.shape[-1]))

    def init_weights(self) -> None:
        """As Keras' layers; the scale 1."""
        for linear in (self.to_q, self.to_k, self.to_v):
            init_dense(linear)
        nn.init.ones_(self.scale)


class NormedCrossAttend(CrossAttend):
    """A cross-attend that keeps the normalised latents and loses the raw ones.

    y = LN z + attention(LN z, LN x), then LN y + feed-forward(y): what is carried on past each
    part is what the part's LayerNorm gave. Arguments are those of `CrossAttend`.
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

    def forward(self, z: Tensor, source: KeyValueSource) -> Tensor:
        """Latents (1 or B, N, D) → (B, N, D)."""
        z = self.norm_latents(z)
        z = self.feed_forward.norm(z + self.attention(z, source))
        return z + self.feed_forward.transform(z)


class KerasExample(PerceiverClassifier):
    """The Perceiver of https://keras.io/examples/vision/perceiver_image_classification/.

    Numerically the example's model (tests/parity/test_keras.py). It differs from the paper in:

    - cross-attends whose residuals are normalised (`NormedCrossAttend`) and whose logits have a
      learned scale and no 1/√K, with no projection after the values (`ScaledAttention`);
    - self-attends whose heads are each as wide as the latents: 8 × 256;
    - patches projected, with learned positions added;
    - a head of two layers, and dropout: of attention weights, of feed-forwards, of the logits.

    The example's first layer, `Normalization`, is the adapter's `mean` and `std`.

    Initialisation is the example's: latents normal of spread 0.05, positions uniform within 0.05,
    matrices Glorot-uniform, biases 0. As in Keras 3.15 a matrix's fans are those of all its heads
    together; older versions (3.3 for one) counted them as a convolution's and started the
    self-attends' queries, keys and values within 0.0094 instead of 0.0510.

    Args:
        config: as for `PerceiverClassifier`.
        labels: as for `PerceiverClassifier`.

    Raises:
        ValueError: cross-attend values are not as wide as the latents.
    """

    config: KerasExampleConfig

    def __init__(self, config: KerasExampleConfig, labels: tuple[str, ...] | None = None) -> None:
        super().__init__(config, labels)
        self.perceiver.cross_attends = nn.ModuleList(
            NormedCrossAttend(
                config.latent_dim, self.adapter.dim, cross.options, attention=cross.attends_to
            )
            for cross in self.perceiver.cross_attends
            if isinstance(cross, CrossAttend)
        )
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = EPS
        self.init_weights()

    def build_head(self) -> nn.Module:
        """Averaged latents (B, D) → logits (B, num_classes), of which training drops some."""
        config = self.config
        return nn.Sequential(
            nn.Linear(config.latent_dim, config.head_dim),
            nn.GELU(),
            nn.Linear(config.head_dim, config.num_classes),
            nn.Dropout(config.dropout),
        )

    def init_weights(self) -> None:
        """As the example starts; see the class."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                init_dense(module)
        nn.init.normal_(self.perceiver.latents, std=self.config.latent_std)
        if isinstance(self.adapter.position, LearnedPosition):
            nn.init.uniform_(self.adapter.position.weight, -0.05, 0.05)


def init_dense(linear: nn.Linear) -> None:
    """Glorot-uniform, bias zero: Keras' `Dense`."""
    nn.init.xavier_uniform_(linear.weight)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
