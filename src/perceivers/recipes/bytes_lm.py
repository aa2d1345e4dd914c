"""A model that continues texts, byte by byte."""

from ..data.config import DataConfig
from ..modalities import TextStreamConfig
from ..models.config import PerceiverARConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig


def bytes_lm() -> Recipe:
    """Continue texts byte by byte: a Perceiver AR with 256 latents behind a prefix of 256 bytes.

    Files are held out for validation and testing, or lines if there are fewer than ten files.
    """
    return Recipe(
        name="bytes-lm",
        model=PerceiverARConfig(
            input=TextStreamConfig(max_length=512),
            num_latents=256,
            latent_dim=192,
            num_layers_per_block=5,
            num_self_heads=6,
        ),
        data=DataConfig(task="language", batch_size=16, validation=0.05, test=0.1),
        optimizer=OptimizerConfig(
            name="muon", lr=5e-3, momentum=0.95, warmup_epochs=0.5, clip_norm=1.0
        ),
        trainer=TrainerConfig(max_epochs=6, patience=0),
    )
