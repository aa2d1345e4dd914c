"""Mixup and CutMix of whole batches."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..modalities import InputConfig, modality_of
from .config import DataConfig


def mix(examples: Any, targets: Tensor, *, mixup: float, cutmix: float) -> tuple[Any, Tensor]:
    """Mixup (arXiv 1710.09412) or CutMix (arXiv 1905.04899) of a batch with its own reversal.

    Args:
        examples: images, uint8 (B, H, W, C); for mixup alone any numbers (B, …), a list of such as
            differ in length, or a dictionary of either: what one example of two lacks is mixed in
            as it lies there, as zeros.
        targets: (B, classes) probabilities.
        mixup: parameter of the Beta distribution; 0: off.
        cutmix: the same for CutMix; if both are on, each batch draws one of them.

    Returns:
        Examples (floats after mixup, of images in [0, 1]) and targets, in the same proportion.
    """
    use_cutmix = bool(cutmix) and (not mixup or torch.rand(()).item() < 0.5)
    alpha = cutmix if use_cutmix else mixup
    if not alpha:
        return examples, targets
    kept = float(torch.distributions.Beta(alpha, alpha).sample())
    if use_cutmix:
        if not isinstance(examples, Tensor) or examples.dtype != torch.uint8 or examples.ndim != 4:
            raise ValueError("CutMix is of images alone; set cutmix=0")
        examples, kept = _paste(examples, kept)
    elif isinstance(examples, dict):
        examples = {name: _blend(x, kept) for name, x in examples.items()}
    else:
        examples = _blend(examples, kept)
    return examples, kept * targets + (1 - kept) * targets.flip(0)


def _blend(x: Any, kept: float) -> Any:
    """Any numbers (B, …) and their own reversal; of flags, whether either is set.

    Of two examples of different lengths zeros follow the shorter one: silence, or black.
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
    """Paste a rectangle of about 1 - kept of the area; also the share really kept."""
    height, width = images.shape[1:3]
    side = math.sqrt(1 - kept)
    row, column = torch.randint(height, ()).item(), torch.randint(width, ()).item()
    top, bottom = (round(min(max(row + s * side * height / 2, 0), height)) for s in (-1, 1))
    left, right = (round(min(max(column + s * side * width / 2, 0), width)) for s in (-1, 1))
    pasted = images.clone()
    pasted[:, top:bottom, left:right] = images.flip(0)[:, top:bottom, left:right]
    return pasted, 1 - (bottom - top) * (right - left) / (height * width)


def check_mixing(config: DataConfig, inputs: InputConfig) -> None:
    """Check that the examples can be mixed, if mixup or CutMix is switched on.

    Raises:
        ValueError: they cannot.
    """
    what = modality_of(inputs).unmixable(inputs)
    if (config.mixup or config.cutmix) and what:
        raise ValueError(f"{what} cannot be mixed; set data.mixup=0, data.cutmix=0")
