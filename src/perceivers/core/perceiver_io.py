"""Perceiver IO: a Perceiver whose latents are decoded at any number of queries."""

from collections.abc import Mapping
from typing import overload

from torch import Tensor, nn
from torch.distributed import ProcessGroup

from .decoder import Decoder
from .inputs import Inputs
from .perceiver import Perceiver
from .queries import Queries

# B batch · N latents · D latent_dim · O outputs


class PerceiverIO(nn.Module):
    """Perceiver IO (arXiv 2107.14795): any inputs to latents, latents to any outputs.

    The cost is linear in the number of inputs and in the number of outputs. Latents that have been
    computed once can be decoded any number of times.

    Args:
        encoder: reads the inputs. The published models apply one cross-attend and then blocks that
            share their weights: `cross_order=(0, None, …)`, `block_order=(0, 0, …)`.
        decoder: reads the latents; several decoders are a mapping from their names.

    Raises:
        ValueError: there is no decoder, or one was built for other latents.
    """

    def __init__(self, encoder: Perceiver, decoder: Decoder | Mapping[str, Decoder]) -> None:
        super().__init__()
        latent_dim = encoder.latents.shape[1]
        decoders = decoder if isinstance(decoder, Mapping) else {"": decoder}
        if not decoders:
            raise ValueError("there are no decoders; expected at least one")
        for name, one in decoders.items():
            if one.latent_dim != latent_dim:
                raise ValueError(
                    f"the decoder{f' {name!r}' * bool(name)} was built for "
                    f"latent_dim={one.latent_dim}; the latents have {latent_dim} channels"
                )
        self.encoder = encoder
        self.decoder = nn.ModuleDict(decoder) if isinstance(decoder, Mapping) else decoder

    @overload
    def forward(
        self, inputs: Inputs, queries: Queries, *, chunk_size: int | None = None
    ) -> Tensor: ...

    @overload
    def forward(
        self, inputs: Inputs, queries: Mapping[str, Queries], *, chunk_size: int | None = None
    ) -> dict[str, Tensor]: ...

    def forward(
        self,
        inputs: Inputs,
        queries: Queries | Mapping[str, Queries],
        *,
        chunk_size: int | None = None,
    ) -> Tensor | dict[str, Tensor]:
        """Encode the inputs and decode the latents; see `encode` and `decode`."""
        return self._decode(self.encode(inputs), queries, chunk_size)

    def encode(self, inputs: Inputs, group: ProcessGroup | None = None) -> Tensor:
        """Encode M input elements to latents (B, N, D).

        Args:
            inputs: the elements, or this rank's part of them.
            group: ranks that each hold a part of the elements; see `Perceiver.forward`.
        """
        return self.encoder(inputs, group)

    @overload
    def decode(
        self, latents: Tensor, queries: Queries, *, chunk_size: int | None = None
    ) -> Tensor: ...

    @overload
    def decode(
        self, latents: Tensor, queries: Mapping[str, Queries], *, chunk_size: int | None = None
    ) -> dict[str, Tensor]: ...

    def decode(
        self,
        latents: Tensor,
        queries: Queries | Mapping[str, Queries],
        *,
        chunk_size: int | None = None,
    ) -> Tensor | dict[str, Tensor]:
        """Decode latents at the queries.

        Args:
            latents: what `encode` returned, (B, N, D).
            queries: O queries. With several decoders: queries by name of the decoder, for those
                whose outputs are wanted. With one decoder several sets of queries may have names.
            chunk_size: queries that are decoded at a time, forward and backward, so that memory
                grows with the chunk; only the outputs are stored for all queries. None: all at
                once.

        Returns:
            Outputs (B, O, output_dim), zero where the queries are masked; a dictionary of them if
            `queries` is a mapping.

        Raises:
            ValueError: the names are no decoders, the latents or queries have the wrong shape, or
                `chunk_size` is below 1.
        """
        return self._decode(latents, queries, chunk_size)

    def _decode(
        self, latents: Tensor, queries: Queries | Mapping[str, Queries], chunk_size: int | None
    ) -> Tensor | dict[str, Tensor]:
        if isinstance(self.decoder, Decoder):
            return self.decoder(latents, queries, chunk_size=chunk_size)
        names = list(self.decoder)
        if not isinstance(queries, Mapping):
            raise ValueError(
                f"this model has decoders {names}, but the queries have no name; "
                f"give {{{names[0]!r}: queries}}"
            )
        if unknown := [name for name in queries if name not in self.decoder]:
            raise ValueError(f"there are no decoders {unknown}; expected some of {names}")
        return {
            name: self.decoder[name](latents, some, chunk_size=chunk_size)
            for name, some in queries.items()
        }
