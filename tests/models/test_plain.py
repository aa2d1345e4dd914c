"""Values of configurations are checked alike in files, in Python and on the command line."""

import dataclasses

import numpy as np
import pytest
from commands import run as command

import perceivers
from perceivers.cli import options
from perceivers.modalities import MelConfig, PointsConfig
from perceivers.models.build import build
from perceivers.models.config import ModelConfig, check, from_dict, to_dict, with_changes
from perceivers.recipes import get_recipe
from perceivers.training import engine
from perceivers.training.plan import plan
from perceivers.training.recipe import Recipe

WRONG = [
    ("trainer.seed", 2**70, "a whole number of at least"),
    ("trainer.max_epochs", 2**31, "a whole number of at least 1 and at most 2,147,483,647"),
    ("trainer.max_epochs", -3, "a whole number of at least 1"),
    ("trainer.max_epochs", 2.5, "a whole number of at least 1"),
    ("trainer.max_epochs", True, "a whole number of at least 1"),
    ("trainer.max_epochs", 0, "a whole number of at least 1"),
    ("trainer.ema_decay", 1.5, "a number of at least 0 and at most 0.999999"),
    ("trainer.label_smoothing", 1.5, "a number of at least 0 and at most 0.99"),
    ("optimizer.momentum", 1.0, "a number of at least 0 and at most 0.999999"),
    ("optimizer.beta1", 1.5, "a number of at least 0 and at most 0.999999"),
    ("optimizer.beta2", 1.5, "a number of at least 0 and at most 0.999999"),
    ("optimizer.plateau_factor", 1.5, "a number of at least 0 and at most 0.999999"),
    ("data.zoom", 1.5, "a number of at least 0 and at most 0.99"),
    ("data.point_scaling", 1.0, "a number of at least 0 and at most 0.99"),
    ("data.point_dropout", 1.0, "a number of at least 0 and at most 0.99"),
    ("data.time_shift", 1.5, "a number of at least 0 and at most 1"),
    ("data.rand_augment_magnitude", 11, "a number of at least 0 and at most 10"),
    ("model.attention_dropout", 1.5, "a number of at least 0 and at most 1"),
    ("model.dropout", -0.1, "a number of at least 0 and at most 1"),
    ("trainer.freeze", "all", "one of none, encoder"),
    ("optimizer.layer_decay", 0.0, "a number of at least 0.01 and at most 1"),
    ("optimizer.lr", float("nan"), "a number of at least 0"),
    ("optimizer.milestones", (3, -1), "a whole number of at least 0"),
    ("optimizer.milestones", 3, "a list"),
    ("data.stride", 0, "a whole number of at least 1"),
    ("data.batch_size", 0, "a whole number of at least 1"),
    ("data.validation", 1.5, "a number of at least 0 and at most 0.99"),
    ("data.test", 1.0, "a number of at least 0 and at most 0.99"),
    ("model.num_latents", 0, "a whole number of at least 1"),
    ("model.latent_dim", 0, "a whole number of at least 1"),
    ("data.flip", "yes", "true or false"),
    ("data.path", 3, "a text"),
    ("model.num_layers_per_block", 1001, "a whole number of at least 0 and at most 1000"),
    ("model.cross_order", (0, 5000), "a whole number of at least 0 and at most 1000"),
    ("model.input.image_size", 0, "a whole number of at least 1"),
    ("model.input.projection_dim", 0, "a whole number of at least 1"),
    ("model.num_self_heads", 0, "a whole number of at least 1"),
    ("model.input.num_bands", 10**9, "a whole number of at least 0 and at most 65536"),
    ("limits.pixels", "many", "a whole number of at least 0"),
]


def within(path, value):
    """Return a value as nested dictionaries."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


@pytest.mark.parametrize(("path", "value", "expected"), WRONG, ids=str)
def test_a_wrong_value_is_refused_wherever_it_comes_from(path, value, expected):
    recipe = get_recipe("digits")
    with pytest.raises(ValueError, match=rf"^--{path}(\[1\])? is .*; expected {expected}"):
        options.apply(recipe, {path: value})
    with pytest.raises(ValueError, match=rf"^recipe\.{path}(\[1\])? is .*; expected {expected}"):
        with_changes(recipe, within(path, value), "recipe")
    if path != "limits.pixels":  # it is refused when it is made
        with pytest.raises(
            ValueError, match=rf"^recipe\.{path}(\[1\])? is .*; expected {expected}"
        ):
            check(replaced(recipe, path, value), "recipe")


@pytest.mark.parametrize(
    "inputs",
    [MelConfig(n_mels=10**6), MelConfig(n_fft=10**6), PointsConfig(channels=10**6)],
    ids=("n_mels", "n_fft", "channels"),
)
def test_sizes_that_a_constructor_would_compute_with_are_bounded(inputs):
    with pytest.raises(ValueError, match="is 1000000; expected a whole number of at least 0 and"):
        build(ModelConfig(input=inputs))


def replaced(config, path, value):
    """Return a configuration with a value that nothing has checked."""
    name, _, rest = path.partition(".")
    value = replaced(getattr(config, name), rest, value) if rest else value
    return dataclasses.replace(config, **{name: value})


def test_models_and_runs_check_their_configurations(tmp_path):
    with pytest.raises(ValueError, match="model.num_layers_per_block is 2000; expected"):
        build(ModelConfig(num_layers_per_block=2000))
    with pytest.raises(ValueError, match="model.input.num_bands is -1; expected"):
        perceivers.create("perceiver-imagenet", input={"num_bands": -1})
    recipe = replaced(get_recipe("digits"), "trainer.seed", 2**70)
    for begin in (plan, lambda recipe: engine.train(recipe, tmp_path / "run")):
        with pytest.raises(ValueError, match="recipe.trainer.seed is 1180591620717411303424; exp"):
            begin(recipe)
    assert not list(tmp_path.iterdir())


def test_the_command_line_says_it_in_one_line(capsys):
    status, out, err = command(capsys, "train", "digits", "--seed", 2**70, "--dry-run")
    assert (status, out) == (1, "")
    assert err.startswith("perceivers: --trainer.seed is 1180591620717411303424; expected a whole")
    assert err.count("\n") == 1


def test_numbers_of_numpy_and_lists_become_plain(tmp_path):
    changes = {"num_latents": np.int64(4), "latent_dim": np.int32(16), "num_self_heads": 2}
    changes |= {"cross_order": [0, 1], "block_order": [0, 1], "dropout": np.float32(0.5)}
    config = with_changes(ModelConfig(), changes, "model")
    assert from_dict(ModelConfig, to_dict(config)) == config
    assert (config.num_latents, config.cross_order, config.dropout) == (4, (0, 1), 0.5)
    assert type(config.num_latents) is int
    assert type(config.dropout) is float
    perceivers.save(build(dataclasses.replace(config, latent_dim=np.int64(16))), tmp_path / "m")
    assert perceivers.load(tmp_path / "m").config == config


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"input": 3}, "recipe.model.input is 3; expected an instance of InputConfig"),
        ({"input": get_recipe("digits")}, "expected an instance of InputConfig"),
    ],
)
def test_a_configuration_is_not_replaced_by_something_else(model, message):
    with pytest.raises(ValueError, match=message):
        with_changes(Recipe(name="x"), {"model": model}, "recipe")
