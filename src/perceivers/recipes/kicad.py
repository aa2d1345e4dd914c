"""Electronic parts as point clouds."""

from ..data.config import DataConfig
from ..models.config import ModelConfig
from ..models.inputs import PointsConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig


def kicad() -> Recipe:
    """KiCad's 3-D parts, 24 kinds, 1,024 points each with the paper's augmentation.

    `python examples/kicad_ply.py SOURCE DEST`, then `perceivers train kicad --data DEST`: test
    top-1 57.73% of 582 parts of other families than those trained on (85.46% of held-out parts of
    the same families), seed 0, one core shared with other work for 28 minutes (AMD EPYC, torch
    2.13.0, float32), 2026-11-21; docs/results/kicad. It overfits: the goal is 80%.
    """
    return Recipe(
        name="kicad",
        model=ModelConfig(
            num_classes=24,
            input=PointsConfig(num_points=1_024, num_bands=16, max_resolution=64.0),
            num_latents=32,
            latent_dim=128,
            cross_order=(0, 1),
            block_order=(0, 0),
            num_layers_per_block=2,
            num_self_heads=4,
        ),
        data=DataConfig(batch_size=32, validation=0.1, point_scaling=0.01),
        optimizer=OptimizerConfig(
            name="muon", lr=5e-3, momentum=0.95, warmup_epochs=2, clip_norm=1.0
        ),
        trainer=TrainerConfig(
            max_epochs=40, label_smoothing=0.1, monitor="val_top1", patience=0, ema_decay=0.98
        ),
    )
