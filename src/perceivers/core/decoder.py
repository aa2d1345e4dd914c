"""The decoder of Perceiver IO: queries attend to the latents, one query for each output."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .init import init_linear
from .inputs import Inputs
from .layers import CrossAttend
from .linear import Linear
from .options import DEFAULT_OPTIONS, LayerOptions
from .positions import AxialPosition
from .queries import Queries
from .sources import KeyValueSource

# B batch · N latents · D latent_dim · O outputs · F query_dim

Head = Callable[[Tensor], Tensor]

# Queries that an exported program decodes at a time: few chunks, of which each is some nodes.
EXPORTED_CHUNK = 2**15


class Decoder(nn.Module):
    """Decoder of Perceiver IO (arXiv 2107.14795): a cross-attend from queries to latents.

    It computes y = q + attention(LN q, LN z), then y + feed-forward(y), then a linear map. An
    output depends on its own query and on the latents alone, so that any part of the outputs can be
    decoded by itself.

    Args:
        latent_dim: D, channels of the latents.
        query_dim: F, channels of a query, position included.
        output_dim: channels of an output; None: F, without the linear map.
        options: heads, widths, dropout and feed-forward. `qk_dim=None` stands for D here, as
            published, also where F is smaller.
        use_query_residual: whether q is part of y. It is in the published image classifiers, and
            not where the outputs mean something else than the queries, such as flow at a position.

    Raises:
        ValueError: an option is invalid.
    """

    def __init__(
        self,
        latent_dim: int,
        query_dim: int,
        output_dim: int | None = None,
        options: LayerOptions = DEFAULT_OPTIONS,
        *,
        use_query_residual: bool = False,
    ) -> None:
        super().__init__()
        if options.qk_dim is None:
            options = replace(options, qk_dim=latent_dim)
        self.latent_dim = latent_dim
        self.query_dim = query_dim
        self.cross_attend = CrossAttend(
            query_dim, latent_dim, options, use_query_residual=use_query_residual
        )
        self.output = nn.Identity() if output_dim is None else Linear(query_dim, output_dim)
        self.init_weights()

    def forward(
        self,
        latents: Tensor,
        queries: Queries | Mapping[str, Queries],
        *,
        chunk_size: int | None = None,
        heads: Mapping[str, Head] | None = None,
    ) -> Tensor | dict[str, Tensor]:
        """Decode latents (B, N, D) at the queries.

        Args:
            latents: what an encoder returned.
            queries: O queries, or several sets of them by name. All sets read the same keys and
                values, which are computed once.
            chunk_size: queries that are decoded at a time; the backward pass computes each chunk
                again. Only the outputs are stored for all queries. None: all at once.
            heads: what to apply to the outputs of each chunk, by name of the set of queries, "" if
                there is one without a name; so wide outputs are never stored for all queries.

        Returns:
            Outputs (B, O, output_dim), zero where the queries are masked; a dictionary of them if
            `queries` is a mapping.

        Raises:
            ValueError: the latents or queries have the wrong shape, or `chunk_size` is below 1.
        """
        sets = queries if isinstance(queries, Mapping) else {"": queries}
        self._check(latents, sets, chunk_size)
        source = self.cross_attend.source(Inputs(latents))
        if torch.compiler.is_exporting():
            sets = {name: _computed_late(some, latents) for name, some in sets.items()}
        outputs = {
            name: self._decode(some, source, latents.dtype, chunk_size, (heads or {}).get(name))
            for name, some in sets.items()
        }
        return outputs if isinstance(queries, Mapping) else outputs[""]

    def _check(self, latents: Tensor, sets: Mapping[str, Queries], chunk_size: int | None) -> None:
        if latents.ndim != 3 or latents.shape[2] != self.latent_dim:
            raise ValueError(
                f"latents have shape {tuple(latents.shape)}; this decoder was built for (batch, "
                f"latents, {self.latent_dim})"
            )
        for name, queries in sets.items():
            label = f"queries {name!r}" if name else "queries"
            if queries.dim != self.query_dim:
                raise ValueError(
                    f"{label} have {queries.dim} channels (content and position together); this "
                    f"decoder was built for query_dim={self.query_dim}"
                )
            batch = latents.shape[0]  # len() would fix the batch of an exported program
            if queries.batch not in (1, batch):
                raise ValueError(
                    f"{label} are for {queries.batch} examples; expected {batch}, as the "
                    "latents have, or 1 for all"
                )
        if chunk_size is not None and chunk_size < 1:
            raise ValueError(f"chunk_size={chunk_size}; expected at least 1, or None for no chunks")

    def _decode(
        self,
        queries: Queries,
        source: KeyValueSource,
        dtype: torch.dtype,
        size: int | None,
        head: Head | None,
    ) -> Tensor:
        exporting = torch.compiler.is_exporting()
        if exporting and size is not None:
            # The number of chunks of a program is fixed: as many as there are queries may vary.
            size = EXPORTED_CHUNK if isinstance(queries.num_outputs, int) else None
        if size is None or queries.num_outputs <= size:
            return self._decode_chunk(lambda: queries, source, dtype, head)
        parts = (
            checkpoint(self._decode_chunk, chunk, source, dtype, head, use_reentrant=False)
            if torch.is_grad_enabled() and not exporting
            else self._decode_chunk(chunk, source, dtype, head)
            for chunk in queries.chunks(size)
        )
        return torch.cat(list(parts), dim=1)

    def _decode_chunk(
        self,
        chunk: Callable[[], Queries],
        source: KeyValueSource,
        dtype: torch.dtype,
        head: Head | None,
    ) -> Tensor:
        """Decode the queries that `chunk` returns, (B, O, output_dim)."""
        queries = chunk()
        out = self.output(self.cross_attend(queries.joined(dtype), source))
        out = out if head is None else head(out)
        return out if queries.mask is None else torch.where(queries.mask[..., None], out, 0.0)

    def init_weights(self) -> None:
        """Initialise all linear layers by variance scaling on fan-in, as DeepMind's code does."""
        self.cross_attend.init_weights()
        if isinstance(self.output, nn.Linear):
            init_linear(self.output)


def _computed_late(queries: Queries, latents: Tensor) -> Queries:
    """Let the positions of a grid depend on the latents, by adding 0.

    What depends on weights alone, onnxruntime computes when it loads a program, and keeps: the
    queries of all chunks at once.
    """
    position = queries.position
    if not isinstance(position, AxialPosition):
        return queries
    zero = (latents[:1, 0, :1] > math.inf).to(position.tables[0].dtype)
    return replace(queries, position=AxialPosition(tuple(x + zero for x in position.tables)))
