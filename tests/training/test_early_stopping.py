"""Runs that stop early, and the weights that they keep."""

import csv
import dataclasses
import json
import logging

import pytest
import torch
from tiny_recipes import tiny

import perceivers
from perceivers.training import engine
from perceivers.training.batches import batches
from perceivers.training.recipe_data import read_recipe, read_recipe_splits
from perceivers.training.recorder import Recorder


def rows(run_dir):
    with open(run_dir / "metrics.csv") as file:
        return list(csv.DictReader(file))


class Killed(BaseException):
    """Stands for a kill that no handler can catch."""


def test_early_stopping_keeps_the_best_weights(tmp_path):
    """The learning rate is so high that a later epoch is not better than an early one."""
    recipe = tiny(
        20,
        trainer={"patience": 2, "monitor": "val_loss"},
        optimizer={"schedule": "constant", "lr": 0.3, "name": "adam"},
    )
    result = engine.train(recipe, tmp_path / "run")
    losses = [float(row["val_loss"]) for row in rows(tmp_path / "run")]
    best = min(range(len(losses)), key=losses.__getitem__)
    assert len(losses) == best + 3 < 20
    assert result["best"]["epoch"] == best + 1
    torch.manual_seed(0)
    loader = batches(read_recipe_splits(recipe).examples["validation"], recipe.data)
    model = perceivers.load(tmp_path / "run")
    with torch.inference_mode():
        losses_again = [
            torch.nn.functional.cross_entropy(model(x), y, reduction="sum") for x, y in loader
        ]
    total = sum(losses_again) / len(loader.dataset)
    assert float(total) == pytest.approx(losses[best], rel=1e-3)


def stopping(epochs=20, **trainer):
    """Return a recipe that gets worse: the learning rate is far too high."""
    return tiny(
        epochs,
        trainer={"patience": 2, "monitor": "val_loss", **trainer},
        optimizer={"schedule": "constant", "lr": 0.3, "name": "adam"},
    )


def test_the_reason_to_stop_early_is_said(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    run = tmp_path / "run"
    result = engine.train(stopping(), run)
    best = result["best"]["epoch"]
    reason = (
        f"stopped after epoch {best + 2} of 20: val_loss has not improved since epoch {best} "
        "(--trainer.patience 2)"
    )
    assert result["stopped_early"] == reason
    assert reason in caplog.text
    log_text = (run / "log.txt").read_text()
    assert log_text.count(reason) == 1
    assert json.loads((run / "metrics.json").read_text())["stopped_early"] == reason
    assert engine.train(stopping(3, patience=9), tmp_path / "whole")["stopped_early"] is None
    # Resumed as it is, it stays stopped; with a longer patience it goes on.
    again = engine.resume(run, read_recipe(run))
    assert (again["epochs"], again["stopped_early"]) == (result["epochs"], reason)
    recipe = read_recipe(run)
    assert engine.check_resumable(run, recipe) == 20
    more = dataclasses.replace(recipe, trainer=dataclasses.replace(recipe.trainer, max_epochs=30))
    with pytest.raises(ValueError, match="trainer.max_epochs would change nothing; .*patience"):
        engine.check_resumable(run, more)
    epochs = result["epochs"] + 1
    longer = dataclasses.replace(recipe.trainer, patience=epochs, max_epochs=epochs)
    assert engine.resume(run, dataclasses.replace(recipe, trainer=longer))["epochs"] == epochs


def test_a_killed_run_stops_early_at_the_same_epoch(tmp_path, monkeypatch):
    whole = engine.train(stopping(), tmp_path / "whole")

    def kill(self, trainer, task):
        if trainer.current_epoch == whole["epochs"] - 1:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_epoch_start", kill)
        with pytest.raises(Killed):
            engine.train(stopping(), tmp_path / "killed")
    resumed = engine.resume(tmp_path / "killed", read_recipe(tmp_path / "killed"))
    for name in ("stopped_early", "best", "epochs"):
        assert resumed[name] == whole[name]
