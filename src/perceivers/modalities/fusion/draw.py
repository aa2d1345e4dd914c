"""Draw each part of an example of several modalities, with its share of the values."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..modality import modality_of
from .presence import PRESENT

# Of a part, as multiples of the width of the drawing.
TITLE_HEIGHT, MAX_HEIGHT = 0.08, 0.38


def draw(
    figure: Any, example: Mapping[str, Any], values: Mapping[str, np.ndarray] | None, config: Any
) -> None:
    """Draw each part on its own, one below the other.

    Args:
        figure: matplotlib figure or part of one.
        example: the example of each part by name.
        values: the values of the elements of each part by name; None: the example alone.
        config: the input configuration of the model.
    """
    names = [name for name in config.parts if example.get(f"{name}{PRESENT}", True)]
    total = 1.0
    if values is not None:
        total = sum(float(values[name].sum()) for name in names) or 1.0
    heights = [_height(example, name, config) for name in names]
    panels = np.atleast_1d(figure.subfigures(len(names), 1, height_ratios=heights))
    for panel, name in zip(panels, names, strict=True):
        own = None if values is None else values[name]
        if len(config.parts) > 1:
            share = "" if own is None else f": {own.sum() / total:.0%}"
            panel.suptitle(f"{name}{share}", fontsize=7, parse_math=False)
        part = config.parts[name]
        modality_of(part).draw(panel, example[name], own, part)


def aspect(example: Mapping[str, Any], config: Any) -> float:
    """Return the height of a drawing as a multiple of its width."""
    names = [name for name in config.parts if example.get(f"{name}{PRESENT}", True)]
    return sum(_height(example, name, config) for name in names)


def _height(example: Mapping[str, Any], name: str, config: Any) -> float:
    part = config.parts[name]
    alone = modality_of(part).aspect(example[name], part)
    return alone if len(config.parts) == 1 else min(alone, MAX_HEIGHT) + TITLE_HEIGHT


def words(example: Mapping[str, Any], config: Any) -> str | None:
    """Return the parts as text, if each of them reads better as text; else None."""
    texts: list[str] = []
    for name, part in config.parts.items():
        if example.get(f"{name}{PRESENT}", True):
            text = modality_of(part).words(example[name], part)
            if text is None:
                return None
            texts.append(f"{name}: {text}" if len(config.parts) > 1 else text)
    return "\n".join(texts)


def animation(
    example: Mapping[str, Any], values: Mapping[str, np.ndarray], config: Any
) -> bytes | None:
    """Return the first part that moves as an animated GIF; None if none does."""
    for name, part in config.parts.items():
        if example.get(f"{name}{PRESENT}", True):
            moving = modality_of(part).animation(example[name], values[name], part)
            if moving is not None:
                return moving
    return None
