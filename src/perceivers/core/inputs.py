"""What a Perceiver reads: content, position and mask, kept apart."""

from dataclasses import dataclass

import torch
from torch import Tensor

# B batch · M inputs · C content channels · P position channels


@dataclass(frozen=True)
class Inputs:
    """A batch of input arrays: M elements, each with what was sensed and where.

    Content and position stay apart until the cross-attend, so that positions which all examples
    share need not be copied to each of them.
    """

    content: Tensor
    """What was sensed, (B, M, C)."""
    position: Tensor | None = None
    """Where it was sensed: (1, M, P) if shared by all examples, else (B, M, P). None: nowhere."""
    mask: Tensor | None = None
    """Boolean (B, M), True = attend. None: every element is there."""

    def __post_init__(self) -> None:
        content, position, mask = self.content, self.position, self.mask
        if content.ndim != 3:
            raise ValueError(
                f"content has shape {tuple(content.shape)}; expected (batch, elements, channels)"
            )
        batch, elements = content.shape[:2]
        if position is not None and (
            position.ndim != 3
            or position.shape[0] not in (1, batch)
            or position.shape[1] != elements
        ):
            raise ValueError(
                f"position has shape {tuple(position.shape)}; expected (1 or {batch}, {elements}, "
                "position channels) to go with the content"
            )
        if mask is not None and (mask.shape != (batch, elements) or mask.dtype != torch.bool):
            raise ValueError(
                f"mask is {mask.dtype} of shape {tuple(mask.shape)}; expected torch.bool of shape "
                f"({batch}, {elements}), True where an element is to be attended to"
            )

    @property
    def dim(self) -> int:
        """C + P: channels of one element as the cross-attend sees it (`input_dim`)."""
        return self.content.shape[-1] + (0 if self.position is None else self.position.shape[-1])

    def concatenated(self) -> Tensor:
        """Content and position side by side, (B, M, C + P), in the content's dtype."""
        if self.position is None:
            return self.content
        position = self.position.to(self.content.dtype).expand(self.content.shape[0], -1, -1)
        return torch.cat([self.content, position], dim=-1)
