"""Base class of the outputs of Perceiver IO: what to query, and what the decoded vectors mean."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from ..core import Inputs, Queries
from .adapter import Adapter

# B batch · O outputs · F query_dim · E decoded_dim · K channels of an output


class Output(nn.Module, ABC):
    """What a model of Perceiver IO gives: one query for each output, and their arrangement.

    `queries` says what is asked of the latents, `forward` turns what the decoder gives for each
    query into channels of the output, and `arrange` gives all of them the shape of the modality.
    An output depends on its own query alone, so that the decoder can work in chunks.
    """

    name: ClassVar[str] = "values"
    """Name of the output in an exported program."""
    gives_logits: ClassVar[bool] = False
    """Whether the channels are logits of exclusive classes."""

    @property
    def meaning(self) -> str:
        """What the numbers are, in words, for the users of an exported model."""
        return f"{self.num_channels} channels for each query"

    def by_part(self) -> Mapping[str, "Output"]:
        """Return the outputs of which this one is a dictionary; empty if it is a tensor."""
        return {}

    @property
    @abstractmethod
    def query_dim(self) -> int:
        """F, channels of a query."""

    @property
    @abstractmethod
    def num_channels(self) -> int:
        """K, channels of an output."""

    @property
    def decoded_dim(self) -> int | None:
        """E, channels to which the decoder maps linearly; None: F, without a linear map."""
        return self.num_channels

    @abstractmethod
    def queries(self, inputs: Inputs | None) -> Queries | Mapping[str, Queries]:
        """Return the queries for all outputs.

        Args:
            inputs: the elements that were encoded; None where the queries do not depend on them.
        """

    def queries_at(self, inputs: Inputs | None, at: Any) -> Queries | Mapping[str, Queries]:
        """Return the queries for some of the outputs.

        Args:
            inputs: see `queries`.
            at: indices of the queries, int64 (K,), by the name of their set ("" if there is one
                without a name).
        """
        queries = self.queries(inputs)
        sets = queries if isinstance(queries, Mapping) else {"": queries}
        some = {name: sets[name].at(index) for name, index in at.items()}
        return some if isinstance(queries, Mapping) else some[""]

    def forward(self, decoded: Tensor, adapter: Adapter, part: str = "") -> Tensor:
        """Turn what the decoder gives for some queries into outputs, (B, O, E) → (B, O, K).

        Args:
            decoded: (B, O, E), for any run of the queries.
            adapter: the adapter of the inputs, whose weights an output may share.
            part: name of the set of queries; empty if they have no names.
        """
        return decoded

    def values(self, batch: Any) -> Any:
        """Return what a perfect reconstruction of a raw batch would be: the inverse of `arrange`.

        Args:
            batch: a raw batch of this modality.

        Returns:
            Values of all queries, (B, O, K).

        Raises:
            ValueError: these outputs are no reconstruction of the inputs, or of another size.
        """
        raise ValueError(f"{type(self).__name__} rebuilds no inputs")

    def arrange(self, values: Any, batch: Any) -> Any:
        """Give outputs the shape of the modality.

        Args:
            values: outputs of all queries, (B, O, K).
            batch: the raw batch that was encoded.
        """
        return values
