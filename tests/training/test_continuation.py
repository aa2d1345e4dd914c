"""Options of a resumed run: each is applied to the rest of the run, or refused."""

import csv
import dataclasses
import json
import shutil
import typing
from typing import Literal

import pytest
import torch
from commands import run
from tiny_recipes import small_folder_recipe, tiny

import perceivers
from perceivers.cli.options import _option_fields, apply
from perceivers.training import continuation, engine
from perceivers.training.optim import build_optimizer
from perceivers.training.recipe_data import read_recipe
from perceivers.training.task import Learner


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a run of one epoch."""
    run = tmp_path_factory.mktemp("runs") / "run"
    engine.train(tiny(1, trainer={"ema_decay": 0.5}), run)
    return run


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """Return a run of two epochs, which no test changes."""
    run = tmp_path_factory.mktemp("runs") / "run"
    engine.train(tiny(2), run)
    return run


def files_of(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def another(hint, value):
    """Return another value than that of an option, of its type."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return next(name for name in arguments if name not in (value, "auto"))
    if type(None) in arguments:
        return another(next(x for x in arguments if x is not type(None)), value)
    if typing.get_origin(hint) is tuple:
        return (*(value or ()), another(arguments[0], 0))
    if hint is bool:
        return not value
    if hint is float:
        return value / 2 if value else 0.125
    return (value or 0) + 1 if hint is int else "z"


OPTIONS = {path: (hint, value) for path, hint, value, _ in _option_fields(tiny(1))}


@pytest.mark.parametrize("path", OPTIONS)
def test_every_option_is_applied_or_refused(finished, path):
    """An option that is neither known to be applied nor refused would be refused."""
    run = read_recipe(finished)
    hint, _ = OPTIONS[path]
    value = {p: v for p, _, v, _ in _option_fields(run)}[path]
    changed = apply(run, {path: another(hint, value), "trainer.max_epochs": 2})
    if path in continuation.APPLIED | continuation.SURROUNDINGS:
        assert not path.startswith("model.")
        if path == "optimizer.schedule":
            changed = apply(changed, {path: "constant"})
        if path == "trainer.device":
            return  # no other device here
        assert engine.check_resumable(finished, changed) == 1
        return
    before = files_of(finished)
    with pytest.raises(ValueError, match="a resumed run cannot change it"):
        engine.resume(finished, changed)
    assert files_of(finished) == before


class Stop(Exception):
    """Raised once the state of a run is restored."""


@pytest.mark.parametrize(
    ("name", "schedule"),
    [
        ("adamw", "cosine"), ("muon", "multistep"), ("lamb", "constant"), ("sgd", "plateau"),
        pytest.param("adam", "cosine", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_options_of_the_optimiser_are_applied(tmp_path, monkeypatch, name, schedule, caplog):
    run, kept = tmp_path / "run", {}

    def stop(learner):
        kept["learner"], trainer = learner, learner.trainer
        kept["optimizer"] = trainer.optimizers[0]
        kept["schedule"] = trainer.lr_scheduler_configs[0].scheduler
        if trainer.current_epoch == 1:
            raise Stop

    monkeypatch.setattr(Learner, "on_train_epoch_start", stop)
    with pytest.raises(Stop):
        engine.train(tiny(2, optimizer={"name": name, "schedule": schedule}), run)
    saved = torch.load(run / engine.LAST_CHECKPOINT, weights_only=True)
    with pytest.raises(Stop):  # nothing changed: the options are those of the checkpoint
        engine.resume(run, read_recipe(run))
    rates = [group["lr"] for group in saved["optimizer_states"][0]["param_groups"]]
    assert [group["lr"] for group in kept["optimizer"].param_groups] == rates
    assert "jumps" not in caplog.text
    changes = {
        "lr": 0.125, "weight_decay": 0.25, "momentum": 0.5, "beta1": 0.7, "beta2": 0.8,
        "plateau_factor": 0.5, "plateau_patience": 1, "gamma": 0.5,
    }  # fmt: skip
    wanted = read_recipe(run)
    wanted = dataclasses.replace(
        wanted,
        optimizer=dataclasses.replace(wanted.optimizer, **changes),
        trainer=dataclasses.replace(wanted.trainer, max_epochs=4, patience=3),
    )
    with pytest.raises(Stop):
        engine.resume(run, wanted)
    fresh = build_optimizer(kept["learner"].model, wanted.optimizer)
    factor = 0.5 + 0.5**1.5 if schedule == "cosine" else 1  # after one of four epochs
    for group, new in zip(kept["optimizer"].param_groups, fresh.param_groups, strict=True):
        assert group["lr"] == pytest.approx(0.125 * factor)
        assert {k: v for k, v in group.items() if k not in ("params", "lr", "initial_lr")} == {
            k: v for k, v in new.items() if k not in ("params", "lr")
        }
    if schedule == "plateau":
        assert (kept["schedule"].factor, kept["schedule"].patience) == (0.5, 1)
    callbacks = kept["learner"].trainer.callbacks
    assert [x.patience for x in callbacks if hasattr(x, "patience")] == [3]
    assert read_recipe(run) == wanted
    assert "the learning rate jumps from" in caplog.text


def rates(run):
    with open(run / "metrics.csv") as file:
        return [float(row["lr"]) for row in csv.DictReader(file)]


def test_a_learning_rate_of_zero_changes_no_weight(tmp_path, caplog):
    run = tmp_path / "run"
    engine.train(tiny(1, optimizer={"schedule": "constant"}, trainer={"ema_decay": 0.0}), run)
    before = perceivers.load(run).state_dict()
    recipe = apply(read_recipe(run), {"optimizer.lr": 0.0, "trainer.max_epochs": 2})
    result = engine.resume(run, recipe)
    assert rates(run)[1] == 0
    after = perceivers.load(run).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert result["epochs"] == 2
    assert "the learning rate jumps from 0.005 to 0" in (run / "log.txt").read_text()


def test_more_epochs_make_the_rate_jump_which_is_said(twice, tmp_path):
    assert "jumps" not in (twice / "log.txt").read_text()
    shutil.copytree(twice, tmp_path / "run")
    engine.resume(tmp_path / "run", tiny(4))
    line = "cosine over 4 epochs now, cosine over 2 before"
    assert line in (tmp_path / "run" / "log.txt").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainer.max_epochs": 1}, "has done 2 epochs, more than trainer.max_epochs=1"),
        ({"optimizer.lr": 0.5}, "has done all of its 2 epochs, so optimizer.lr would change"),
        ({"optimizer.schedule": "plateau", "trainer.max_epochs": 3}, "cannot change from or to"),
        ({"optimizer.warmup_epochs": 9.0, "trainer.max_epochs": 3}, "is not less than"),
        ({"data.batch_size": 7, "trainer.max_epochs": 3}, "is 64 in the run, and a resumed run"),
        ({"data.path": "/none", "data.name": "folder"}, "data.name is digits in the run"),
    ],
    ids=str,
)
def test_a_refused_resume_changes_nothing(twice, changes, message):
    before = files_of(twice)
    with pytest.raises(ValueError, match=message):
        engine.resume(twice, apply(read_recipe(twice), changes))
    assert files_of(twice) == before


def test_a_device_or_data_that_is_missing_changes_nothing(image_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run = tmp_path / "run"
    engine.train(small_folder_recipe(image_folder), run)
    before = files_of(run)
    more = {"trainer.max_epochs": 3}
    for changes in ({"trainer.device": "cuda"}, {"data.path": str(tmp_path / "none")}):
        with pytest.raises((ValueError, OSError)):
            engine.resume(run, apply(read_recipe(run), {**changes, **more}))
    assert files_of(run) == before


def test_a_finished_run_may_be_resumed(twice, tmp_path, caplog):
    caplog.set_level("INFO")
    shutil.copytree(twice, tmp_path / "run")
    first = json.loads((tmp_path / "run" / "metrics.json").read_text())
    again = engine.resume(tmp_path / "run", read_recipe(tmp_path / "run"))
    assert again["test"] == first["test"]
    assert "no epoch is left, and the run is scored again" in caplog.text


def test_a_dry_run_plans_the_epochs_that_are_left(capsys, image_folder, tmp_path):
    directory = tmp_path / "run"
    engine.train(small_folder_recipe(image_folder), directory)
    before = files_of(directory)
    command = ("train", directory, "--resume", "--dry-run", "--trainer.max_epochs")
    status, out, _ = run(capsys, *command, 5)
    assert status == 0
    assert "epochs: 2 of 5 are done, 3 left" in out
    assert "steps: 3 × 5 of 4 examples" in out
    assert "that are left" in out
    status, _, err = run(capsys, *command, 1)
    assert (status, "has done 2 epochs" in err) == (1, True)
    status, _, err = run(capsys, "train", directory, "--resume", "--out", tmp_path / "other")
    assert (status, "--out" in err) == (1, True)
    assert files_of(directory) == before
