"""Recipes that train in a second, for tests of whole runs."""

import dataclasses

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
        model=dataclasses.replace(recipe.model, num_latents=4, latent_dim=16, qk_dim=None),
        data=dataclasses.replace(recipe.data, path=str(path), batch_size=4, workers=0, **data),
        trainer=dataclasses.replace(recipe.trainer, max_epochs=2),
        optimizer=dataclasses.replace(recipe.optimizer, warmup_epochs=0),
    )
