"""The elements of several modalities as elements of one width, one after another."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...core import Inputs

# B batch · M elements · W common width


def widen(part: Inputs, embedding: Tensor) -> Inputs:
    """Widen content and position of a part to W channels, in which their sum is an element.

    Args:
        part: the elements of a modality, of `part.dim` channels.
        embedding: embedding of the modality (W - `part.dim`,), which fills the other channels.
    """
    width = part.dim + len(embedding)
    content = F.pad(part.content, (0, width - part.content.shape[-1]))
    elements = part.content.shape[1]
    embedding = embedding.expand(1, elements, -1)
    position = part.dense_position
    if position is None:
        position = embedding.new_zeros(1, elements, part.dim)
    else:
        # A position that the part adds shares the channels of the content; otherwise the
        # position follows the content.
        position = F.pad(position, (part.dim - position.shape[-1], 0))
        embedding = embedding.expand(position.shape[0], -1, -1)
    position = torch.cat([position, embedding], dim=-1)
    return Inputs(content, position, part.mask, fusion="add")


def masked(elements: int, like: Tensor, width: int) -> Inputs:
    """Return the masked elements of a part that no example has.

    Args:
        elements: number of elements M of the part.
        like: contents of another part, with the batch size, dtype and device to use.
        width: W.
    """
    return Inputs(
        like.new_zeros(like.shape[0], elements, width),
        like.new_zeros(1, elements, width),
        torch.zeros(like.shape[0], elements, dtype=torch.bool, device=like.device),
        fusion="add",
    )


def concatenate(parts: list[Inputs]) -> Inputs:
    """Concatenate the elements of all parts.

    Args:
        parts: their elements, all of the same width and with `fusion="add"`.
    """
    batch = parts[0].content.shape[0]
    positions = [part.dense_position for part in parts if part.dense_position is not None]
    num_positions = max(
        position.shape[0] for position in positions
    )  # 1 if shared, or the batch size
    mask = None
    if any(part.mask is not None for part in parts):
        mask = torch.cat(
            [
                part.content.new_ones(batch, part.content.shape[1], dtype=torch.bool)
                if part.mask is None
                else part.mask
                for part in parts
            ],
            dim=1,
        )
    return Inputs(
        torch.cat([part.content for part in parts], dim=1),
        torch.cat([position.expand(num_positions, -1, -1) for position in positions], dim=1),
        mask,
        fusion="add",
    )
