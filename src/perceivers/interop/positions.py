"""Positions that other libraries compute."""

import torch
from torch import Tensor


def minicpm_positions(rows: int, columns: int, dim: int) -> Tensor:
    """Return MiniCPM-V's positions of an image's patches, for `Resampler`'s `key_position`.

    They are sines and cosines of the column and then of the row of a patch, counted from 0. Their
    frequencies fall from 1 to nearly 1/10000.

    Args:
        rows: patches along the height.
        columns: patches along the width.
        dim: D, channels of the latents; a multiple of 4.

    Returns:
        (1, rows · columns, D), row by row.

    Raises:
        ValueError: `dim` is no multiple of 4.
    """
    if dim % 4:
        raise ValueError(f"dim={dim}; expected a multiple of 4")
    frequencies = 10000.0 ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    column = torch.arange(columns, dtype=torch.float64)[:, None] * frequencies
    row = torch.arange(rows, dtype=torch.float64)[:, None] * frequencies
    parts = (column.sin(), column.cos(), row.sin(), row.cos())
    grid = [
        part.expand(rows, -1, -1) if i < 2 else part[:, None].expand(-1, columns, -1)
        for i, part in enumerate(parts)
    ]
    return torch.cat(grid, dim=-1).flatten(0, 1)[None].float()
