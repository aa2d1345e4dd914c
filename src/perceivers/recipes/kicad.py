"""Electronic parts as point clouds."""

from dataclasses import replace

from ..data.config import DataConfig
from ..modalities import PointsConfig
from ..training.recipe import Recipe
from .small import small


def kicad() -> Recipe:
    """Classify KiCad's electronic parts into 24 kinds from 1,024 points, their surface and size.

    The size is in millimetres; four heads read the points. `python examples/kicad_ply.py SOURCE
    DEST`, then `perceivers train kicad --data DEST`: test top-1 84.54 ± 0.46% on 582 parts of
    families that are not trained on (mean and standard deviation of 3 seeds), 12 to 25 minutes of
    training on one of two very busy cores (AMD EPYC, torch 2.13.0, float32), 2026-11-28;
    docs/results.md. PointNet on the same channels and examples, with as many epochs: 80.41% (seed
    0; the Perceiver 84.88%). All other parts are trained on, and the weights of the last epoch are
    kept. Other settings that were tried: docs/log.md.
    """
    recipe = small(
        "kicad",
        PointsConfig(
            num_points=1_024,
            channels=25,
            size_channel=True,
            neighbours=(8, 24, 64),
            content_bands=4,
            num_bands=8,
            max_resolution=32.0,
        ),
        DataConfig(
            name="kicad",
            batch_size=16,
            validation=0.0,
            point_dropout=0.5,
            point_scaling=0.01,
            flip=True,
        ),
        num_classes=24,
        max_epochs=30,
        num_cross_heads=4,
    )
    return replace(recipe, trainer=replace(recipe.trainer, ema_decay=0.99))
