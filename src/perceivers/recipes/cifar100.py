"""CIFAR-100 from scratch on two CPU cores."""

from ..data.config import DataConfig
from ..models.config import ImageConfig, ModelConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig


def cifar100() -> Recipe:
    """CIFAR-100 in under an hour on two CPU cores."""
    return Recipe(
        name="cifar100",
        model=ModelConfig(
            num_classes=100,
            input=ImageConfig(image_size=32, patch_size=4, patch_stride=2, num_bands=16),
            num_latents=64,
            latent_dim=128,
            cross_order=(0, 1, 1, 1),
            block_order=(0, 1, 2, 3),
            num_layers_per_block=2,
            num_self_heads=4,
            qk_dim=128,
            final_norm=True,
        ),
        data=DataConfig(
            name="cifar100", batch_size=128, validation=0.05, crop_padding=4, flip=True
        ),
        optimizer=OptimizerConfig(
            name="muon", lr=3e-3, momentum=0.95, beta2=0.98, warmup_epochs=1, clip_norm=1.0
        ),
        trainer=TrainerConfig(
            max_epochs=16,
            label_smoothing=0.1,
            monitor="val_top1",
            patience=0,
            precision="bfloat16",
        ),
    )
