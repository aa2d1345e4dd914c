"""Which examples of a batch have which of several modalities."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..reader import Examples

PRESENT = ".present"
"""After the name of a modality: which examples of a batch have it, boolean (B,)."""


def batch_parts(parts: Mapping[str, Any], examples: Mapping[str, Any]) -> dict[str, Any]:
    """Each part's batch as its reader makes it; what all examples have is not said of each."""
    return {
        name: parts[name].batch(x) if name in parts else x
        for name, x in examples.items()
        if not (name.endswith(PRESENT) and bool(x.all()))
    }


def part_lengths(parts: Mapping[str, Any], examples: Mapping[str, Any]) -> Tensor | None:
    """Of each example the shares of all parts that vary, averaged; None: none does."""
    found = [part.lengths(examples[name]) for name, part in parts.items()]
    varying = [lengths for lengths in found if lengths is not None]
    return torch.stack(varying).mean(0) if varying else None


def missing(examples: Examples) -> str:
    """How many examples lack which modality, in words; empty if none lacks any."""
    if not isinstance(examples, dict):
        return ""
    flags = {
        name: x.flatten(1).all(1) if x.ndim > 1 else x
        for name, x in examples.items()
        if isinstance(x, Tensor)
    }
    lacking = {
        name.removesuffix(PRESENT): f"{int((~there).sum()):,} of {len(there):,}"
        for name, there in flags.items()
        if name.endswith(PRESENT) and not bool(there.all())
    }
    return ", ".join(f"{count} have no {name}" for name, count in lacking.items())
