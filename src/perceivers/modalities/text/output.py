"""The output of language models: logits of the id of each byte."""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn
from typing_extensions import override

from ...core import Inputs, LearnedQueries, Queries
from ..adapter import Adapter
from ..output import Output
from .adapter import TextAdapter

# B batch · L bytes · C embedding_dim


class TextOutput(Output):
    """Logits of the 262 ids for each byte of the input, (B, L, 262).

    The logits are the products of what the decoder gives with the embeddings of the ids, which
    inputs and outputs share, plus a bias (https://huggingface.co/deepmind/language-perceiver). L is
    the length of the texts of the batch.

    Args:
        adapter: the adapter of the inputs.
        queries: "learned": a vector for each place in a text, as published; "elements": the
            elements of the input, content and position.
        hidden_share: share of the bytes that training hides.

    Raises:
        ValueError: the inputs are no texts, or the share is out of range.
    """

    name = "logits"
    gives_logits = True

    def __init__(
        self,
        adapter: Adapter,
        *,
        queries: Literal["learned", "elements"] = "learned",
        hidden_share: float = 0.15,
    ) -> None:
        super().__init__()
        if not isinstance(adapter, TextAdapter):
            raise ValueError(
                f"the output is the bytes of a text, but the inputs are made by a "
                f"{type(adapter).__name__}; expected text"
            )
        if not 0.01 <= hidden_share <= 0.99:
            raise ValueError(f"hidden_share={hidden_share}; expected a share from 0.01 to 0.99")
        embedding = adapter.embedding
        self.hidden_share = hidden_share
        self.positions: LearnedQueries | None = None
        if queries == "learned":
            self.positions = LearnedQueries(adapter.max_length, embedding.embedding_dim)
        self._query_dim = adapter.dim if self.positions is None else embedding.embedding_dim
        self._embedding_dim = embedding.embedding_dim
        self.bias = nn.Parameter(torch.zeros(embedding.num_embeddings))

    @property
    @override
    def meaning(self) -> str:
        return (
            "logits of the id of each byte of the text: an id is the byte plus 6, and those "
            "below 6 are no bytes"
        )

    @property
    @override
    def query_dim(self) -> int:
        return self._query_dim

    @property
    @override
    def num_channels(self) -> int:
        return len(self.bias)

    @property
    @override
    def decoded_dim(self) -> int | None:
        return None if self._query_dim == self._embedding_dim else self._embedding_dim

    @override
    def queries(self, inputs: Inputs | None) -> Queries:
        """Return a query for each byte of the input; None: for the longest text.

        Raises:
            ValueError: `inputs` is None, but the queries are the inputs.
        """
        if self.positions is None:
            if inputs is None:
                raise ValueError("the queries are the inputs; pass model.elements(x)")
            return replace(Queries.of(inputs), mask=None)
        queries = self.positions()
        if inputs is None:
            return queries
        assert isinstance(queries.position, Tensor)
        return Queries(position=queries.position[:, : inputs.content.shape[1]])

    @override
    def forward(self, decoded: Tensor, adapter: Adapter, part: str = "") -> Tensor:
        assert isinstance(adapter, TextAdapter)
        return decoded @ adapter.embedding.weight.T + self.bias
