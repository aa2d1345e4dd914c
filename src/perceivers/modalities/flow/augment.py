"""Augmentation of pairs of frames, with the motion between them."""

import torch
from torch import Tensor

# B batch · H, W height and width · C channels


def flip_pairs(frames: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror pairs of frames along each axis with probability 0.5, and turn their motion with them.

    Args:
        frames: (B, 2, H, W, C).
        flow: (B, H, W, 2), motion in pixels to the right and down.
    """
    for axis, component in ((2, 0), (1, 1)):  # columns turn x round, rows turn y round
        chosen = torch.rand(len(frames), device=frames.device) < 0.5
        frames = torch.where(chosen[:, None, None, None, None], frames.flip(axis + 1), frames)
        mirrored = flow.flip(axis)
        mirrored[..., component] *= -1
        flow = torch.where(chosen[:, None, None, None], mirrored, flow)
    return frames, flow
