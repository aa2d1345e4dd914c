"""Sentences of film reviews, read byte by byte, without pretraining."""

from dataclasses import replace

from ..data.config import DataConfig
from ..modalities import TextConfig
from ..training.recipe import Recipe
from .small import small


def rt_polarity() -> Recipe:
    """Classify sentences of film reviews as positive or negative from their bytes, no pretraining.

    Each byte is read together with how much the n-grams of 3 to 6 bytes and of 1 to 3 words that
    end at it speak for each class (`LogCountRatios`). `perceivers train rt-polarity --data
    rt-polaritydata`: test top-1 78.52 ± 1.24% on 1,066 held-out sentences (mean and standard
    deviation of 3 seeds), 3 to 4 minutes of training on one of two shared cores (AMD EPYC, torch
    2.13.0, float32), 2026-11-28; docs/results.md. A bag of byte n-grams: 76.36 ± 0.32%. All other
    sentences are trained on, and the weights of the last epoch are kept.
    """
    recipe = small(
        "rt-polarity",
        TextConfig(
            max_length=288,
            embedding_dim=64,
            fusion="concatenate",
            ratio_ngrams=(3, 4, 5, 6),
            ratio_words=(1, 2, 3),
            dropout=0.5,
        ),
        DataConfig(name="rt-polarity", batch_size=32, validation=0.0, test=0.1),
        num_classes=2,
        max_epochs=3,
    )
    return replace(recipe, optimizer=replace(recipe.optimizer, lr=1e-3))
