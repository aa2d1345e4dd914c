"""Training runs: their files, resuming, damage, divergence and the data that they read."""

import csv
import dataclasses
import json
import logging
import pickle
import shutil
import subprocess
import sys

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_recipes import small_folder_recipe, tiny

import perceivers
from perceivers.models.config import ModelConfig
from perceivers.training import engine
from perceivers.training.evaluation import evaluate
from perceivers.training.plan import plan
from perceivers.training.recipe_data import read_recipe
from perceivers.training.recorder import Recorder


def rows(run_dir):
    with open(run_dir / "metrics.csv") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a run of one epoch, which no test changes."""
    run = tmp_path_factory.mktemp("runs") / "run"
    engine.train(tiny(1), run)
    return run


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def test_impossible_schedule_is_refused_before_reading_the_data(tmp_path):
    recipe = tiny(data={"name": "folder", "path": str(tmp_path / "none")})
    long = dataclasses.replace(recipe.optimizer, warmup_epochs=2)
    with pytest.raises(
        ValueError, match="warmup_epochs=2 is not less than .*max_epochs=2; lower it"
    ):
        engine.train(dataclasses.replace(recipe, optimizer=long), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_files_of_a_run(tmp_path, drawn_curves):
    run = tmp_path / "run"
    result = engine.train(tiny(), run)
    names = {path.name for path in run.iterdir()}
    assert names == {
        "config.json", "model.safetensors", "checkpoints", "metrics.csv", "metrics.json",
        "curves.png", "log.txt", "tensorboard", "splits.json",
    }  # fmt: skip
    assert json.loads((run / "metrics.json").read_text()) == result
    assert [row["epoch"] for row in rows(run)] == ["1", "2"]
    assert {"train_loss", "train_top1", "val_loss", "val_top1", "val_top5", "lr"} <= set(
        rows(run)[0]
    )
    with Image.open(run / "curves.png") as curves:
        assert curves.width > 500
    assert "epoch 2/2: train loss" in (run / "log.txt").read_text()
    assert list((run / "tensorboard").glob("events*"))
    assert result["test"]["examples"] == 217
    model = perceivers.load(run)
    assert model.adapter.mean.item() == pytest.approx(0.305, abs=0.01)
    scored = evaluate(run)
    assert scored["top1"] == pytest.approx(result["test"]["top1"])
    assert json.loads((run / "metrics.json").read_text())["eval"] == scored


def test_results_depend_on_the_seed_alone(tmp_path):
    recipe = tiny(1, data={"crop_padding": 1, "mixup": 0.2, "cutmix": 1.0})
    other = dataclasses.replace(recipe, trainer=dataclasses.replace(recipe.trainer, seed=1))
    losses = []
    for name, chosen in (("a", recipe), ("b", recipe), ("c", other)):
        engine.train(chosen, tmp_path / name)
        losses.append(rows(tmp_path / name)[0]["train_loss"])
    assert losses[0] == losses[1] != losses[2]


class Killed(BaseException):
    """Stands for a kill that no handler can catch."""


def test_a_killed_run_resumes_to_the_same_numbers(tmp_path, monkeypatch):
    recipe = tiny(4, data={"mixup": 0.2}, trainer={"ema_decay": 0.9, "patience": 9})
    engine.train(recipe, tmp_path / "whole")

    original = Recorder.on_validation_epoch_start

    def kill(self, trainer, task):
        original(self, trainer, task)
        if trainer.current_epoch == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_validation_epoch_start", kill)
        with pytest.raises(Killed):
            engine.train(recipe, tmp_path / "killed")
    run = tmp_path / "killed"
    assert len(rows(run)) == 2
    result = engine.resume(run, read_recipe(run))
    assert result["epochs"] == 4
    whole, resumed = rows(tmp_path / "whole"), rows(run)
    for a, b in zip(whole, resumed, strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == {
            k: v for k, v in b.items() if k != "seconds"
        }
    first, second = (load_file(d / "model.safetensors") for d in (tmp_path / "whole", run))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_lost_checkpoint_is_no_reason_to_remove_the_best_weights(run):
    """As after a disk that was full when the checkpoint was written."""
    (run / engine.LAST_CHECKPOINT).unlink()
    for kept in (["metrics.json"], []):
        for name in ("metrics.json", "metrics.csv"):
            if name not in kept:
                (run / name).unlink(missing_ok=True)
        with pytest.raises(FileNotFoundError, match="best weights are kept in model.safetensors"):
            engine.resume(run, tiny(2))
        with pytest.raises(FileExistsError, match=r"exists already; choose another --out$"):
            engine.train(tiny(1), run)


class Malicious:
    def __reduce__(self):
        return exec, ("raise SystemExit('ran')",)


@pytest.mark.parametrize("damage", ["truncated", "empty", "malicious"])
def test_damaged_checkpoint(run, damage):
    checkpoint = run / engine.LAST_CHECKPOINT
    raw = checkpoint.read_bytes()
    pickled = pickle.dumps(Malicious())
    damaged = {"truncated": raw[: len(raw) // 2], "empty": b"", "malicious": pickled}
    checkpoint.write_bytes(damaged[damage])
    with pytest.raises(ValueError, match="is damaged, truncated or not a checkpoint"):
        engine.resume(run, tiny(2))
    assert perceivers.load(run)


@pytest.mark.slow
def test_full_disk_keeps_the_last_complete_epoch(tmp_path):
    """The process may write no file of more than 24 KiB, and the checkpoint is larger."""
    run = tmp_path / "run"
    engine.train(tiny(1), run)
    kept = {
        path: path.read_bytes()
        for path in (run / engine.LAST_CHECKPOINT, run / "model.safetensors")
    }
    code = (
        "import resource, signal, sys\n"
        "from perceivers.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (24576, 24576))\n"
        "sys.exit(main(['train', sys.argv[1], '--resume', '--trainer.max_epochs', '2']))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, run], capture_output=True, text=True)
    errors = [line for line in ran.stderr.splitlines() if line.startswith("perceivers:")]
    assert ran.returncode == 1
    assert len(errors) == 1
    assert "could not write" in errors[0]
    assert "File too large" in errors[0]
    assert kept == {path: path.read_bytes() for path in kept}


def test_existing_run_is_not_overwritten(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match=r"exists already; choose another --out$"):
        engine.train(tiny(), tmp_path / "run")
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("trainer", {"label_smoothing": 0.5}),
        ("trainer", {"ema_decay": 0.5}),
        ("trainer", {"precision": "bfloat16"}),
        ("optimizer", {"clip_norm": 0.001, "name": "sgd"}),
        ("data", {"batch_size": 17}),
        ("data", {"validation": 0.3}),
    ],
    ids=str,
)
def test_each_field_reaches_the_loop(trained, tmp_path, section, change):
    base = trained
    if "name" in change:
        base = tmp_path / "base"
        engine.train(tiny(1, optimizer={"name": change["name"]}), base)
    engine.train(tiny(1, **{section: change}), tmp_path / "run")
    assert rows(base)[0]["val_loss"] != rows(tmp_path / "run")[0]["val_loss"]


def test_divergence_raises(tmp_path):
    recipe = tiny(3, optimizer={"name": "sgd", "lr": 1e30, "schedule": "constant"})
    with pytest.raises(ValueError, match="the training diverged; lower --optimizer.lr"):
        engine.train(recipe, tmp_path / "run")


def test_divergence_at_evaluation_does_not_speak_of_an_epoch(run):
    """Weights that are not finite; the message said "after epoch 1"."""
    model = perceivers.load(run)
    torch.nn.init.constant_(model.head.bias, float("nan"))
    perceivers.save(model, run)
    with pytest.raises(ValueError, match="the outputs of the model are not finite") as caught:
        evaluate(run)
    assert "epoch" not in str(caught.value)


def test_missing_cuda_device(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="torch finds no CUDA device"):
        engine.train(tiny(trainer={"device": "cuda"}), tmp_path / "run")
    with pytest.raises(ValueError, match="cuda"):  # not a plan for the CPU
        plan(tiny(trainer={"device": "cuda"}))


@pytest.mark.parametrize("hold_gb", [1.0, 0.0], ids=["in memory", "batch by batch"])
def test_a_folder_of_images(image_folder, tmp_path, hold_gb, caplog):
    caplog.set_level(logging.INFO)
    (image_folder / "dark" / "broken.png").write_bytes(b"no image")
    result = engine.train(small_folder_recipe(image_folder, hold_gb=hold_gb), tmp_path / "run")
    assert perceivers.load(tmp_path / "run").labels == ("bright", "dark")
    assert "broken.png: not an image" in caplog.text
    if hold_gb:
        assert [name.endswith("broken.png") for name in result["skipped_files"]] == [True]
    predictor = perceivers.Predictor(tmp_path / "run")
    assert predictor([image_folder / "dark" / "0.png"], top_k=1)[0][0][0] in ("bright", "dark")


def test_data_with_other_labels_cannot_be_scored(image_folder, run):
    with pytest.raises(ValueError, match="the data has .* the model was trained on"):
        evaluate(run, str(image_folder))


def test_other_data_without_splits_is_scored_whole(image_folder, tmp_path):
    recipe = small_folder_recipe(image_folder)
    result = engine.train(recipe, tmp_path / "run")
    assert result["test"]["examples"] == 2
    assert evaluate(tmp_path / "run")["examples"] == 2
    assert evaluate(tmp_path / "run", str(image_folder))["examples"] == 24


def test_resuming_with_another_model(run):
    recipe = read_recipe(run)
    changed = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, num_latents=9))
    with pytest.raises(ValueError, match="a resumed run cannot change its model"):
        engine.resume(run, changed)


def test_relative_data_path_is_saved_as_absolute(image_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(image_folder.parent)
    engine.train(small_folder_recipe(image_folder.name), tmp_path / "run")
    monkeypatch.chdir("/")
    assert evaluate(tmp_path / "run")["examples"] == 2


def test_hub_name_saved_by_an_older_version(run, caplog):
    """Such a run has its data as owner/name; it can still be continued, and the change is said."""
    config = json.loads((run / "config.json").read_text())
    config["recipe"]["data"]["path"] = "owner/name"
    (run / "config.json").write_text(json.dumps(config))
    with caplog.at_level(logging.INFO):
        assert read_recipe(run).data.path == "hf://owner/name"
    assert "read as hf://owner/name" in caplog.text


def test_saved_model_is_not_a_run(tmp_path):
    from perceivers.models.build import build

    perceivers.save(build(ModelConfig(num_latents=2, latent_dim=8)), tmp_path / "model")
    with pytest.raises(ValueError, match="is a saved model, not a training run"):
        evaluate(tmp_path / "model")
