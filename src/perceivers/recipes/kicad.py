"""Electronic parts as point clouds."""

from ..data.config import DataConfig
from ..models.inputs import PointsConfig
from ..training.recipe import Recipe
from .small import small


def kicad() -> Recipe:
    """KiCad's 3-D parts, 24 kinds, 1,024 points each and their size in millimetres.

    `python examples/kicad_ply.py SOURCE DEST`, then `perceivers train kicad --data DEST`: RESULT
    """
    return small(
        "kicad",
        PointsConfig(
            num_points=1_024, channels=4, size_channel=True, num_bands=8, max_resolution=32.0
        ),
        DataConfig(batch_size=32, validation=0.1, point_scaling=0.01),
        num_classes=24,
        max_epochs=20,
    )
