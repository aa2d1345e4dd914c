"""Film reviews: text byte by byte, from nothing."""

from ..data.config import DataConfig
from ..models.config import ModelConfig
from ..models.inputs import TextConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig


def rt_polarity() -> Recipe:
    """Sentences of film reviews, positive or negative, from their bytes without pretraining.

    `perceivers train rt-polarity --data rt-polaritydata`. Not yet trained to its end: after 7
    epochs of a first run (seed 0, 2026-11-21) validation top-1 was 54.7%, training 66.7%.
    """
    return Recipe(
        name="rt-polarity",
        model=ModelConfig(
            num_classes=2,
            input=TextConfig(max_length=288, embedding_dim=64),
            num_latents=32,
            latent_dim=96,
            cross_order=(0, 0),
            block_order=(0, 0),
            num_layers_per_block=2,
            num_cross_heads=4,
            num_self_heads=4,
            qk_dim=96,
            dropout=0.2,
        ),
        data=DataConfig(name="rt-polarity", batch_size=64, validation=0.1, test=0.1),
        optimizer=OptimizerConfig(
            name="adamw", lr=1e-3, weight_decay=0.1, warmup_epochs=2, clip_norm=1.0
        ),
        trainer=TrainerConfig(max_epochs=20, label_smoothing=0.1, patience=6),
    )
