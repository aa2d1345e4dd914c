"""Models of Perceiver IO: a decoder reads the latents with queries."""

from typing import Any

from torch import Tensor
from typing_extensions import override

from ..core import Decoder, LayerOptions, LearnedQueries
from ..modalities.adapter import Adapter
from .classifier import PerceiverClassifier
from .config import DecoderConfig, EncoderConfig, PerceiverIOClassifierConfig

# B batch · N latents · D latent_dim · O outputs · F query_dim


def build_decoder(
    config: EncoderConfig, decoder: DecoderConfig, query_dim: int, output_dim: int | None
) -> Decoder:
    """Build the decoder of a model.

    Args:
        config: configuration of the model, whose activation and dropout the decoder shares.
        decoder: configuration of the decoder.
        query_dim: F, channels of a query.
        output_dim: channels of an output; None: F, without a linear map.
    """
    options = LayerOptions(
        num_heads=decoder.num_heads,
        qk_dim=decoder.qk_dim,
        v_dim=decoder.v_dim,
        qkv_bias=config.qkv_bias,
        attention_dropout=config.attention_dropout,
        widening_factor=decoder.widening_factor,
        activation=config.activation,
        dropout=config.dropout,
    )
    return Decoder(
        config.latent_dim,
        query_dim,
        output_dim,
        options,
        use_query_residual=decoder.use_query_residual,
    )


class PerceiverIOClassifier(PerceiverClassifier):
    """A classifier of Perceiver IO: one learned query reads the latents instead of their average.

    The decoder's linear map is the head of `PerceiverClassifier`, so that everything that works
    with a classifier works with this one. It equals DeepMind's image classifiers (arXiv 2107.14795,
    Table 7).

    Args:
        config: configuration of the model.
        labels: names of the outputs in their order; None: 0, 1, ….
        adapter: an adapter of your own in place of the one that `config.input` describes.

    Raises:
        ValueError: an option of the decoder is invalid, or as `PerceiverClassifier`.
    """

    config: PerceiverIOClassifierConfig

    def __init__(
        self,
        config: PerceiverIOClassifierConfig,
        labels: tuple[str, ...] | None = None,
        *,
        adapter: Adapter | None = None,
    ) -> None:
        super().__init__(config, labels, adapter=adapter)
        self.queries = LearnedQueries(1, config.latent_dim)
        self.decoder = build_decoder(config, config.decoder, config.latent_dim, None)

    @override
    def pool(self, z: Tensor) -> Tensor:
        """Read latents (B, N, D) with the learned query, (B, D)."""
        decoded: Any = self.decoder(z, self.queries())
        return decoded[:, 0]
