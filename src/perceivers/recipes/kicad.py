"""Electronic parts as point clouds."""

from ..data.config import DataConfig
from ..modalities import PointsConfig
from ..training.recipe import Recipe
from .small import small


def kicad() -> Recipe:
    """KiCad's 3-D parts, 24 kinds, 1,024 points each, their surface and their size in millimetres.

    `python examples/kicad_ply.py SOURCE DEST`, then `perceivers train kicad --data DEST`: test
    top-1 80.99 ± 1.27% of 582 parts of other families than those trained on (mean and standard
    deviation of 3 seeds), 5 minutes of training on one shared core (AMD EPYC, torch 2.13.0,
    float32), 2026-11-21; docs/results.md. PointNet on the same channels: 78.92 ± 0.95%.
    What was tried: docs/log.md.
    """
    return small(
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
            batch_size=32,
            validation=0.1,
            point_dropout=0.5,
            point_scaling=0.01,
            flip=True,
        ),
        num_classes=24,
        max_epochs=20,
    )
