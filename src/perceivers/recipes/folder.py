"""Your own folder: what is not chosen for its files (`choose.py`)."""

from ..data.config import DataConfig
from ..modalities import ImageConfig
from ..models.config import ModelConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig


def folder() -> Recipe:
    """Your own images, sound, videos, points or texts by folder, or a table of any: --data PATH.

    `perceivers train folder --data DIR` (one sub-folder a class, or a manifest.csv) or `--data
    TABLE` looks at the files and chooses input, size and epochs for them and the machine;
    `--dry-run` stops after saying so. What stands here is for images that cannot be looked at
    beforehand, in parquet files or on the hub. Not measured on any set.
    """
    return Recipe(
        name="folder",
        model=ModelConfig(
            input=ImageConfig(image_size=64, patch_size=8, patch_stride=4, num_bands=16),
            num_latents=64,
            latent_dim=128,
            cross_order=(0, 1, 1, 1),
            block_order=(0, 1, 2, 3),
            num_layers_per_block=2,
            num_self_heads=4,
            qk_dim=128,
            final_norm=True,
        ),
        data=DataConfig(name="folder", batch_size=64, validation=0.1, crop_padding=4, flip=True),
        optimizer=OptimizerConfig(
            name="muon", lr=3e-3, momentum=0.95, beta2=0.98, warmup_epochs=1, clip_norm=1.0
        ),
        trainer=TrainerConfig(max_epochs=30, label_smoothing=0.1, monitor="val_loss"),
    )
