"""Mixup and CutMix of batches."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..modalities import InputConfig, modality_of
from .config import DataConfig


def mix(examples: Any, targets: Tensor, *, mixup: float, cutmix: float) -> tuple[Any, Tensor]:
    """Apply mixup (arXiv 1710.09412) or CutMix (arXiv 1905.04899) to a batch.

    Example i is mixed with example B - 1 - i, in one random proportion for the whole batch.

    Args:
        examples: images (B, H, W, C), uint8. Mixup also takes other numbers (B, …), a list of
            arrays that differ in length, or a dictionary of either by modality; a modality that an
            example lacks is mixed in as the zeros that stand in its place.
        targets: class probabilities (B, classes).
        mixup: parameter of the Beta distribution of the proportion; 0: no mixup.
        cutmix: the same for CutMix; 0: no CutMix. If both are on, each call uses one of the two,
            drawn at random.

    Returns:
        The mixed examples, and the targets mixed in the same proportion. Mixup returns floats, and
        uint8 values scaled to [0, 1].

    Raises:
        ValueError: mixup of integers other than uint8, such as the bytes of texts, or CutMix of
            anything but images.
    """
    use_cutmix = bool(cutmix) and (not mixup or torch.rand(()).item() < 0.5)
    alpha = cutmix if use_cutmix else mixup
    if not alpha:
        return examples, targets
    kept = float(torch.distributions.Beta(alpha, alpha).sample())
    if use_cutmix:
        if not isinstance(examples, Tensor) or examples.dtype != torch.uint8 or examples.ndim != 4:
            raise ValueError("CutMix needs images (B, H, W, C) uint8; set cutmix=0")
        examples, kept = _paste(examples, kept)
    elif isinstance(examples, dict):
        examples = {name: _blend(x, kept) for name, x in examples.items()}
    else:
        examples = _blend(examples, kept)
    return examples, kept * targets + (1 - kept) * targets.flip(0)


def _blend(x: Any, kept: float) -> Any:
    """Average numbers (B, …) with their reversal along the batch; booleans by logical or.

    The shorter of two examples is padded with zeros: silence, or black.
    """
    if isinstance(x, list):
        mixed = _blend(pad_sequence(x, batch_first=True), kept)
        pairs = zip(x, reversed(x), strict=True)
        return [row[: max(len(a), len(b))] for row, (a, b) in zip(mixed, pairs, strict=True)]
    if x.dtype == torch.bool:
        return x | x.flip(0)
    if x.dtype != torch.uint8 and not x.is_floating_point():
        raise ValueError("bytes of texts cannot be mixed; set mixup=0")
    x = x.float() / 255 if x.dtype == torch.uint8 else x
    return kept * x + (1 - kept) * x.flip(0)


def _paste(images: Tensor, kept: float) -> tuple[Tensor, float]:
    """Paste a rectangle of the reversed batch into each image.

    Returns:
        The images, and the fraction of their area that is kept: `kept`, but for rounding and where
        the rectangle is cut off at the border.
    """
    height, width = images.shape[1:3]
    side = math.sqrt(1 - kept)
    row, column = torch.randint(height, ()).item(), torch.randint(width, ()).item()
    top, bottom = (round(min(max(row + s * side * height / 2, 0), height)) for s in (-1, 1))
    left, right = (round(min(max(column + s * side * width / 2, 0), width)) for s in (-1, 1))
    pasted = images.clone()
    pasted[:, top:bottom, left:right] = images.flip(0)[:, top:bottom, left:right]
    return pasted, 1 - (bottom - top) * (right - left) / (height * width)


def check_mixing(config: DataConfig, inputs: InputConfig) -> None:
    """Check that inputs can be mixed, if mixup or CutMix is switched on.

    Args:
        config: its mixup and cutmix are used.
        inputs: the input configuration of the model.

    Raises:
        ValueError: the inputs hold texts or cells of tables.
    """
    unmixable = modality_of(inputs).unmixable(inputs)
    if (config.mixup or config.cutmix) and unmixable:
        raise ValueError(f"{unmixable} cannot be mixed; set data.mixup=0, data.cutmix=0")
