"""Rotary positions (arXiv 2104.09864), and sequences that have them."""

from typing import NamedTuple

import torch
from torch import Tensor

# B batch · S tokens · D dim · H heads · K head_dim · R rotated channels

LONGEST_WAVE = 10_000.0  # of the rotary positions, divided by 2π


class Rotation(NamedTuple):
    """Rotary positions of the channels of a head; of the first R, i and i + R / 2 are a pair."""

    cos: Tensor
    """Cosines, (S, K), or (B, 1, S, K) if the positions differ from example to example; 1 for
    channels that are not rotated."""
    sin: Tensor
    """Sines of the same shape, negative for the first channel of a pair; 0 for the others."""
    partner: Tensor
    """The other channel of each pair, (K,); for channels that are not rotated, themselves."""

    def __call__(self, x: Tensor) -> Tensor:
        """Rotate heads, (B, H, S, K)."""
        cos, sin, partner = self
        if cos.dtype != x.dtype:  # under autocast
            cos, sin = cos.to(x.dtype), sin.to(x.dtype)
        return torch.addcmul(x * cos, x[..., partner], sin)

    def run(self, start: int, end: int | None) -> "Rotation":
        """Return the rotary positions from one place to another."""
        cos, sin, partner = self
        return Rotation(cos[..., start:end, :], sin[..., start:end, :], partner)


def rotation_at(places: Tensor, rotated: int, head_dim: int, dtype: torch.dtype) -> Rotation:
    """Return the rotary positions of places in a sequence.

    Args:
        places: whole numbers, (S,) for all examples or (B, S).
        rotated: R, number of channels of a head that are rotated.
        head_dim: K, number of channels of a head.
        dtype: type of the result. The angles are float64: those of far places are so many turns
            that float32 would leave few digits of the rest.
    """
    device, half = places.device, rotated // 2
    pairs = torch.arange(half, device=device, dtype=torch.float64)
    angles = places[..., None] * LONGEST_WAVE ** (-pairs / max(1, half))
    if places.ndim == 2:
        angles = angles[:, None]
    rest = angles.new_zeros(*angles.shape[:-1], head_dim - rotated)
    whole, sin = torch.cat([angles, angles, rest], dim=-1), angles.sin()
    signed = torch.cat([-sin, sin, rest], dim=-1)
    channels = torch.arange(head_dim, device=device)
    partner = torch.cat([channels[half:rotated], channels[:half], channels[rotated:]])
    return Rotation(whole.cos().to(dtype), signed.to(dtype), partner)


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
        real = None if self.real is None else self.real[:, start:end]
        return Embedded(self.x[:, start:end], self.rotation.run(start, end), real)

    def thinned(self, share: float) -> "Embedded":
        """Leave out a share of the tokens of each example, at random; the others keep order."""
        batch, length, dim = self.x.shape
        keep = length - int(length * share)
        drawn = torch.rand(batch, length, device=self.x.device).argsort(dim=1)
        places = drawn[:, :keep].sort(dim=1)[0]  # (B, keep)
        cos, sin, partner = self.rotation
        index = places[:, None, :, None].expand(-1, -1, -1, cos.shape[-1])
        cos, sin = (x.expand(batch, 1, length, -1).gather(2, index) for x in (cos, sin))
        real = None if self.real is None else self.real.gather(1, places)
        x = self.x.gather(1, places[..., None].expand(-1, -1, dim))
        return Embedded(x, Rotation(cos, sin, partner), real)
