"""Options made from configuration dataclasses."""

import argparse
import dataclasses

import pytest

from perceivers.cli import options as config_options
from perceivers.modalities import ImageConfig, RowsConfig, TabularConfig, build_reader
from perceivers.models.config import ModelConfig
from perceivers.models.presets import PRESETS
from perceivers.recipes import RECIPES, get_recipe
from perceivers.training.recipe import Recipe


def parse(*arguments):
    parser = argparse.ArgumentParser(exit_on_error=False)
    config_options.add_options(parser, Recipe(name="x"))
    return config_options.apply(Recipe(name="x"), vars(parser.parse_args(arguments)))


def test_options_are_parsed_by_the_type_of_their_field():
    recipe = parse(
        "--model.num_latents=64", "--optimizer.lr", "1e-3", "--data.flip", "true",
        "--model.cross_order", "0,1,none", "--model.qk_dim", "none", "--model.v_dim", "8",
        "--optimizer.milestones", "84,102", "--trainer.precision", "bfloat16",
        "--model.input.patch_size", "2",
    )  # fmt: skip
    assert recipe.model.num_latents == 64
    assert recipe.optimizer.lr == 1e-3
    assert recipe.data.flip is True
    assert recipe.model.cross_order == (0, 1, None)
    assert (recipe.model.qk_dim, recipe.model.v_dim) == (None, 8)
    assert recipe.optimizer.milestones == (84, 102)
    assert recipe.trainer.precision == "bfloat16"
    assert recipe.model.input.patch_size == 2


def test_no_options_change_nothing():
    assert parse() == Recipe(name="x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("--model.num_latents", "many"),
        ("--data.flip", "yes"),
        ("--optimizer.name", "adamm"),
        ("--model.cross_order", "0,x"),
    ],
)
def test_errors_for_wrong_values(name, value):
    with pytest.raises(argparse.ArgumentError, match=f"{name}: invalid .* value: '{value}'"):
        parse(name, value)


def test_errors_for_wrong_names_suggest_the_nearest_one():
    with pytest.raises(ValueError, match="'--optimizer.rl'; did you mean '--optimizer.lr'"):
        config_options.reject_unknown(["--optimizer.rl", "3"], Recipe(name="x"), prog="x")
    with pytest.raises(ValueError, match="unexpected argument 'digits2'"):
        config_options.reject_unknown(["digits2"], Recipe(name="x"), prog="x")


def test_options_of_the_parts_of_a_fusion():
    model = PRESETS["perceiver-audioset-av"]()
    before = dataclasses.replace(Recipe(name="x"), model=model)
    parser = argparse.ArgumentParser(exit_on_error=False)
    config_options.add_options(parser, before)
    values = {
        "parts.audio.num_bands": 8, "min_embedding_dim": 6, "parts.audio.sample_rate": 8000,
        "parts.video.seconds": 0.5, "dropout": "",
    }  # fmt: skip
    arguments = [f"--model.input.{name}={value}" for name, value in values.items()]
    after = config_options.apply(before, vars(parser.parse_args(arguments)))
    audio, video = (after.model.input.parts[name] for name in ("audio", "video"))
    assert (audio.num_bands, after.model.input.min_embedding_dim) == (8, 6)
    assert (audio.sample_rate, video.seconds, after.model.input.dropout) == (8000, 0.5, {})
    assert model.input.parts["audio"].num_bands == 64  # the original is unchanged
    for text, expected in {"audio=0.1, video=0.2": {"audio": 0.1, "video": 0.2}, "": {}}.items():
        parsed = parser.parse_args(["--model.input.dropout", text])
        assert config_options.apply(before, vars(parsed)).model.input.dropout == expected
    for text in ("0.3", "video=much"):
        with pytest.raises(argparse.ArgumentError, match="invalid NAME=float,… value"):
            parser.parse_args(["--model.input.dropout", text])
    with pytest.raises(ValueError, match="did you mean '--model.input.parts.video.num_frames'"):
        config_options.reject_unknown(["--model.input.parts.video.num_frame"], before, prog="x")
    for path, _, _, text in config_options._option_fields(before):
        assert text, f"{path} has no description"


def test_options_for_columns():
    parts = {"photo": ImageConfig(), "table": TabularConfig(numeric=("age",))}
    config = RowsConfig(parts=parts, files={"photo": "a photo"}, texts={})
    before = dataclasses.replace(Recipe(name="x"), model=ModelConfig(input=config))
    parser = argparse.ArgumentParser(exit_on_error=False)
    config_options.add_options(parser, before)
    values = {"files": "photo=picture", "texts": "", "parts.table.numeric": "age,height"}
    arguments = [f"--model.input.{name}={value}" for name, value in values.items()]
    after = config_options.apply(before, vars(parser.parse_args(arguments))).model.input
    assert (after.files, after.texts) == ({"photo": "picture"}, {})
    assert build_reader(after).columns == ("picture", "age", "height")
    assert parse("--data.label", "a, b", "--data.ignore=c").data.label == ("a", "b")


@pytest.mark.parametrize("name", RECIPES)
def test_every_option_is_described_and_every_recipe_is_valid(name):
    """The model of each recipe can be built, and each field has a docstring."""
    from perceivers.models.build import build_on_meta

    build_on_meta(get_recipe(name).model)
    for path, _, _, text in config_options._option_fields(get_recipe(name)):
        assert text, f"{path} has no description"


def test_number_of_options():
    """A new option is a decision: change the number together with a test of its effect."""
    paths = {path for path, *_ in config_options._option_fields(Recipe(name="x"))}
    assert len(paths) == 98, sorted(paths)


def test_options_of_the_recipe_are_separated_from_the_others():
    """Wherever they stand, so that their values are not taken for the recipe."""
    arguments = [
        "train", "--model.num_latents", "4", "digits", "--optimizer.lr=-1", "--data", "a.b",
        "--data.flip", "--out", "x", "--trainer.seed", "-1",
    ]  # fmt: skip
    others, dotted = config_options.split(arguments)
    assert others == ["train", "digits", "--data", "a.b", "--out", "x"]
    assert dotted == [
        "--model.num_latents", "4", "--optimizer.lr=-1", "--data.flip", "--trainer.seed", "-1",
    ]  # fmt: skip


def test_parse_gives_the_values_that_were_typed(capsys):
    recipe = get_recipe("digits")
    given = config_options.parse(["--trainer.seed", "-1"], recipe, prog="p")
    assert given == {"trainer.seed": -1}
    unknown = ["--model.num_latent", "3", "--trainer.seed", "2"]
    with pytest.raises(
        ValueError, match="'--model.num_latent'; did you mean '--model.num_latents'"
    ):
        config_options.parse(unknown, recipe, prog="p")
    known = config_options.parse(unknown, recipe, prog="p", ignore_unknown=True)
    assert known == {"trainer.seed": 2}
    with pytest.raises(SystemExit):
        config_options.parse(["--trainer.seed"], recipe, prog="p")
    assert "p: argument --trainer.seed: expected one argument" in capsys.readouterr().err
