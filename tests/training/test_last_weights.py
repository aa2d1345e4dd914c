"""Runs without validation examples, or that keep the weights of their last epoch."""

import dataclasses
import logging

import pytest
import torch
from safetensors.torch import load_file
from tiny_recipes import tiny

from perceivers.files import read_json
from perceivers.training import engine
from perceivers.training.recipe_data import read_recipe
from perceivers.training.recorder import Recorder

HIGH = {"schedule": "constant", "lr": 0.3, "name": "adam"}  # later epochs are worse


def whole(epochs=3, **trainer):
    """Return a recipe that trains on all examples but those of the test split."""
    return tiny(
        epochs, data={"validation": 0.0}, trainer={"monitor": "auto", "ema_decay": 0.9, **trainer}
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = tmp_path_factory.mktemp("last") / "run"
    return run, engine.train(whole(patience=2), run)


def test_all_examples_but_the_test_split_are_trained_on(trained):
    run, result = trained
    splits = read_json(run / "splits.json")["examples"]
    assert set(splits) == {"train", "test"}
    assert result["train_examples"] == len(splits["train"])
    assert "val_loss" not in (run / "metrics.csv").read_text()
    lines = (run / "log.txt").read_text().splitlines()
    assert any("epoch 3/3: train loss" in line and " | val" not in line for line in lines)
    assert not any("validation" in line for line in lines if "test top-1" in line)


def test_the_average_of_the_last_epoch_is_kept_and_nothing_stops_early(trained, caplog):
    run, result = trained
    assert result["epochs"] == 3
    assert result["best"] == {"epoch": 3}
    recipe = read_recipe(run)
    assert (recipe.trainer.monitor, recipe.trainer.patience) == ("last", 0)
    assert "all 3 epochs are trained, without early stopping" in (run / "log.txt").read_text()
    kept = load_file(run / "model.safetensors")
    saved = torch.load(run / engine.LAST_CHECKPOINT, weights_only=True)["state_dict"]
    averaged = {k.removeprefix("model."): v for k, v in saved.items() if k.startswith("model.")}
    assert kept.keys() <= averaged.keys()
    assert all(torch.equal(kept[name], averaged[name]) for name in kept)


def test_a_killed_run_resumes_to_the_same_weights(trained, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    original = Recorder.on_train_epoch_end

    def kill(self, trainer, learner):
        if trainer.current_epoch == 2:
            raise Killed
        original(self, trainer, learner)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_epoch_end", kill)
        with pytest.raises(Killed):
            engine.train(whole(), tmp_path / "run")
    engine.resume(tmp_path / "run", read_recipe(tmp_path / "run"))
    first, second = (load_file(x / "model.safetensors") for x in (trained[0], tmp_path / "run"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_last_weights_are_kept_although_others_were_better(tmp_path):
    best = engine.train(tiny(3, trainer={"monitor": "val_loss"}, optimizer=HIGH), tmp_path / "best")
    last = engine.train(tiny(3, trainer={"monitor": "last"}, optimizer=HIGH), tmp_path / "last")
    assert best["best"]["epoch"] < 3
    assert last["best"]["epoch"] == 3
    assert "last epoch 3: validation top-1" in (tmp_path / "last" / "log.txt").read_text()


@pytest.mark.parametrize(
    ("trainer", "optimizer", "match"),
    [
        (
            {"monitor": "val_top1"},
            {},
            "monitor=val_top1 needs validation .* last to keep",
        ),
        ({"monitor": "auto"}, {"schedule": "plateau"}, "schedule=plateau follows the validation"),
    ],
)
def test_what_needs_validation_examples_is_refused(tmp_path, trainer, optimizer, match):
    recipe = tiny(data={"validation": 0.0}, trainer=trainer, optimizer=optimizer)
    with pytest.raises(ValueError, match=match):
        engine.train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_patience_is_refused_at_resume(trained):
    recipe = read_recipe(trained[0])
    longer = dataclasses.replace(recipe.trainer, patience=1, max_epochs=4)
    with pytest.raises(ValueError, match="patience=1, but the run keeps the weights of its last"):
        engine.check_resumable(trained[0], dataclasses.replace(recipe, trainer=longer))


def test_a_dry_run_agrees(caplog):
    from perceivers.training.plan import plan

    with caplog.at_level(logging.INFO):
        planned = plan(whole(patience=2))
    assert set(planned.examples) == {"train", "test"}
    assert planned.recipe.trainer.monitor == "last"
    assert "without early stopping" in caplog.text
