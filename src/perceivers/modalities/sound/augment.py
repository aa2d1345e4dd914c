"""Augmentation of batches of waveforms."""

import torch
from torch import Tensor

from ..augmentation import AugmentationConfig


def augment_waves(waves: Tensor, config: AugmentationConfig) -> Tensor:
    """Shift waveforms (B, S, C) in time at random, as configured."""
    return shift_in_time(waves, config.time_shift) if config.time_shift else waves


def shift_in_time(waves: Tensor, share: float) -> Tensor:
    """Shift each waveform by a random number of samples and fill the gap with silence.

    Args:
        waves: (B, S, C).
        share: largest shift in either direction, as a fraction of S.

    Returns:
        (B, S, C).
    """
    batch, samples, channels = waves.shape
    max_shift = round(share * samples)
    shift = torch.randint(-max_shift, max_shift + 1, (batch, 1), device=waves.device)
    index = torch.arange(samples, device=waves.device) - shift
    inside = (index >= 0) & (index < samples)
    index = index.clamp(0, samples - 1)[..., None].expand(-1, -1, channels)
    return torch.where(inside[..., None], waves.gather(1, index), 0.0)
