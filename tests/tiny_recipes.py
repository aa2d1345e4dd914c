"""Recipes that train in a second, for tests of whole runs."""

import dataclasses
import datetime
import math

from perceivers.modalities import ImageConfig
from perceivers.recipes import get_recipe


def tiny(epochs=2, data=None, trainer=None, optimizer=None):
    """Return the digits recipe with a model of a few thousand weights and few examples."""
    recipe = get_recipe("digits")
    model = dataclasses.replace(
        recipe.model, num_latents=4, latent_dim=16, cross_order=(0, 0), block_order=(0, 0),
        num_layers_per_block=1, num_self_heads=2, input=ImageConfig(
            image_size=8, channels=1, num_bands=2
        ),
    )  # fmt: skip
    return dataclasses.replace(
        recipe,
        model=model,
        data=dataclasses.replace(recipe.data, test=0.6, **(data or {})),
        optimizer=dataclasses.replace(recipe.optimizer, warmup_epochs=0, **(optimizer or {})),
        trainer=dataclasses.replace(recipe.trainer, max_epochs=epochs, **(trainer or {})),
    )


def small_folder_recipe(path, **data):
    """Return a recipe for a folder of images, of two epochs."""
    recipe = get_recipe("folder")
    return dataclasses.replace(
        recipe,
        model=dataclasses.replace(
            recipe.model, num_latents=4, latent_dim=16, qk_dim=None, cross_order=(0,),
            block_order=(0,), num_layers_per_block=1,
        ),
        data=dataclasses.replace(recipe.data, path=str(path), batch_size=4, workers=0, **data),
        trainer=dataclasses.replace(recipe.trainer, max_epochs=2),
        optimizer=dataclasses.replace(recipe.optimizer, warmup_epochs=0),
    )  # fmt: skip


def tiny_forecast_recipe(path, *, inputs=None, output=None, **data):
    """Return a recipe that forecasts 4 steps of a series from 12, of two epochs."""
    recipe = get_recipe("co2")
    model = dataclasses.replace(
        recipe.model,
        input=dataclasses.replace(recipe.model.input, length=12, horizon=4, **(inputs or {})),
        output=dataclasses.replace(recipe.model.output, season=6, **(output or {})),
        num_latents=4, latent_dim=16, num_layers_per_block=1, num_self_heads=2,
    )  # fmt: skip
    return dataclasses.replace(
        recipe,
        model=model,
        data=dataclasses.replace(recipe.data, name="folder", path=str(path), **data),
        optimizer=dataclasses.replace(recipe.optimizer, warmup_epochs=0),
        trainer=dataclasses.replace(recipe.trainer, max_epochs=2, ema_decay=0.0),
    )


def tiny_path_recipe(path, **changes):
    """Return a recipe that forecasts 4 steps of two columns from 12, of two epochs."""
    recipe = get_recipe("series-ar")
    inputs = dataclasses.replace(recipe.model.input, length=12, horizon=4, channels=2, bins=16)
    model = dataclasses.replace(
        recipe.model, input=inputs, output=dataclasses.replace(recipe.model.output, season=6),
        num_latents=20, latent_dim=16, num_layers_per_block=1, num_self_heads=2, paths=8, **changes,
    )  # fmt: skip
    return dataclasses.replace(
        recipe,
        model=model,
        data=dataclasses.replace(recipe.data, path=str(path)),
        optimizer=dataclasses.replace(recipe.optimizer, warmup_epochs=0),
        trainer=dataclasses.replace(recipe.trainer, max_epochs=2, ema_decay=0.0),
    )


def write_seasonal_series(path, rows=120, gap=True):
    """Write a csv with dates a day apart, two seasonal columns and a missing value."""
    lines = ["date,load [MW],wind"]
    for step in range(rows):
        day = datetime.date(2001, 1, 1) + datetime.timedelta(days=step)
        load = 10 + 3 * math.sin(math.pi * step / 3) + 0.02 * step + 0.1 * (step % 5)
        lines.append(f"{day},{'' if gap and step == 50 else f'{load:.4f}'},{(step * 7) % 11 % 8}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
