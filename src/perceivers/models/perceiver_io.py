"""Models of Perceiver IO: a decoder reads the latents with queries."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor
from typing_extensions import override

from ..core import Decoder, Inputs, LearnedQueries, Queries
from ..modalities import build_output
from ..modalities.adapter import Adapter
from .base import PerceiverModel, layer_options
from .classifier import PerceiverClassifier
from .config import (
    DecoderConfig,
    EncoderConfig,
    PerceiverIOClassifierConfig,
    PerceiverIOConfig,
)

# B batch · N latents · D latent_dim · O outputs · F query_dim

CHUNK_SIZE = 2**13  # queries that are decoded at a time


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
    options = layer_options(
        config,
        num_heads=decoder.num_heads,
        qk_dim=decoder.qk_dim,
        v_dim=decoder.v_dim,
        widening_factor=decoder.widening_factor,
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


class PerceiverIOModel(PerceiverModel):
    """Perceiver IO (arXiv 2107.14795): adapter → Perceiver → decoder → output.

    Args:
        config: configuration of the model.
        labels: names of the classes, if classes are among the outputs.
        adapter: an adapter of your own in place of the one that `config.input` describes.

    Raises:
        ValueError: an option is invalid, or the output does not fit the inputs.
    """

    config: PerceiverIOConfig

    def __init__(
        self,
        config: PerceiverIOConfig,
        labels: tuple[str, ...] | None = None,
        *,
        adapter: Adapter | None = None,
    ) -> None:
        super().__init__(config, labels or (), adapter=adapter)
        self.output = build_output(config.output, self.adapter)
        self.decoder = build_decoder(
            config, config.decoder, self.output.query_dim, self.output.decoded_dim
        )

    def forward(
        self, x: Any, mask: Tensor | None = None, *, chunk_size: int | None = CHUNK_SIZE
    ) -> Any:
        """Compute all outputs for a raw batch.

        Args:
            x: raw batch of the adapter's modality.
            mask: boolean (B, M), True = attend; see `encode`.
            chunk_size: queries that are decoded at a time, see `decode`.

        Returns:
            The output's own arrangement: see the class that `config.output` names.
        """
        inputs = self.elements(x, mask)
        latents = self.latents(inputs)
        values = self.decode(latents, self.queries(inputs), chunk_size=chunk_size)
        return self.output.arrange(values, x)

    def latents(self, inputs: Inputs) -> Tensor:
        """Encode elements to what `decode` takes, (B, N, D)."""
        return self.perceiver(inputs)

    @override
    def respond(self, inputs: Inputs, at: Any = None) -> Any:
        """Compute the outputs for elements, before they are arranged.

        Args:
            inputs: the elements.
            at: which outputs are wanted, see `Output.queries_at`; None: all queries.
        """
        return self.decode(self.latents(inputs), self.queries(inputs, at))

    def queries(self, inputs: Inputs | None, at: Any = None) -> Queries | Mapping[str, Queries]:
        """Return the queries for elements; the arguments are those of `respond`."""
        if at is None:
            return self.output.queries(inputs)
        return self.output.queries_at(inputs, at)

    def decode(
        self,
        latents: Tensor,
        queries: Queries | Mapping[str, Queries],
        *,
        chunk_size: int | None = CHUNK_SIZE,
    ) -> Any:
        """Decode latents at any of the queries, any number of times.

        Args:
            latents: what `encode` returned, (B, N, D).
            queries: `output.queries(inputs)`, or some of them, as `Queries.at` returns.
            chunk_size: queries that are decoded at a time, forward and backward; training computes
                a chunk again in the backward pass. Memory grows with the chunk. None: all at once.

        Returns:
            (B, O, K), or a dictionary of them by the names of the queries.

        Raises:
            ValueError: `queries` is none of these.
        """
        if not isinstance(queries, Queries | Mapping):
            raise ValueError(
                f"queries are a {type(queries).__name__}; expected those of model.queries(inputs), "
                "or of model.queries(None, places) for the places of solids"
            )
        names = queries if isinstance(queries, Mapping) else [""]
        heads = {name: partial(self.output, adapter=self.adapter, part=name) for name in names}
        return self.decoder(latents, queries, chunk_size=chunk_size, heads=heads)
