"""One small Perceiver and one set of optimiser settings, whatever it reads."""

from ..data.config import DataConfig
from ..modalities import InputConfig
from ..models.config import ModelConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig


def small(
    name: str, inputs: InputConfig, data: DataConfig, *, num_classes: int, max_epochs: int
) -> Recipe:
    """A recipe for some thousands of examples of any modality: only what differs is to be given.

    Two cross-attends and, after each, the same three self-attends on 32 latents of 96 channels
    (the paper's sharing); Muon at 0.005 for the hidden matrices, with two epochs of warm-up. Chosen
    on the validation examples of `fsdd` and `digits`; no setting of it is published.
    """
    return Recipe(
        name=name,
        model=ModelConfig(
            num_classes=num_classes,
            input=inputs,
            num_latents=32,
            latent_dim=96,
            cross_order=(0, 1),
            block_order=(0, 0),
            num_layers_per_block=3,
            num_self_heads=4,
        ),
        data=data,
        optimizer=OptimizerConfig(
            name="muon", lr=5e-3, momentum=0.95, warmup_epochs=2, clip_norm=1.0
        ),
        # By the loss: small validation splits are soon all right, long before the best epoch.
        trainer=TrainerConfig(
            max_epochs=max_epochs, label_smoothing=0.1, patience=0, ema_decay=0.98
        ),
    )
