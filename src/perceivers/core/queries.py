"""Queries of a decoder: what is to be known about each output element."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from .inputs import Inputs, take
from .positions import AxialPosition, LearnedPosition

# B batch · O outputs · C content channels · P position channels · F query_dim


@dataclass(frozen=True)
class Queries:
    """A batch of queries, one for each of O output elements: content, position and mask.

    Each part is shared by all examples, (1, O, …), or belongs to each of them, (B, O, …). Content
    or position may be missing, but not both.
    """

    content: Tensor | None = None
    """What is known of the elements, (1 or B, O, C): learned vectors, or the inputs themselves."""
    position: Tensor | AxialPosition | None = None
    """Where the elements are, (1 or B, O, P)."""
    mask: Tensor | None = None
    """Boolean (1 or B, O), True where an output is wanted; other outputs are zero. None: all."""
    fusion: Literal["concatenate", "add"] = "concatenate"
    """How content and position are combined: concatenated along the channels, or added (P = C)."""

    def __post_init__(self) -> None:
        content, position, mask = self.content, self.position, self.mask
        if content is None and position is None:
            raise ValueError("queries have neither content nor position; give at least one")
        for name, part in (("content", content), ("position", position)):
            if part is not None and (len(part.shape) != 3 or not part.shape[2]):
                raise ValueError(
                    f"{name} of the queries has shape {tuple(part.shape)}; expected (1 or batch, "
                    "outputs, channels) with at least one channel"
                )
        if mask is not None and (mask.ndim != 2 or mask.dtype != torch.bool):
            raise ValueError(
                f"mask of the queries is {mask.dtype} of shape {tuple(mask.shape)}; expected "
                "torch.bool of shape (1 or batch, outputs), True where an output is wanted"
            )
        shapes = [tuple(part.shape[:2]) for part in (content, position, mask) if part is not None]
        if any(shape[1] != self.num_outputs or shape[0] not in (1, self.batch) for shape in shapes):
            raise ValueError(
                f"content, position and mask of the queries have (batch, outputs) {shapes}; "
                "expected as many outputs in all, and the same batch or 1"
            )
        channels = {part.shape[2] for part in (content, position) if part is not None}
        if self.fusion == "add" and len(channels) > 1:
            raise ValueError(
                f"content and position of the queries have {sorted(channels)} channels; "
                "expected equally many with fusion='add'"
            )

    @classmethod
    def of(cls, inputs: Inputs) -> "Queries":
        """Return queries that are the inputs themselves, one output for each input element."""
        return cls(inputs.content, inputs.position, inputs.mask, inputs.fusion)

    @property
    def batch(self) -> int:
        """B, or 1 if all examples share the queries."""
        parts = (self.content, self.position, self.mask)
        return max(part.shape[0] for part in parts if part is not None)

    @property
    def num_outputs(self) -> int:
        """O, the number of queries."""
        part = self.position if self.content is None else self.content
        assert part is not None  # checked when the queries are made
        return part.shape[1]

    @property
    def dim(self) -> int:
        """Channels of a query (`query_dim`): C + P, or C if added."""
        channels = [part.shape[2] for part in (self.content, self.position) if part is not None]
        return channels[0] if self.fusion == "add" else sum(channels)

    def joined(self, dtype: torch.dtype) -> Tensor:
        """Combine content and position as `fusion` says.

        Args:
            dtype: floating type of the result.

        Returns:
            (1 or B, O, F).
        """
        position = self.position
        if isinstance(position, AxialPosition):
            position = position.dense()
        if self.content is None or position is None:
            only = position if self.content is None else self.content
            assert only is not None
            return only.to(dtype)
        content = self.content.expand(max(self.content.shape[0], position.shape[0]), -1, -1)
        return Inputs(content.to(dtype), position, fusion=self.fusion).joined()

    def at(self, index: Tensor) -> "Queries":
        """Return some of the queries, to decode only these outputs.

        Args:
            index: integers (K,), the same outputs for all examples, or (B, K), others for each.

        Raises:
            ValueError: the shape of `index` is neither.
        """
        if index.ndim not in (1, 2) or (index.ndim == 2 and self.batch not in (1, index.shape[0])):
            expected = "(K,) or (B, K)" if self.batch == 1 else f"(K,) or ({self.batch}, K)"
            raise ValueError(f"index has shape {tuple(index.shape)}; expected {expected}")
        position = self.position
        if isinstance(position, AxialPosition):
            position = position.at(index if index.ndim == 2 else index[None])
        elif position is not None:
            position = take(position, index)
        return replace(
            self,
            content=None if self.content is None else take(self.content, index),
            position=position,
            mask=None if self.mask is None else take(self.mask, index),
        )

    def chunks(self, size: int) -> Iterator[Callable[[], "Queries"]]:
        """Yield a function for each run of at most `size` queries, which returns these queries.

        The dense positions of a grid are made when the function is called.

        Args:
            size: queries per chunk, at least 1.
        """
        count = max(1, -(-self.num_outputs // size))
        # The backward pass of a split is one concatenation; that of many slices is one array of
        # the size of the whole for each slice.
        content, position, mask = (
            part.split(size, dim=1) if isinstance(part, Tensor) else [part] * count
            for part in (self.content, self.position, self.mask)
        )
        for i in range(count):
            chunk = partial(replace, self, content=content[i], mask=mask[i])
            if isinstance(self.position, AxialPosition):
                run = slice(i * size, min((i + 1) * size, self.num_outputs))
                yield partial(_with_run, chunk, self.position, run)
            else:
                yield partial(chunk, position=position[i])


def _with_run(chunk: Callable[..., Queries], position: AxialPosition, run: slice) -> Queries:
    """Return a chunk with the positions of a run of elements of a grid."""
    index = torch.arange(run.start, run.stop, device=position.tables[0].device)
    return chunk(position=position.at(index[None]))


class LearnedQueries(nn.Module):
    """Learned queries, shared by the batch: one for each class head, task or output element.

    Args:
        num_queries: O.
        query_dim: F.
        init_std: standard deviation of the initial queries (Perceiver IO's code: 0.02).
    """

    def __init__(self, num_queries: int, query_dim: int, *, init_std: float = 0.02) -> None:
        super().__init__()
        self.position = LearnedPosition(num_queries, query_dim, init_std=init_std)

    def forward(self) -> Queries:
        """Return the queries, (1, O, F)."""
        return Queries(position=self.position())
