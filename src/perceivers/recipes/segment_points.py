"""The parts of point clouds: a class for each point."""

from ..data.config import DataConfig
from ..modalities import ElementClassesConfig, PointsConfig
from ..models.config import DecoderConfig, PerceiverIOConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig


def segment_points() -> Recipe:
    """Give each point of a cloud a class: --data DIR of ply files with a property such as label.

    `python examples/furniture_parts.py DIR`, then `perceivers train segment-points --data DIR`:
    test mIoU 96.03%, accuracy 98.43% on 100 clouds (always the most frequent part: 7.95% and
    47.70%), seed 0, one run, 17 minutes of training on one shared core (Intel Xeon, torch 2.13.0,
    float32), 2026-11-27; docs/log.md. The settings are those of `kicad` but for the output.
    """
    return Recipe(
        name="segment-points",
        model=PerceiverIOConfig(
            input=PointsConfig(
                num_points=1_024,
                channels=17,
                neighbours=(8, 32),
                own_length=True,
                num_bands=8,
                max_resolution=16.0,
            ),
            num_latents=64,
            latent_dim=96,
            cross_order=(0, 1),
            block_order=(0, 0),
            num_layers_per_block=3,
            num_self_heads=4,
            decoder=DecoderConfig(num_heads=4, use_query_residual=True),
            output=ElementClassesConfig(),
        ),
        data=DataConfig(
            name="folder", task="segmentation", batch_size=16, point_dropout=0.5, flip=True
        ),
        optimizer=OptimizerConfig(
            name="muon", lr=5e-3, momentum=0.95, warmup_epochs=2, clip_norm=1.0
        ),
        trainer=TrainerConfig(max_epochs=30, monitor="val_miou", patience=0, ema_decay=0.98),
    )
