"""Forecasts of a series by continuing it many times."""

from ..data.config import DataConfig
from ..modalities import ForecastConfig, SeriesTokensConfig
from ..models.config import PerceiverARForecastConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig


def series_ar() -> Recipe:
    """Forecast a year of a monthly series from four years: a Perceiver AR on values as tokens.

    A forecast is the median of 50 continuations, with the interval that holds 80% of them.
    `python examples/series_sets.py write DEST`, then `perceivers train series-ar --data
    DEST/elnino.csv`: test MASE 0.796 on the last fifth of the months, and 95% of the values in the
    interval (one run; seasonal naive 0.792, ridge regression of the window 0.643), 7 minutes of
    training on a busy core (AMD EPYC, torch 2.13.0, float32), 2026-11-27; docs/results/series.md.
    """
    return Recipe(
        name="series-ar",
        model=PerceiverARForecastConfig(
            input=SeriesTokensConfig(length=48, horizon=12, difference=12),
            output=ForecastConfig(season=12),
            num_latents=59,
            latent_dim=64,
            num_layers_per_block=2,
            num_self_heads=4,
            dropout=0.3,
            paths=50,
        ),
        data=DataConfig(name="folder", batch_size=16, validation=0.2, test=0.2),
        optimizer=OptimizerConfig(
            name="muon", lr=3e-3, momentum=0.95, warmup_epochs=1, clip_norm=1.0
        ),
        trainer=TrainerConfig(max_epochs=10, patience=4, ema_decay=0.98, monitor="val_mase"),
    )
