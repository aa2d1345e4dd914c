"""The recipe for your own data, before `autoconfig` adapts it to the files."""

from ..data.config import DataConfig
from ..modalities import ImageConfig
from ..models.config import ModelConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig


def folder() -> Recipe:
    """Train on your own images, sounds, videos, point clouds, texts or tables: --data PATH.

    `perceivers train folder --data DIR` (one sub-folder for each class, or a manifest.csv) or
    `--data TABLE` inspects the files and chooses the input, the size of the model and the number of
    epochs for them; `--dry-run` prints the choice and stops. The settings below are for images that
    cannot be inspected first: parquet files and data sets on the Hugging Face hub. They have not
    been measured on any data set.
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
        trainer=TrainerConfig(max_epochs=30, label_smoothing=0.1, monitor="auto"),
    )
