"""CIFAR-100 as the Keras example trains it, in both of its versions."""

from dataclasses import replace

from ..data.config import DataConfig
from ..models.presets import keras_cifar100 as model_config
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig


def keras_cifar100() -> Recipe:
    """The Keras 3 version of the Keras example: Adam, 50 epochs; 9.70M parameters.

    `perceivers train keras-cifar100 --data cifar-100-python.tar.gz`. Not trained here yet: no GPU
    was at hand on 2026-11-21. The page
    (https://keras.io/examples/vision/perceiver_image_classification/, of 2023-12-30) shows the log
    of a run that it cut to 2 epochs, top-1 0.91%; the numbers to compare with are
    `keras-cifar100-lamb`'s.

    From there: Adam of 1e-3, batches of 64, a tenth of the training images for validation, the rate
    times 0.2 after 3 epochs without a lower validation loss, the end after 15, best weights kept;
    images resized to 64², flipped, zoomed by up to 0.2. `plateau_patience` is one less than Keras'
    number: torch counts the epochs that it tolerates, Keras those after which it acts.

    What is not the same: validation images are drawn from each class alike (there: the last tenth),
    the last partial batch is left out, images are resized before they are normalised, rounded to
    uint8 and by Pillow's bicubic (there: bilinear, from the normalised image), and the normalising
    constants are those of the resized training images; Adam's ε is torch's 1e-8 (Keras: 1e-7). On
    CUDA matrix products are in bfloat16; --trainer.precision float32 is the page's.
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
    """The first version of the Keras example: LAMB with weight decay; 52.64% top-1 there.

    `perceivers train keras-cifar100-lamb --data cifar-100-python.tar.gz`. Not trained here yet: no
    GPU was at hand on 2026-11-21. Its page (the same address, of 2021) reports test top-1 52.64%,
    top-5 80.87%, from a log of 45 epochs at about 283 s each, stopped early; its text says "around
    200 seconds" on a V100. Its code says 50 epochs, its log 100.

    As `keras-cifar100`, but for LAMB of 1e-3 and a weight decay of 1e-4 on everything: TensorFlow
    Addons spares biases and norms only where it is told to, and it was not.
    """
    recipe = keras_cifar100()
    return replace(
        recipe,
        name="keras-cifar100-lamb",
        optimizer=replace(recipe.optimizer, name="lamb", weight_decay=1e-4, decay_all=True),
    )
