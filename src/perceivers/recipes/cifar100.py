"""CIFAR-100 from scratch: a model for a GPU, and one for an hour on two CPU cores."""

from dataclasses import replace

from ..data.config import DataConfig
from ..modalities import ImageConfig
from ..models.config import ModelConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig
from .cifar10 import cifar10


def cifar100() -> Recipe:
    """Classify CIFAR-100 on a GPU: 7.3M parameters, 45 epochs, RandAugment, mixup, CutMix, EMA.

    `perceivers train cifar100 --data cifar-100-python.tar.gz`. Not measured yet: no GPU was
    available on 2026-11-21. For comparison, the LAMB version of the Keras example reports top-1
    52.64% and top-5 80.87%, stopped after 45 epochs
    (https://keras.io/examples/vision/perceiver_image_classification/).
    """
    return Recipe(
        name="cifar100",
        model=ModelConfig(
            num_classes=100,
            input=ImageConfig(image_size=32, patch_size=4, patch_stride=2, num_bands=16),
            num_latents=128,
            latent_dim=256,
            cross_order=(0, 1, 1, 1),
            block_order=(0, 1, 2, 3),
            num_layers_per_block=3,
            widening_factor=2,
            qk_dim=256,
            final_norm=True,
        ),
        data=DataConfig(
            name="cifar100",
            batch_size=256,
            validation=0.05,
            crop_padding=4,
            flip=True,
            rand_augment_layers=2,
            rand_augment_magnitude=5,
            mixup=0.2,
            cutmix=1.0,
        ),
        optimizer=OptimizerConfig(
            name="muon", lr=3e-3, momentum=0.95, beta2=0.98, warmup_epochs=2, clip_norm=1.0
        ),
        trainer=TrainerConfig(
            max_epochs=45, label_smoothing=0.1, monitor="val_top1", patience=0, ema_decay=0.999
        ),
    )


def cifar100_small() -> Recipe:
    """Classify CIFAR-100 on two CPU cores: the recipe `cifar10` with stronger augmentation.

    `perceivers train cifar100-small --data cifar-100-python.tar.gz`: test top-1 63.17%, top-5
    87.92% (validation 64.7% of 1,000 images), 130 minutes of training on 2 CPU cores that other
    work shared for the first ten epochs (AMD EPYC with AVX-512 bfloat16, torch 2.13.0), 2.3M
    parameters, seed 0, one run, 2026-11-27; docs/results/cifar100-small. An epoch without other
    work took 6:17, so that all of it takes about 113 minutes on idle cores.

    The augmentation adds one operation of RandAugment to each image, and mixup. What else was
    tried: docs/log.md.
    """
    recipe = cifar10()
    return replace(
        recipe,
        name="cifar100-small",
        model=recipe.model.for_labels("classification", 100),
        data=replace(recipe.data, name="cifar100", mixup=0.2, rand_augment_layers=1),
    )
