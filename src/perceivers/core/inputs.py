"""Inputs of a Perceiver: content, position and mask, as separate arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .positions import AxialPosition

# B batch · M inputs · C content channels · P position channels


@dataclass(frozen=True)
class Inputs:
    """A batch of input arrays of M elements: content, position and mask.

    Content and position stay separate until the cross-attend, so that positions which all examples
    share need not be copied for each example.
    """

    content: Tensor
    """Content of the elements, such as colours or samples: (B, M, C)."""
    position: Tensor | AxialPosition | None = None
    """Position of the elements: (1, M, P) if all examples share it, else (B, M, P). None: the
    elements have no position."""
    mask: Tensor | None = None
    """Boolean (B, M), True where an element is attended to. None: everywhere."""
    fusion: Literal["concatenate", "add"] = "concatenate"
    """How the cross-attend combines content and position: concatenated along the channels (the
    papers), or added (P = C)."""

    def __post_init__(self) -> None:
        content, mask = self.content, self.mask
        if content.ndim != 3:
            raise ValueError(
                f"content has shape {tuple(content.shape)}; expected (batch, elements, channels)"
            )
        if not content.shape[2]:
            raise ValueError(
                "content has no channels; expected at least one: use a channel of zeros for "
                "elements that have nothing but a position"
            )
        batch, elements = content.shape[:2]
        shape = () if self.position is None else tuple(self.position.shape)
        if shape and (len(shape) != 3 or shape[0] not in (1, batch) or shape[1] != elements):
            raise ValueError(
                f"position has shape {shape}; expected (1 or {batch}, {elements}, "
                "position channels), as the content has"
            )
        if shape and self.fusion == "add" and shape[2] != content.shape[2]:
            raise ValueError(
                f"position has {shape[2]} channels and content {content.shape[2]}; "
                "expected equally many with fusion='add'"
            )
        if mask is not None and (mask.shape != (batch, elements) or mask.dtype != torch.bool):
            raise ValueError(
                f"mask is {mask.dtype} of shape {tuple(mask.shape)}; expected torch.bool of shape "
                f"({batch}, {elements}), True where an element is attended to"
            )

    @property
    def dim(self) -> int:
        """Channels of an element in the cross-attend (`input_dim`): C + P, or C if added."""
        if self.position is None or self.fusion == "add":
            return self.content.shape[-1]
        return self.content.shape[-1] + self.position.shape[-1]

    @property
    def dense_position(self) -> Tensor | None:
        """The position as one vector per element, (1 or B, M, P), or None."""
        return self.position.dense() if isinstance(self.position, AxialPosition) else self.position

    def joined(self) -> Tensor:
        """Combine content and position as `fusion` says, (B, M, `dim`), in the content's dtype."""
        position = self.dense_position
        if position is None:
            return self.content
        position = position.to(self.content.dtype)
        if self.fusion == "add":
            return self.content + position
        return torch.cat([self.content, position.expand(self.content.shape[0], -1, -1)], dim=-1)

    def permuted(self, order: Tensor) -> "Inputs":
        """Return the same elements in another order, each with its position and mask.

        Args:
            order: (M,), one order for all examples, or (B, M), one per example. Entry i is the
                index of the element that comes i-th.
        """
        position = self.dense_position
        return replace(
            self,
            content=take(self.content, order),
            position=None if position is None else take(position, order),
            mask=None if self.mask is None else take(self.mask, order),
        )


def take(x: Tensor, index: Tensor) -> Tensor:
    """Return some elements of each example.

    Args:
        x: (1 or B, M, …).
        index: (K,), the same elements of all examples, or (B, K), others of each.

    Returns:
        (1 or B, K, …).
    """
    if index.ndim == 1:
        return x[:, index]
    rows = torch.arange(index.shape[0], device=index.device)[:, None]
    return x.expand(index.shape[0], *x.shape[1:])[rows, index]


def padded(parts: Sequence[Inputs], order: Tensor | None = None) -> Inputs:
    """Combine batches of different numbers of elements into one batch.

    Shorter examples are filled up with zeros to the largest number of elements. The padding is
    masked, so that each example gives the same output as alone. The positions become those of each
    example, (B, M, P), unless all parts hold the same object of shared positions. The result has no
    mask if no part has one and nothing is padded.

    Args:
        parts: batches of B_1, B_2, … examples, with equal channels.
        order: (B,), B = ΣB_i: the index, counted through all parts, of the example that comes
            i-th. None: one part after another.

    Raises:
        ValueError: there are no parts, or their channels or fusion differ.
    """
    if len(parts) == 1 and order is None:
        return parts[0]
    _check_alike(parts)
    sizes = [part.content.shape[:2] for part in parts]
    most = max(elements for _, elements in sizes)
    content = torch.cat([_filled(part.content, most) for part in parts])
    if order is None:
        order = torch.arange(content.shape[0], device=content.device)
    mask = None
    if any(part.mask is not None or part.content.shape[1] < most for part in parts):
        mask = torch.cat(
            [
                _filled(part.content.new_ones(size, dtype=torch.bool), most)
                if part.mask is None
                else _filled(part.mask, most)
                for part, size in zip(parts, sizes, strict=True)
            ]
        )[order]
    return Inputs(content[order], _positions(parts, most, order), mask, parts[0].fusion)


def _check_alike(parts: Sequence[Inputs]) -> None:
    kinds = {(part.content.shape[2], _channels(part.position), part.fusion) for part in parts}
    if len(kinds) != 1:
        raise ValueError(
            f"parts have (content channels, position channels, fusion) {sorted(kinds, key=str)}; "
            "expected at least one part, and all parts alike"
        )


def _channels(position: Tensor | AxialPosition | None) -> int:
    return 0 if position is None else position.shape[2]


def _positions(parts: Sequence[Inputs], most: int, order: Tensor) -> Tensor | AxialPosition | None:
    """Return each example's positions in order, (B, most, P), or what all parts share as it is."""
    first = parts[0].position
    if all(part.position is first for part in parts) and (first is None or first.shape[0] == 1):
        return first
    tables, rows, start = [], [], 0
    for part in parts:
        table = part.dense_position
        assert table is not None  # `_check_alike` made sure
        own = torch.arange(part.content.shape[0], device=order.device)
        rows.append(start + (own if table.shape[0] > 1 else torch.zeros_like(own)))
        tables.append(_filled(table, most))
        start += table.shape[0]
    return torch.cat(tables)[torch.cat(rows)[order]]


def _filled(x: Tensor, most: int) -> Tensor:
    """Pad with zeros or False at the end, (B, M, …) → (B, most, …)."""
    return F.pad(x, (0, 0) * (x.ndim - 2) + (0, most - x.shape[1]))
