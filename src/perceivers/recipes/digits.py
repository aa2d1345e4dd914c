"""The packaged handwritten digits: the quickest way to a trained Perceiver."""

from ..data.config import DataConfig
from ..modalities import ImageConfig
from ..models.config import ModelConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig


def digits() -> Recipe:
    """Classify the packaged handwritten digits, 8×8 pixels, in about a minute; no download.

    `perceivers train digits`: test top-1 98.61% (354 of 359 held-out digits), 55 s of training on
    2 CPU cores (AMD EPYC, torch 2.13.0, float32), seed 0, 2026-11-21; docs/results/digits. Since
    Muon multiplies in float32, 97.77% (351; `make demo` with one thread, 2026-11-27). Every pixel
    is an element.
    """
    return Recipe(
        name="digits",
        model=ModelConfig(
            num_classes=10,
            input=ImageConfig(image_size=8, channels=1, num_bands=4),
            num_latents=32,
            latent_dim=64,
            cross_order=(0, 1, 1),
            block_order=(0, 0, 0),
            num_layers_per_block=2,
            num_cross_heads=2,
            num_self_heads=4,
            qk_dim=64,
        ),
        data=DataConfig(
            name="digits", batch_size=64, validation=0.1, test=0.2, crop_padding=1, zoom=0.15
        ),
        optimizer=OptimizerConfig(
            name="muon", lr=5e-3, momentum=0.95, warmup_epochs=2, clip_norm=1.0
        ),
        trainer=TrainerConfig(
            max_epochs=40, label_smoothing=0.1, monitor="val_top1", patience=0, ema_decay=0.98
        ),
    )
