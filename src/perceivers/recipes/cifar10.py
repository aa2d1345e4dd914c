"""CIFAR-10 from scratch on two CPU cores."""

from ..data.config import DataConfig
from ..modalities import ImageConfig
from ..models.config import ModelConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig


def cifar10() -> Recipe:
    """Classify CIFAR-10 images; trains from scratch on two CPU cores.

    `perceivers train cifar10 --data cifar-10-batches-bin`: test top-1 84.64%, top-5 98.51%
    (validation 84.8% of 1,000 images), 125 minutes of training on 2 CPU cores that other work
    shared (AMD EPYC with AVX-512 bfloat16, torch 2.13.0), 2.3M parameters, seed 0, one run,
    2026-11-27; docs/results/cifar10. With `--trainer.max_epochs 11`: top-1 83.02%, top-5 99.04%
    (validation 82.5%) in 55 minutes, one run, 2026-11-28; without other work an epoch took 4:24 to
    5:02. On a processor without bfloat16 instructions, --trainer.precision float32 is faster.

    Patches of 8×8 pixels begin every 2 pixels and are projected to 128 channels with a GELU. The
    weights are those of the last epoch, averaged. What else was tried: docs/log.md.
    """
    return Recipe(
        name="cifar10",
        model=ModelConfig(
            num_classes=10,
            input=ImageConfig(
                image_size=32,
                patch_size=8,
                patch_stride=2,
                projection_dim=128,
                projection_activation="gelu",
                num_bands=16,
            ),
            num_latents=32,
            latent_dim=192,
            cross_order=(0, 1, 1, 1),
            block_order=(0, 1, 2, 3),
            num_layers_per_block=2,
            num_self_heads=6,
            qk_dim=192,
            final_norm=True,
        ),
        data=DataConfig(name="cifar10", batch_size=64, validation=0.02, crop_padding=4, flip=True),
        optimizer=OptimizerConfig(
            name="muon", lr=3e-3, momentum=0.95, beta2=0.98, warmup_epochs=1, clip_norm=1.0
        ),
        trainer=TrainerConfig(
            max_epochs=18,
            label_smoothing=0.1,
            monitor="last",
            patience=0,
            ema_decay=0.999,
            precision="bfloat16",
        ),
    )
