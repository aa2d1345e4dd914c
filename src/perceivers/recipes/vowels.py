"""Speakers of Japanese vowels, from time series of twelve channels."""

from ..data.config import DataConfig
from ..modalities import SeriesConfig
from ..training.recipe import Recipe
from .small import small


def vowels() -> Recipe:
    """Tell nine speakers apart by series of 7 to 29 steps of 12 channels (JapaneseVowels).

    `python examples/series_sets.py write DEST`, then `perceivers train vowels --data
    DEST/JapaneseVowels`: test top-1 98.1% on the 370 test utterances (one run; a linear model of
    the same windows 96.2%), 2 minutes of training on one shared core (Intel Xeon, torch 2.13.0,
    float32), 2026-11-27; docs/results/series.md.
    """
    return small(
        "vowels",
        SeriesConfig(length=29, channels=12, time="row"),
        DataConfig(name="vowels", batch_size=32, validation=0.1),
        num_classes=9,
        max_epochs=40,
    )
