"""Augmentation of batches of waveforms."""

import torch
from torch import Tensor

from ..augmentation import AugmentationConfig


def augment_waves(waves: Tensor, config: AugmentationConfig) -> Tensor:
    """Shift waveforms (B, S, C) in time at random, as configured."""
    return shift_in_time(waves, config.time_shift) if config.time_shift else waves


def shift_in_time(waves: Tensor, share: float) -> Tensor:
    """Move each waveform (B, S, C) by up to `share` of its length either way, silence following."""
    batch, samples, channels = waves.shape
    farthest = round(share * samples)
    by = torch.randint(-farthest, farthest + 1, (batch, 1), device=waves.device)
    index = torch.arange(samples, device=waves.device) - by
    inside = (index >= 0) & (index < samples)
    index = index.clamp(0, samples - 1)[..., None].expand(-1, -1, channels)
    return torch.where(inside[..., None], waves.gather(1, index), 0.0)
