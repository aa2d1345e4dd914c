"""Which examples of a batch have which of several modalities."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...core import Inputs
from ..reader import Examples

PRESENT = ".present"
"""Suffix of the entry that tells which examples of a batch have a modality, such as
"audio.present": boolean (B,)."""


def batch_parts(parts: Mapping[str, Any], examples: Mapping[str, Any]) -> dict[str, Any]:
    """Convert examples of several parts to a raw batch, without the masks that are all True.

    Args:
        parts: the reader of each part.
        examples: the examples of each part, and which of them are present, by name.
    """
    return {
        name: parts[name].batch(x) if name in parts else x
        for name, x in examples.items()
        if not (name.endswith(PRESENT) and bool(x.all()))
    }


def part_lengths(parts: Mapping[str, Any], examples: Mapping[str, Any]) -> Tensor | None:
    """Return the relative length of each example, averaged over the parts that vary in length.

    Args:
        parts: the reader of each part.
        examples: the examples of each part by name.

    Returns:
        Lengths (B,), as fractions of the longest possible example; None if no part varies.
    """
    lengths = [part.lengths(examples[name]) for name, part in parts.items()]
    varying = [x for x in lengths if x is not None]
    return torch.stack(varying).mean(0) if varying else None


def describe_missing(examples: Examples) -> str:
    """Describe how many examples lack which modality, such as "no audio in 2 of 3 examples".

    Args:
        examples: examples of one or several modalities. An example of several clips has a modality
            if all its clips have it.

    Returns:
        The description; empty if no example lacks a modality.
    """
    if not isinstance(examples, dict):
        return ""
    masks = {
        name.removesuffix(PRESENT): x.flatten(1).all(1) if x.ndim > 1 else x
        for name, x in examples.items()
        if name.endswith(PRESENT) and isinstance(x, Tensor)
    }
    counts = {name: (int((~present).sum()), len(present)) for name, present in masks.items()}
    nouns = {"table": "cell of the table"}
    return ", ".join(
        f"no {nouns.get(name, name)} in {missing:,} of {total:,} examples"
        for name, (missing, total) in counts.items()
        if missing
    )


def present_masks(inputs: Mapping[str, Inputs], batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the masks of a raw batch that tell which examples have a modality.

    Args:
        inputs: the inputs of each modality that some example has, by name.
        batch: the raw batch, with the masks.

    Returns:
        Masks (B,), True for the examples that have the modality, by the name of the modality; none
        for a modality without a mask.

    Raises:
        ValueError: a mask of another shape or dtype.
    """
    size = next(iter(inputs.values())).content.shape[0]
    masks: dict[str, Tensor] = {}
    for name in inputs:
        mask = batch.get(f"{name}{PRESENT}")
        if mask is None:
            continue
        if mask.shape != (size,) or mask.dtype != torch.bool:
            raise ValueError(
                f"{name}{PRESENT} is {mask.dtype} of shape {tuple(mask.shape)}; expected "
                f"torch.bool of shape ({size},), True for examples that have {name}"
            )
        masks[name] = mask
    return masks


def drop_parts(
    inputs: Mapping[str, Inputs], present: dict[str, Tensor], dropout: Mapping[str, float]
) -> dict[str, Tensor]:
    """Return the masks of the modalities that are present, some of them dropped for training.

    Args:
        inputs: the inputs of each modality that some example has, by name.
        present: their masks, as `present_masks` returns them.
        dropout: for each modality, the probability that it is masked in an example. An example that
            would lose all its modalities keeps all of them.
    """
    dropout = {name: p for name, p in dropout.items() if name in inputs and p}
    if not dropout:
        return present
    content = next(iter(inputs.values())).content
    batch, device = content.shape[0], content.device
    all_present = torch.ones(batch, dtype=torch.bool, device=device)
    before = {name: present.get(name, all_present) for name in inputs}
    after = {
        name: mask & (torch.rand(batch, device=device) >= dropout.get(name, 0.0))
        for name, mask in before.items()
    }
    any_left = torch.stack(list(after.values())).any(dim=0)
    return {name: torch.where(any_left, after[name], mask) for name, mask in before.items()}


def select_present(x: Any, present: Tensor) -> Any:
    """Return the examples of a batch that are present.

    Args:
        x: a tensor (B, …), or a list of B examples.
        present: mask (B,), True for the examples to keep.
    """
    if isinstance(x, Tensor):
        return x[present]
    return [example for example, keep in zip(x, present.tolist(), strict=True) if keep]


def mask_missing(inputs: Inputs, present: Tensor | None) -> Inputs:
    """Mask all elements of the examples that are not present, and set their contents to zero.

    Args:
        inputs: inputs of B examples.
        present: mask (B,), False for the examples to mask; None: all are present.
    """
    if present is None:
        return inputs
    mask = present[:, None].expand(inputs.content.shape[:2])
    mask = mask if inputs.mask is None else mask & inputs.mask
    content = inputs.content.masked_fill(~mask[..., None], 0.0)
    return replace(inputs, content=content, mask=mask)
