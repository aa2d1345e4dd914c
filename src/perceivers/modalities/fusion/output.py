"""The outputs of several modalities, decoded together."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from ...core import AxialPosition, Inputs, Queries
from ...core.init import init_linear, trunc_normal
from ..adapter import Adapter
from ..array.output import GridOutput
from ..output import Output
from .adapter import EMBEDDING_STD, is_part_name


class FusionOutput(Output):
    """A dictionary of outputs of several modalities, which one decoder gives.

    As in the published autoencoder (arXiv 2107.14795, §4.3), a learned embedding of its modality
    fills the queries of each part up to a common width, the decoder maps all of them to
    `decoded_dim` channels, and a linear map of each part's own follows.

    Args:
        parts: the output of each modality by its name.
        decoded_dim: channels that the decoder gives for each query.
        min_embedding_dim: channels of the embedding of the part with the widest queries.

    Raises:
        ValueError: there are no parts, an impossible name, or a number below 1.
    """

    def __init__(
        self, parts: Mapping[str, Output], *, decoded_dim: int, min_embedding_dim: int
    ) -> None:
        super().__init__()
        if not parts or min(decoded_dim, min_embedding_dim) < 1:
            raise ValueError(
                f"parts={list(parts)}, decoded_dim={decoded_dim}, "
                f"min_embedding_dim={min_embedding_dim}; expected at least one part, and numbers "
                "of at least 1"
            )
        if wrong := [name for name in parts if not is_part_name(name)]:
            raise ValueError(f"a modality cannot be called {wrong[0]!r}; expected an identifier")
        self._decoded_dim = decoded_dim
        self._query_dim = max(part.query_dim for part in parts.values()) + min_embedding_dim
        self.parts = nn.ModuleDict(parts)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(decoded_dim, part.num_channels) for name, part in parts.items()}
        )
        self.embeddings = nn.ParameterDict(
            {name: torch.empty(self._query_dim - p.query_dim) for name, p in parts.items()}
        )
        for head in self.heads.values():
            assert isinstance(head, nn.Linear)
            init_linear(head)
        for embedding in self.embeddings.values():
            trunc_normal(embedding, EMBEDDING_STD)

    @property
    @override
    def meaning(self) -> str:
        return "; ".join(f"{name}: {part.meaning}" for name, part in self._outputs().items())

    @override
    def by_part(self) -> dict[str, Output]:
        return self._outputs()

    @property
    @override
    def query_dim(self) -> int:
        return self._query_dim

    @property
    @override
    def num_channels(self) -> int:
        """Channels of the outputs of all parts together."""
        return sum(part.num_channels for part in self._outputs().values())

    @property
    @override
    def decoded_dim(self) -> int:
        return self._decoded_dim

    @override
    def queries(self, inputs: Inputs | None) -> dict[str, Queries]:
        return {name: self._widened(name, part) for name, part in self._outputs().items()}

    @override
    def forward(self, decoded: Tensor, adapter: Adapter, part: str = "") -> Tensor:
        out: Tensor = self.heads[part](decoded)
        return out

    @override
    def values(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the values of the parts that are rebuilt and that the batch has."""
        outputs = self._outputs()
        return {
            name: part.values(batch[name])
            for name, part in outputs.items()
            if isinstance(part, GridOutput) and name in batch
        }

    @override
    def arrange(self, values: Mapping[str, Tensor], batch: Any) -> dict[str, Tensor]:
        """Arrange the outputs of each part; parts that were not decoded are left out."""
        outputs = self._outputs()
        return {name: outputs[name].arrange(value, batch) for name, value in values.items()}

    def _outputs(self) -> dict[str, Output]:
        """Return the parts, typed as outputs."""
        return {name: part for name, part in self.parts.items() if isinstance(part, Output)}

    def _widened(self, name: str, part: Output) -> Queries:
        """Fill the queries of a part with its embedding."""
        queries, embedding = part.queries(None), self.embeddings[name]
        assert isinstance(queries, Queries)
        position = queries.position
        assert position is not None
        own = F.pad(embedding, (part.query_dim, 0))
        if isinstance(position, AxialPosition):  # the first of the tables, whose sum it is, has it
            tables = [F.pad(table, (0, len(embedding))) for table in position.tables]
            return Queries(position=AxialPosition((tables[0] + own, *tables[1:])))
        return Queries(position=F.pad(position, (0, len(embedding))) + own)
