"""Tiny models of solids, and files for them."""

import dataclasses

import numpy as np
import torch

from perceivers.models.build import build
from perceivers.recipes import get_recipe


def tiny_shape_recipe(epochs=2, **model):
    """Return the recipe shape-vae with a model of a few thousand weights."""
    recipe = get_recipe("shape-vae")
    small = dataclasses.replace(
        recipe.model,
        input=dataclasses.replace(recipe.model.input, num_points=64, num_bands=2),
        output=dataclasses.replace(recipe.model.output, resolution=4, learned_dim=5),
        num_latents=4, latent_dim=16, num_self_heads=2, num_cross_heads=2, qk_dim=16,
        bottleneck_dim=3, num_decoder_layers=1, train_queries=32,
        decoder=dataclasses.replace(recipe.model.decoder, num_heads=2, qk_dim=16, v_dim=16),
    )  # fmt: skip
    return dataclasses.replace(
        recipe,
        model=dataclasses.replace(small, **model),
        data=dataclasses.replace(recipe.data, batch_size=4, test=0.2, validation=0.2),
        optimizer=dataclasses.replace(recipe.optimizer, warmup_epochs=0),
        trainer=dataclasses.replace(recipe.trainer, max_epochs=epochs),
    )


def tiny_shape_model(**model):
    """Return a tiny model of solids in eval mode."""
    torch.manual_seed(0)
    return build(tiny_shape_recipe(**model).model).eval()


def ball(count=300, radius=2.0, centre=(5.0, 0.0, 0.0)):
    """Return points of a sphere, float64 (count, 3)."""
    points = np.random.default_rng(0).normal(size=(count, 3))
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True) + centre
