"""Furniture as point clouds."""

from dataclasses import replace

from ..training.recipe import Recipe
from .kicad import kicad
from .small import small


def furniture() -> Recipe:
    """Classify models of furniture into 10 kinds from 1,024 points, their surface and size.

    The input and its augmentation are those of `kicad`; the size is in metres. `python
    examples/furniture_ply.py PACKAGE DEST`, then `perceivers train furniture --data DEST`: test
    top-1 78.84 ± 2.42% on 63 models (mean and standard deviation of 3 seeds; one model is 1.6
    points), 1 to 3 minutes of training on one shared core (AMD EPYC, torch 2.13.0, float32),
    2026-11-28; docs/results.md. PointNet on the same channels: 76.19% (one run). All other models
    are trained on, and the weights of the last epoch are kept.
    """
    parts = kicad()
    data = replace(parts.data, name="furniture")
    return small("furniture", parts.model.input, data, num_classes=10, max_epochs=30)
