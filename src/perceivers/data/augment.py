"""Augmentation of whole batches, each example drawn for itself."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from . import augment_points
from .config import DataConfig
from .rand_augment import rand_augment

Kinds = str | Mapping[str, str]
"""The kind of input of a raw batch ("image", "mel", …; see `models.inputs`), or of each part."""

UNMIXABLE = {"text": "the bytes of texts", "tabular": "the cells of tables"}


def augment(batch: Any, config: DataConfig, kinds: Kinds) -> Any:
    """What is configured for the kind of a raw batch; it comes back in the same type.

    Its shape is the same too, but for points that are left out.
    A video is varied as an image is, all its frames alike. Of several modalities each is varied by
    itself. What is of another kind than images, videos, sound and points is left alone. A list of
    examples of different lengths stays one.
    """
    if not isinstance(kinds, str):
        # What is no part says which examples have one.
        return {name: augment(x, config, kinds.get(name, "flags")) for name, x in batch.items()}
    if kinds not in VARIATIONS:
        return batch
    if isinstance(batch, list):
        return [VARIATIONS[kinds](example[None], config)[0] for example in batch]
    return VARIATIONS[kinds](batch, config)


def check_mixing(config: DataConfig, kinds: Kinds) -> None:
    """ValueError if examples are to be mixed of which there is no mixture."""
    for kind in [kinds] if isinstance(kinds, str) else kinds.values():
        if (config.mixup or config.cutmix) and kind in UNMIXABLE:
            raise ValueError(f"{UNMIXABLE[kind]} cannot be mixed; set data.mixup=0, data.cutmix=0")


def _augment_sound(waves: Tensor, config: DataConfig) -> Tensor:
    return shift_in_time(waves, config.time_shift) if config.time_shift else waves


def _augment_points(points: Tensor, config: DataConfig) -> Tensor:
    if config.point_dropout:
        points = augment_points.leave_out(points, config.point_dropout)
    if config.point_scaling:
        points = augment_points.paper_augmentation(points, config.point_scaling)
    if config.flip:
        points = augment_points.mirror(points)
    if config.rotate != "none":
        points = augment_points.rotate(points, config.rotate)
    return points


def shift_in_time(waves: Tensor, share: float) -> Tensor:
    """Move each waveform (B, S, C) by up to `share` of its length either way, silence following."""
    batch, samples, channels = waves.shape
    farthest = round(share * samples)
    by = torch.randint(-farthest, farthest + 1, (batch, 1), device=waves.device)
    index = torch.arange(samples, device=waves.device) - by
    inside = (index >= 0) & (index < samples)
    index = index.clamp(0, samples - 1)[..., None].expand(-1, -1, channels)
    return torch.where(inside[..., None], waves.gather(1, index), 0.0)


def _augment_images(images: Tensor, config: DataConfig) -> Tensor:
    """Random crop, flip, zoom and RandAugment, as configured; uint8 (B, H, W, C) → the same.

    Also of videos (B, T, H, W, C), except RandAugment.
    """
    if images.ndim == 5:
        if config.rand_augment_layers:
            raise ValueError("RandAugment is of images, not of videos; set rand_augment_layers=0")
        frames = images.shape[1]
        channels = _augment_images(images.permute(0, 2, 3, 1, 4).flatten(3), config)
        return channels.unflatten(3, (frames, -1)).permute(0, 3, 1, 2, 4)
    if config.crop_padding or config.flip:
        images = crop_and_flip(images, padding=config.crop_padding, flip=config.flip)
    if config.zoom:
        images = random_zoom(images, config.zoom)
    if config.rand_augment_layers:
        images = rand_augment(
            images, layers=config.rand_augment_layers, magnitude=config.rand_augment_magnitude
        )
    return images


VARIATIONS: dict[str, Callable[[Tensor, DataConfig], Tensor]] = {
    "image": _augment_images,
    "video": _augment_images,
    "audio": _augment_sound,
    "mel": _augment_sound,
    "points": _augment_points,
}


def permutation(kind: str, *, batch: int, elements: int, seed: int) -> Tensor:
    """An order of elements for the permuted-image experiment (arXiv 2103.03206, Table 2).

    Args:
        kind: "fixed", the same for all images of all runs; or "random", a new one for each image
            (v1 of the paper).
        batch: B.
        elements: M.
        seed: of the random ones.

    Returns:
        (M,) if fixed, (B, M) if random; entry i is the element that comes i-th.
    """
    if kind == "fixed":
        return torch.randperm(elements, generator=torch.Generator().manual_seed(0))
    if kind == "random":
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(batch, elements, generator=generator).argsort(dim=-1)
    raise ValueError(f"unknown permutation {kind!r}; expected 'fixed' or 'random'")


def crop_and_flip(images: Tensor, *, padding: int, flip: bool) -> Tensor:
    """Shift each image by up to `padding` pixels on black, mirror every other one: one gather."""
    batch, height, width, _ = images.shape
    device = images.device
    down, across = torch.randint(0, 2 * padding + 1, (2, batch, 1), device=device)
    rows = torch.arange(height, device=device) + down
    columns = torch.arange(width, device=device).expand(batch, width)
    if flip:
        mirrored = torch.rand(batch, 1, device=device) < 0.5
        columns = torch.where(mirrored, width - 1 - columns, columns)
    columns = columns + across
    padded = F.pad(images, (0, 0, padding, padding, padding, padding))
    example = torch.arange(batch, device=device)[:, None, None]
    return padded[example, rows[:, :, None], columns[:, None, :]]


def random_zoom(images: Tensor, share: float) -> Tensor:
    """Scale height and width, each by its own factor in [1 - share, 1 + share], about the middle.

    What falls outside is filled by reflection, as Keras' RandomZoom does by default.
    """
    batch = len(images)
    factors = 1 + share * (2 * torch.rand(batch, 2, device=images.device) - 1)
    matrices = torch.zeros(batch, 2, 3, device=images.device)
    matrices[:, 0, 0], matrices[:, 1, 1] = factors[:, 1], factors[:, 0]
    return warp(images, matrices, padding_mode="reflection")


def warp(images: Tensor, matrices: Tensor, *, padding_mode: str = "zeros") -> Tensor:
    """Resample bilinearly: `matrices` (B, 2, 3) map output to input coordinates in [-1, 1]."""
    x = images.permute(0, 3, 1, 2).float()
    where = F.affine_grid(matrices, list(x.shape), align_corners=False)
    out = F.grid_sample(x, where, padding_mode=padding_mode, align_corners=False)
    return out.round().to(torch.uint8).permute(0, 2, 3, 1)


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
