"""CIFAR-100 as the Keras example trains it, in both of its versions."""

from dataclasses import replace

from ..data.config import DataConfig
from ..models.config import KerasExampleConfig
from ..models.presets import keras_cifar100 as model_config
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig


def keras_cifar100() -> Recipe:
    """Train the Keras example as its Keras 3 version does: Adam, 50 epochs; 9.70M parameters.

    `perceivers train keras-cifar100 --data cifar-100-python.tar.gz`. Not trained here yet: no GPU
    was available on 2026-11-21. The page
    (https://keras.io/examples/vision/perceiver_image_classification/, of 2023-12-30) shows the log
    of a run shortened to 2 epochs, top-1 0.91%; the numbers to compare with are those of
    `keras-cifar100-lamb`.

    Taken from the page: Adam with learning rate 1e-3, batches of 64, a tenth of the training images
    for validation; the learning rate is multiplied by 0.2 after 3 epochs without a lower validation
    loss, training stops after 15 such epochs, and the best weights are kept; images are resized to
    64², flipped, and zoomed by up to 0.2. `plateau_patience` is one less than Keras' number: torch
    counts the epochs it tolerates, Keras the epochs after which it acts.

    Differences from the page: validation images are drawn from each class in equal proportion
    (there: the last tenth of the training images); the last partial batch of an epoch is left out;
    images are resized before they are normalised, by Pillow's bicubic filter and with rounding to
    uint8 (there: the normalised image, bilinear); the normalising constants are those of the
    resized training images; Adam's ε is torch's 1e-8 (Keras: 1e-7). On CUDA, matrix products are in
    bfloat16; the page uses float32 (--trainer.precision float32).
    """
    return Recipe(
        name="keras-cifar100",
        model=model_config(),
        data=DataConfig(name="cifar100", batch_size=64, validation=0.1, flip=True, zoom=0.2),
        optimizer=OptimizerConfig(
            name="adam",
            lr=1e-3,
            weight_decay=0.0,
            schedule="plateau",
            plateau_factor=0.2,
            plateau_patience=2,
        ),
        trainer=TrainerConfig(max_epochs=50, monitor="val_loss", patience=15),
    )


def keras_cifar100_lamb() -> Recipe:
    """Train the Keras example as its first version does: LAMB, weight decay; 52.64% reported.

    `perceivers train keras-cifar100-lamb --data cifar-100-python.tar.gz`. Not trained to its end
    here: no GPU was available. On 2 CPU cores an epoch takes 58 minutes (Intel Xeon with
    AMX; 87 on an AMD EPYC; torch 2.13.0, `--trainer.precision bfloat16`, 2026-11-28), and the first
    two gave validation top-1 8.68 and 13.26% where the page has 8.02 and 12.72% (one run, seed
    0; docs/results/keras-cifar100-lamb). The page of that version (same address, of 2021) reports
    test top-1 52.64% and top-5 80.87%, from a log of 45 epochs at about 283 s each, stopped early;
    its text says "around 200 seconds" on a V100. Its code says 50 epochs, its log 100.

    The same as `keras-cifar100`, except for the initial weights of self-attends
    (`KerasExampleConfig.attention_fans`), and for LAMB with learning rate 1e-3 and a weight decay
    of 1e-4 on all parameters: TensorFlow Addons excludes biases and norms from the decay only when
    told to, and the example does not tell it to.
    """
    recipe = keras_cifar100()
    return replace(
        recipe,
        name="keras-cifar100-lamb",
        model=KerasExampleConfig(attention_fans="convolution"),
        optimizer=replace(recipe.optimizer, name="lamb", weight_decay=1e-4, decay_all=True),
    )
