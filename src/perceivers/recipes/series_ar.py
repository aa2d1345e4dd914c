"""Forecasts of a series by continuing it many times."""

from ..data.config import DataConfig
from ..modalities import ForecastConfig, SeriesTokensConfig
from ..models.config import PerceiverARForecastConfig
from ..training.recipe import OptimizerConfig, Recipe, TrainerConfig


def series_ar() -> Recipe:
    """Forecast a year of a monthly series from four years: a Perceiver AR on values as tokens."""
    return Recipe(
        name="series-ar",
        model=PerceiverARForecastConfig(
            input=SeriesTokensConfig(length=48, horizon=12),
            output=ForecastConfig(season=12),
            num_latents=59,
            latent_dim=64,
            num_layers_per_block=2,
            num_self_heads=4,
        ),
        data=DataConfig(name="folder", batch_size=32, validation=0.2, test=0.2),
        optimizer=OptimizerConfig(
            name="muon", lr=2e-3, momentum=0.95, warmup_epochs=1, clip_norm=1.0
        ),
        trainer=TrainerConfig(max_epochs=30, patience=8, ema_decay=0.98, monitor="val_mase"),
    )
