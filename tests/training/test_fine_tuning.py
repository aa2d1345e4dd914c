"""Trainings that start from other runs."""

import dataclasses
import json
import logging
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tests.commands import run
from tests.conftest import write_image_folder
from tests.solids import tiny_shape_model
from tests.texts import tiny_ar
from tests.tiny import tiny_classifier
from tests.tiny_recipes import tiny

import perceivers
from perceivers.modalities import ImageConfig
from perceivers.training import engine
from perceivers.training.fine_tuning import check_freeze, freeze
from perceivers.training.optim import build_optimizer, layer_depths
from perceivers.training.plan import plan
from perceivers.training.recipe import OptimizerConfig
from perceivers.training.recipe_data import read_recipe

DIGITS = ImageConfig(image_size=8, channels=1, num_bands=2)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Return a run on the digits."""
    run_dir = tmp_path_factory.mktemp("first") / "run"
    engine.train(tiny(1), run_dir)
    return run_dir


@pytest.fixture
def photos(tmp_path):
    return write_image_folder(tmp_path / "photos")


def test_a_folder_starts_from_a_run_with_its_architecture(first, photos, tmp_path, capsys):
    out = tmp_path / "run"
    command = ["train", "folder", "--data", photos, "--init", first, "--out", out]
    command += ["--trainer.max_epochs", 1, "--optimizer.lr", 0]
    status, said, log = run(capsys, *command, "--dry-run")
    assert status == 0, log
    assert f"model: that of {first}, 4 latents of 16 channels" in said
    assert f"reads: as {first} does" in said
    assert "starts from" in said
    status, _, log = run(capsys, *command)
    assert status == 0, log
    recipe = read_recipe(out)
    assert recipe.model.input == dataclasses.replace(DIGITS, max_resolution=8.0)
    assert recipe.trainer.init == str(first)
    before, after = (load_file(x / "model.safetensors") for x in (first, out))
    assert {name for name in after if not torch.equal(after[name], before[name])} == {
        "head.weight", "head.bias",
    }  # fmt: skip
    said = (out / "log.txt").read_text()
    assert said.count("not taken, so that they start anew: head.weight, head.bias") == 1
    assert "keeps its own normalising constants" in said


def engine_recipe(init, max_epochs=1, **trainer):
    return tiny(max_epochs, trainer={"init": str(init), **trainer})


def test_a_frozen_encoder_stays_as_it_is(first, tmp_path):
    engine.train(engine_recipe(first, freeze="encoder", ema_decay=0.0), tmp_path / "run")
    before, after = (load_file(x / "model.safetensors") for x in (first, tmp_path / "run"))
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"head.weight", "head.bias"}  # the labels are the same: it goes on


def test_held_out_examples_that_the_first_run_was_trained_on_are_counted(first, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    said = re.compile(rf"{re.escape(str(first))} was trained on (\d+) of the \d+ test examples, so")
    plan(engine_recipe(first))
    assert not said.search(caplog.text), "the same digits are held out"
    other = dataclasses.replace(
        engine_recipe(first), data=dataclasses.replace(tiny().data, test=0.8)
    )
    plan(other)
    engine.train(other, tmp_path / "run")
    counts = [int(count) for count in said.findall(caplog.text)]
    assert len(counts) == 2
    assert counts[0] == counts[1] > 20


def test_the_runs_that_the_first_run_started_from_are_looked_at_too(first, tmp_path, caplog):
    """Examples were new to the run of --init, and its own --init was trained on them."""
    caplog.set_level(logging.INFO)
    shutil.copytree(first, tmp_path / "a")
    shutil.copytree(first, tmp_path / "b")
    splits = json.loads((tmp_path / "b" / "splits.json").read_text())
    splits["examples"]["train"] = splits["examples"]["train"][:1]  # b has seen next to nothing
    (tmp_path / "b" / "splits.json").write_text(json.dumps(splits))
    config = json.loads((tmp_path / "b" / "config.json").read_text())
    config["recipe"]["trainer"]["init"] = str(tmp_path / "a")
    (tmp_path / "b" / "config.json").write_text(json.dumps(config))
    recipe = engine_recipe(tmp_path / "b")
    recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, test=0.8))
    plan(recipe)
    engine.train(recipe, tmp_path / "c")
    said = f"{tmp_path / 'a'}, which {tmp_path / 'b'} started from, was trained on "
    assert caplog.text.count(said) == 4  # test and validation, in the plan and in the run
    caplog.clear()
    shutil.rmtree(tmp_path / "a")
    plan(recipe)
    said = (
        f"what {tmp_path / 'a'}, which {tmp_path / 'b'} started from, was trained on is not known"
    )
    assert caplog.text.count(said) == 1


def test_a_run_that_started_from_itself_is_looked_at_once(first, tmp_path):
    """A run may have been trained anew in the place of the one that it started from."""
    shutil.copytree(first, tmp_path / "a")
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    config["recipe"]["trainer"]["init"] = str(tmp_path / "a")
    (tmp_path / "a" / "config.json").write_text(json.dumps(config))
    plan(engine_recipe(tmp_path / "a"))


def test_a_new_model_is_not_frozen(tmp_path):
    with pytest.raises(ValueError, match="would keep the random weights .*--init RUN"):
        engine.train(tiny(1, trainer={"freeze": "encoder"}), tmp_path / "run")
    with pytest.raises(ValueError, match="would keep the random weights .*--init RUN"):
        plan(tiny(1, trainer={"freeze": "encoder"}))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (tiny_ar(), "would leave nothing to train: a model of kind 'perceiver-ar' has no weights"),
        (tiny_shape_model(), ""),
    ],
)
def test_an_encoder_is_frozen_whole_or_refused(model, message):
    recipe = engine_recipe("elsewhere", freeze="encoder")
    if message:
        with pytest.raises(ValueError, match=message):
            check_freeze(recipe, model)
        return
    check_freeze(recipe, model)
    freeze(model, recipe)
    trained = {name.split(".")[0] for name, x in model.named_parameters() if x.requires_grad}
    assert trained == {"from_codes", "layers", "output", "decoder"}


def test_a_resumed_run_does_not_need_the_first_any_more(first, tmp_path):
    begun = tmp_path / "begun"
    shutil.copytree(first, begun)
    engine.train(engine_recipe(begun), tmp_path / "run")
    shutil.rmtree(begun)
    recipe = read_recipe(tmp_path / "run")
    longer = dataclasses.replace(recipe.trainer, max_epochs=2)
    recipe = dataclasses.replace(recipe, trainer=longer)
    assert engine.resume(tmp_path / "run", recipe)["epochs"] == 2


def test_the_learning_rates_of_a_resumed_run_keep_their_decay(first, tmp_path):
    """Two epochs at once equal one, and one more with the same options."""
    trained = []
    for name, epochs in (("whole", 2), ("halves", 1)):
        recipe = engine_recipe(first, max_epochs=epochs)
        optimizer = dataclasses.replace(
            recipe.optimizer, layer_decay=0.5, schedule="constant", warmup_epochs=0
        )
        engine.train(dataclasses.replace(recipe, optimizer=optimizer), tmp_path / name)
    recipe = read_recipe(tmp_path / "halves")
    recipe = dataclasses.replace(recipe, trainer=dataclasses.replace(recipe.trainer, max_epochs=2))
    engine.resume(tmp_path / "halves", recipe)
    for name in ("whole", "halves"):
        saved = torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)
        trained.append(saved["state_dict"])
    for name, weight in trained[0].items():
        torch.testing.assert_close(weight, trained[1][name], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"init": "elsewhere"}, "its training has begun"),
        ({"freeze": "encoder"}, "the parameters that it trains"),
    ],
)
def test_a_resumed_run_cannot_change_them(first, options, reason):
    recipe = read_recipe(first)
    trainer = dataclasses.replace(recipe.trainer, max_epochs=3, **options)
    with pytest.raises(ValueError, match=reason):
        engine.check_resumable(first, dataclasses.replace(recipe, trainer=trainer))


def test_layers_are_counted_in_the_order_of_their_first_use():
    model = tiny_classifier(DIGITS)  # cross-attends 0 and 1, blocks 0 and 1 of one layer
    depths = layer_depths(model)
    assert depths["perceiver.latents"] == 0
    expected = ["cross_attends.0", "blocks.0.0", "cross_attends.1", "blocks.1.0"]
    for depth, layer in enumerate(expected, 1):
        found = {d for name, d in depths.items() if name.startswith(f"perceiver.{layer}.")}
        assert found == {depth}, layer
    assert depths["head.weight"] == depths["head.bias"] == 5


@pytest.mark.parametrize("name", ["adamw", "lamb", "adam", "sgd", "muon"])
def test_layer_decay_scales_the_learning_rates(name):
    model = tiny_classifier(DIGITS)
    config = OptimizerConfig(name=name, lr=0.1, layer_decay=0.5, weight_decay=0.3)
    names = {id(p): key for key, p in model.named_parameters()}
    optimizer, depths = build_optimizer(model, config), layer_depths(model)
    rates = {
        names[id(p)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    assert rates == {
        key: (pytest.approx(0.1 * 0.5 ** (5 - depths[key])), 0.3 if p.ndim > 1 else 0.0)
        for key, p in model.named_parameters()
    }
    assert max(group["lr"] for group in optimizer.param_groups) == 0.1


def test_the_options_change_a_training(first, tmp_path):
    losses = set()
    for number, optimizer in enumerate(({}, {"layer_decay": 0.1})):
        recipe = engine_recipe(first)
        recipe = dataclasses.replace(
            recipe, optimizer=dataclasses.replace(recipe.optimizer, **optimizer)
        )
        losses.add(engine.train(recipe, tmp_path / str(number))["best"]["val_loss"])
    assert len(losses) == 2


def test_another_modality_and_no_model_are_refused_in_one_line(first, tmp_path, capsys):
    rows = tmp_path / "t.csv"
    rows.write_text(
        "text,label\n" + "".join(f"words {i} of text,{'ab'[i % 2]}\n" for i in range(40))
    )
    for init, message in (
        (first, "reads inputs of kind 'image', and the data has"),
        (tmp_path / "none", "no directory"),
    ):
        status, _, err = run(
            capsys, "train", "folder", "--data", rows, "--init", init, "--out", tmp_path / "o"
        )
        assert (status, len(err.splitlines())) == (1, 1), err
        assert message in err


def test_from_python(first, photos, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    trained = perceivers.train(
        "folder", photos, out=tmp_path / "run", trainer={"init": str(first), "max_epochs": 1},
    )  # fmt: skip
    assert trained.model.config.num_latents == 4
    assert caplog.text.count("starts from ") == 1
    assert json.loads((tmp_path / "run" / "config.json").read_text())["recipe"]["trainer"]["init"]
    with pytest.raises(ValueError, match="the model is given, so it cannot start from"):
        perceivers.train(trained.model, photos, trainer={"init": str(first)})
