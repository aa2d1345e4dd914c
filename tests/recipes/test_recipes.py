"""A few training steps of each CIFAR recipe, on small data sets in the official layouts."""

import dataclasses

import pytest

import perceivers
from perceivers.recipes import RECIPES, get_recipe
from perceivers.training import engine


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "cifar100-small"])
def test_cifar_recipes_run(cifar_files, tmp_path, name):
    """Only sizes are changed; augmentation, optimiser, precision and averaging are the recipe's."""
    recipe = get_recipe(name)
    path = cifar_files.write(recipe.data.name, "binary", archive=True)
    recipe = dataclasses.replace(
        recipe,
        model=dataclasses.replace(
            recipe.model, num_latents=4, latent_dim=16, qk_dim=16, num_self_heads=4
        ),
        data=dataclasses.replace(recipe.data, path=str(path), batch_size=16, validation=0.2),
        trainer=dataclasses.replace(recipe.trainer, max_epochs=3),
    )
    result = engine.train(recipe, tmp_path / "run")
    assert result["epochs"] == 3
    assert result["test"]["examples"] == 10
    assert 0 < result["best"]["val_loss"] < 10


@pytest.mark.parametrize("name", ["keras-cifar100", "keras-cifar100-lamb"])
def test_keras_recipes_run(cifar_files, tmp_path, name):
    """CIFAR's 32² images are resized to the model's 64² (here in 8×8 patches, for speed)."""
    recipe = get_recipe(name)
    assert recipe.model.input.image_size == 64
    path = cifar_files.write(recipe.data.name, "binary", archive=True)
    image = dataclasses.replace(
        recipe.model.input, patch_size=8, projection_dim=16, position_dim=16
    )
    recipe = dataclasses.replace(
        recipe,
        model=dataclasses.replace(
            recipe.model, input=image, num_latents=4, latent_dim=16, self_qk_dim=32, head_dim=16
        ),
        data=dataclasses.replace(recipe.data, path=str(path), batch_size=16, validation=0.2),
        trainer=dataclasses.replace(recipe.trainer, max_epochs=3),
    )
    result = engine.train(recipe, tmp_path / "run")
    assert result["epochs"] == 3
    assert result["test"]["examples"] == 10
    assert type(perceivers.load(tmp_path / "run")).__name__ == "KerasExample"


def test_names_of_recipes():
    assert len(RECIPES) == len({make.__name__ for make in RECIPES.values()})  # no name twice
    with pytest.raises(ValueError, match="unknown recipe 'digit'; did you mean 'digits'"):
        get_recipe("digit")
