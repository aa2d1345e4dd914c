"""Prediction of frames of any size in overlapping tiles of the size that a model was trained on."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

OVERLAP = 20  # pixels, as in DeepMind's code


def in_tiles(
    predict: Callable[[Tensor], Tensor],
    frames: Tensor,
    size: tuple[int, int],
    overlap: int = OVERLAP,
) -> Tensor:
    """Predict the flow of frames in tiles, and blend the tiles where they overlap.

    As in DeepMind's code, tiles are weighted by the distance of a pixel from the border of its
    tile, and the last tile of each axis ends at the border of the frame. A frame that is smaller
    than a tile is extended by its border pixels.

    Args:
        predict: returns the flow (B, h, w, 2) of frames (B, 2, h, w, C).
        frames: (B, 2, H, W, C).
        size: h and w of a tile.
        overlap: pixels that neighbouring tiles share at least.

    Returns:
        (B, H, W, 2).

    Raises:
        ValueError: `overlap` is not smaller than a tile.
    """
    if not 0 <= overlap < min(size):
        raise ValueError(f"overlap={overlap}; expected at least 0 and less than {min(size)} pixels")
    height, width = frames.shape[2:4]
    frames = _extended(frames, size)
    rows, columns = frames.shape[2:4]
    weights = _weights(size, frames.device)
    flow = torch.zeros(len(frames), rows, columns, 2, device=frames.device)
    total = torch.zeros(rows, columns, 1, device=frames.device)
    for top in starts(rows, size[0], overlap):
        for left in starts(columns, size[1], overlap):
            tile = (slice(top, top + size[0]), slice(left, left + size[1]))
            flow[:, *tile] += predict(frames[:, :, *tile]) * weights
            total[tile] += weights
    return (flow / total)[:, :height, :width]


def starts(length: int, size: int, overlap: int) -> Iterator[int]:
    """Yield where the tiles along an axis begin.

    Args:
        length: pixels of the axis, at least `size`.
        size: pixels of a tile.
        overlap: pixels that neighbouring tiles share at least.
    """
    start = 0
    while start + size < length:
        yield start
        start += size - overlap
    yield length - size


def _weights(size: tuple[int, int], device: torch.device) -> Tensor:
    """Return the distance of each pixel of a tile from the border, (h, w, 1), at least 1."""
    along = [
        torch.minimum(torch.arange(1, n + 1, device=device), torch.arange(n, 0, -1, device=device))
        for n in size
    ]
    return torch.minimum(along[0][:, None], along[1])[..., None].float()


def _extended(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Repeat the last row and column up to a size, (B, 2, H, W, C) → (B, 2, ≥ h, ≥ w, C)."""
    missing = [max(0, n - m) for n, m in zip(size, frames.shape[2:4], strict=True)]
    if not any(missing):
        return frames
    planes = frames.movedim(-1, 2).flatten(1, 2).float()
    planes = F.pad(planes, (0, missing[1], 0, missing[0]), mode="replicate").to(frames.dtype)
    return planes.unflatten(1, (2, -1)).movedim(2, -1)
