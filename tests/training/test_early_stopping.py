"""Runs that stop early, and the weights that they keep."""

import csv
import dataclasses
import json
import logging
import shutil

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


def stopping(epochs=20, **trainer):
    """Return a recipe that gets worse: the learning rate is far too high."""
    return tiny(
        epochs,
        trainer={"patience": 2, "monitor": "val_loss", **trainer},
        optimizer={"schedule": "constant", "lr": 0.3, "name": "adam"},
    )


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Return a run that stopped early, and its result."""
    run = tmp_path_factory.mktemp("stopped") / "run"
    return run, engine.train(stopping(), run)


def test_early_stopping_keeps_the_best_weights(stopped):
    """The learning rate is so high that a later epoch is not better than an early one."""
    recipe = stopping()
    run, result = stopped
    losses = [float(row["val_loss"]) for row in rows(run)]
    best = min(range(len(losses)), key=losses.__getitem__)
    assert len(losses) == best + 3 < 20
    assert result["best"]["epoch"] == best + 1
    torch.manual_seed(0)
    loader = batches(read_recipe_splits(recipe).examples["validation"], recipe.data)
    model = perceivers.load(run)
    with torch.inference_mode():
        losses_again = [
            torch.nn.functional.cross_entropy(model(x), y, reduction="sum") for x, y in loader
        ]
    total = sum(losses_again) / len(loader.dataset)
    assert float(total) == pytest.approx(losses[best], rel=1e-3)


def test_the_reason_to_stop_early_is_said(stopped, tmp_path):
    run, result = shutil.copytree(stopped[0], tmp_path / "run"), stopped[1]
    best = result["best"]["epoch"]
    reason = (
        f"stopped after epoch {best + 2} of 20: val_loss has not improved since epoch {best} "
        "(--trainer.patience 2)"
    )
    assert result["stopped_early"] == reason
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


def test_a_killed_run_stops_early_at_the_same_epoch(stopped, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    whole = stopped[1]

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
    assert whole["stopped_early"] in caplog.text
