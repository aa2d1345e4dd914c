"""Sentences of film reviews, read byte by byte, without pretraining."""

from ..data.config import DataConfig
from ..modalities import TextConfig
from ..training.recipe import Recipe
from .small import small


def rt_polarity() -> Recipe:
    """Classify sentences of film reviews as positive or negative from their bytes, no pretraining.

    Each byte is read together with the n-grams of 3 to 6 bytes that end at it. `perceivers train
    rt-polarity --data rt-polaritydata`: test top-1 76.64 ± 0.68% on 1,066 held-out sentences (mean
    and standard deviation of 3 seeds), 3 minutes of training on one shared core (AMD EPYC, torch
    2.13.0, float32), 2026-11-21; docs/results.md. A bag of byte n-grams: 76.36 ± 0.32%.
    """
    return small(
        "rt-polarity",
        TextConfig(
            max_length=288,
            embedding_dim=64,
            fusion="concatenate",
            ngrams=(3, 4, 5, 6),
            dropout=0.5,
        ),
        DataConfig(name="rt-polarity", batch_size=64, validation=0.1, test=0.1),
        num_classes=2,
        max_epochs=4,
    )
