"""A variational autoencoder of Perceiver IO: codes of latents, decoded at any queries."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from typing_extensions import override

from ..core import (
    FourierPosition,
    Inputs,
    KLBottleneck,
    Queries,
    SelfAttend,
    farthest_points,
)
from ..core.init import init_linear
from ..modalities.adapter import Adapter
from .base import layer_options
from .config import PerceiverVAEConfig
from .perceiver_io import CHUNK_SIZE, PerceiverIOModel

# B batch · N latents · D latent_dim · L bottleneck_dim · O outputs

VALUES, DIVERGENCE = "values", "kl"  # parts of what `respond` returns


class PerceiverVAE(PerceiverIOModel):
    """Adapter → Perceiver → bottleneck → self-attends → decoder → output.

    This is the form of 3DShape2VecSet (arXiv 2301.11445). Latents begin as points that are spread
    over the input, or as learned vectors (`config.latents`). They become codes (B, N, L) of few
    channels, from which everything is decoded. In training, codes are drawn from their
    distributions; in eval mode they are the means.

    Args:
        config: configuration of the model.
        labels: names of the classes, if classes are among the outputs.
        adapter: an adapter of your own in place of the one that `config.input` describes.

    Raises:
        ValueError: an option is invalid, or the output does not fit the inputs.
    """

    config: PerceiverVAEConfig

    def __init__(
        self,
        config: PerceiverVAEConfig,
        labels: tuple[str, ...] | None = None,
        *,
        adapter: Adapter | None = None,
    ) -> None:
        super().__init__(config, labels, adapter=adapter)
        options = layer_options(
            config,
            num_heads=config.num_self_heads,
            qk_dim=config.self_qk_dim,
            v_dim=config.self_v_dim,
        )
        self.sampled: nn.Linear | None = None
        if config.latents == "sampled":
            if not isinstance(getattr(self.adapter, "position", None), FourierPosition):
                raise ValueError(
                    "latents='sampled' needs inputs with Fourier positions, from whose places they "
                    "are taken; set latents='learned'"
                )
            self.sampled = nn.Linear(self.adapter.dim, config.latent_dim)
            init_linear(self.sampled)
        self.bottleneck = KLBottleneck(config.latent_dim, config.bottleneck_dim)
        self.from_codes = nn.Linear(config.bottleneck_dim, config.latent_dim)
        layers = [SelfAttend(config.latent_dim, options) for _ in range(config.num_decoder_layers)]
        self.layers = nn.Sequential(*layers)
        init_linear(self.from_codes)
        for layer in layers:
            layer.init_weights()

    @property
    @override
    def encoder(self) -> list[nn.Module]:
        sampled = [] if self.sampled is None else [self.sampled]
        return [*super().encoder, *sampled, self.bottleneck]

    @override
    def encode(self, x: Any, mask: Tensor | None = None) -> Tensor:
        """Encode a raw batch to codes (B, N, L): the means of their distributions.

        Args:
            x: raw batch of the adapter's modality.
            mask: boolean (B, M), True = attend; see `PerceiverModel.encode`.
        """
        mean, _ = self.bottleneck.moments(self._encoded(self.elements(x, mask)))
        return mean

    @override
    def latents(self, inputs: Inputs) -> Tensor:
        """Encode elements to codes (B, N, L), in training drawn from their distributions."""
        codes, _ = self.bottleneck(self._encoded(inputs))
        return codes

    def _encoded(self, inputs: Inputs) -> Tensor:
        """Encode elements to latents (B, N, D), before the bottleneck."""
        if self.sampled is None:
            return self.perceiver(inputs)
        position = inputs.dense_position
        assert position is not None
        features: Any = self.adapter.position
        axes = len(features.max_resolution)  # whose coordinates come first
        chosen = farthest_points(position[..., :axes], self.config.num_latents, inputs.mask)
        queries = Queries(inputs.content, position, fusion=inputs.fusion).at(chosen)
        elements = queries.joined(inputs.content.dtype)
        return self.perceiver(inputs, initial=self.perceiver.latents + self.sampled(elements))

    @override
    def respond(self, inputs: Inputs, at: Any = None) -> dict[str, Tensor]:
        """Compute the outputs for elements, before they are arranged, and the divergence.

        Args:
            inputs: the elements.
            at: which outputs are wanted, see `Output.queries_at`; None: all queries.

        Returns:
            "values", (B, O, K), and "kl", the divergence of the codes of each example, (B,).
        """
        codes, divergence = self.bottleneck(self._encoded(inputs))
        return {VALUES: self.decode(codes, self.queries(inputs, at)), DIVERGENCE: divergence}

    @override
    def decode(
        self,
        latents: Tensor,
        queries: Queries | Mapping[str, Queries],
        *,
        chunk_size: int | None = CHUNK_SIZE,
    ) -> Any:
        """Decode codes at any queries, any number of times.

        Args:
            latents: what `encode` returned, or any codes, (B, N, L).
            queries: what is asked for; see `PerceiverIOModel.decode`.
            chunk_size: queries that are decoded at a time.

        Returns:
            (B, O, K), or a dictionary of them by the names of the queries.

        Raises:
            ValueError: the codes have another shape, or the queries are none.
        """
        width = self.from_codes.in_features
        if latents.ndim != 3 or latents.shape[-1] != width:
            raise ValueError(
                f"codes have shape {tuple(latents.shape)}; expected (batch, codes, {width}), as "
                "encode returns"
            )
        z = self.from_codes(latents.to(self.from_codes.weight.dtype))
        for layer in self.layers:
            z = self.perceiver.apply_layer(layer, z)
        return super().decode(z, queries, chunk_size=chunk_size)
