"""Rotary positions (arXiv 2104.09864), and sequences that have them."""

from typing import NamedTuple

import torch
from torch import Tensor

# B batch · S tokens · D dim · H heads · K head_dim · R rotated channels

LONGEST_WAVE = 10_000.0  # of the rotary positions, divided by 2π


class Rotation(NamedTuple):
    """Cosines and sines of the angles of rotary positions."""

    cos: Tensor
    """(S, R / 2), or (B, 1, S, R / 2) if the positions differ from example to example."""
    sin: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Rotate the first R channels of each head, in pairs (i, i + R / 2); (B, H, S, K)."""
        half = self.cos.shape[-1]
        if not half:
            return x
        first, second, rest = x.split([half, half, x.shape[-1] - 2 * half], dim=-1)
        cos, sin = self.cos.to(x.dtype), self.sin.to(x.dtype)
        return torch.cat([first * cos - second * sin, second * cos + first * sin, rest], dim=-1)


def rotation_at(places: Tensor, channels: int, dtype: torch.dtype) -> Rotation:
    """Return the rotary positions of places in a sequence.

    Args:
        places: whole numbers, (S,) for all examples or (B, S).
        channels: R, number of channels of a head that are rotated.
        dtype: type of the result. The angles are float64: those of far places are so many turns
            that float32 would leave few digits of the rest.
    """
    pairs = torch.arange(0, channels, 2, device=places.device, dtype=torch.float64)
    angles = places[..., None] * LONGEST_WAVE ** (-pairs / max(1, channels))
    if places.ndim == 2:
        angles = angles[:, None]
    return Rotation(angles.cos().to(dtype), angles.sin().to(dtype))


class Embedded(NamedTuple):
    """Embedded tokens, with their positions."""

    x: Tensor
    """(B, S, D)."""
    rotation: Rotation
    """Their rotary positions."""
    real: Tensor | None
    """Boolean (B, S), False at padding; None: there is no padding."""

    def run(self, start: int, end: int | None) -> "Embedded":
        """Return the tokens from one place to another."""
        rotation = Rotation(*(part[..., start:end, :] for part in self.rotation))
        real = None if self.real is None else self.real[:, start:end]
        return Embedded(self.x[:, start:end], rotation, real)

    def thinned(self, share: float) -> "Embedded":
        """Leave out a share of the tokens of each example, at random; the others keep order."""
        batch, length, dim = self.x.shape
        keep = length - int(length * share)
        drawn = torch.rand(batch, length, device=self.x.device).argsort(dim=1)
        places = drawn[:, :keep].sort(dim=1)[0]  # (B, keep)
        every = (part.expand(batch, 1, length, -1) for part in self.rotation)
        index = places[:, None, :, None]
        rotation = Rotation(*(p.gather(2, index.expand(-1, -1, -1, p.shape[3])) for p in every))
        real = None if self.real is None else self.real.gather(1, places)
        return Embedded(self.x.gather(1, places[..., None].expand(-1, -1, dim)), rotation, real)
