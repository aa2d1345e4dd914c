"""A run that is stopped, at whatever moment, and resumed gives the bits of an uninterrupted one."""

import csv
import dataclasses
import random
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.conftest import write_image_folder, write_sound
from tests.media_files import video

import perceivers
from perceivers.modalities import AudioConfig, ImageConfig, PointsConfig, VideoConfig
from perceivers.recipes import get_recipe
from perceivers.training import engine
from perceivers.training.recipe_data import read_recipe
from perceivers.training.recorder import Recorder

MIDDLE = [(1, 1)]  # (epoch, batch) from 0 before which the run is stopped
OFTEN = [(1, 0), (1, 2), (2, 1)]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_image_folder(tmp_path_factory.mktemp("images") / "photos", count=10)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Return a folder of two classes of sounds of various lengths."""
    root, rng = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0)
    for label, level in (("loud", 9000), ("soft", 300)):
        (root / label).mkdir()
        for index in range(12):
            samples = rng.normal(size=rng.integers(200, 800)) * level
            write_sound(root / label / f"{index}.wav", samples)
    return root


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return a function that returns the uninterrupted run of a recipe, which is trained once."""
    runs = {}

    def train(recipe):
        key = repr(recipe)
        if key not in runs:
            runs[key] = tmp_path_factory.mktemp("whole") / "run"
            engine.train(recipe, runs[key])
        return runs[key]

    return train


def tiny(path, inputs, *, data=None, optimizer=None, trainer=None):
    recipe = get_recipe("folder")
    model = dataclasses.replace(
        recipe.model, input=inputs, num_latents=4, latent_dim=16, qk_dim=None, cross_order=(0,),
        block_order=(0,), num_layers_per_block=1, num_self_heads=2,
    )  # fmt: skip
    options = {"path": str(path), "batch_size": 4, "workers": 0, "test": 0, "validation": 0.2}
    return dataclasses.replace(
        recipe,
        model=model,
        data=dataclasses.replace(recipe.data, **{**options, **(data or {})}),
        optimizer=dataclasses.replace(recipe.optimizer, warmup_epochs=0, **(optimizer or {})),
        trainer=dataclasses.replace(recipe.trainer, **{"max_epochs": 3, **(trainer or {})}),
    )


def images_recipe(path, **options):
    return tiny(path, ImageConfig(image_size=8, num_bands=2), **options)


def train_interrupted(monkeypatch, recipe, run, stops, sent=signal.SIGINT, **resumed):
    """Train, and at each stop send a signal, then resume until the end."""
    left = list(stops)

    def stop(self, trainer, learner, batch, number):
        if left and (trainer.current_epoch, number) == left[0]:
            left.pop(0)
            signal.raise_signal(sent)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_batch_start", stop, raising=False)
        result = engine.train(recipe, run, **resumed)
        while result["interrupted"]:
            result = engine.resume(run, read_recipe(run), **resumed)
    assert not left
    return result


def rows(run):
    with (run / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def bits(run):
    """Return all numbers of the best weights and of the last checkpoint, by name."""
    checkpoint = torch.load(run / engine.LAST_CHECKPOINT, weights_only=True)
    found = {f"best {name}": x for name, x in load_file(run / "model.safetensors").items()}

    def add(name, part):
        if isinstance(part, torch.Tensor):
            found[name] = part
        elif isinstance(part, dict):
            for key, x in part.items():
                add(f"{name} {key}", x)
        elif isinstance(part, list):
            add(name, dict(enumerate(part)))
        elif isinstance(part, float | int):
            found[name] = torch.tensor(part)

    for name in ("state_dict", "current_model_state", "optimizer_states", "lr_schedulers"):
        add(name, checkpoint.get(name))
    return found


def assert_same(run, other):
    assert rows(run) == rows(other)
    first, second = bits(run), bits(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


EVERYTHING = {
    "data": {"mixup": 0.3, "crop_padding": 1, "hold_gb": 0.0},
    "trainer": {"ema_decay": 0.8},
}


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow), 2])
def test_files_decoded_by_worker_processes(images, whole, tmp_path, monkeypatch, workers):
    """The first epoch after a resume was drawn in the order of epoch 0 (issue 13, A16)."""
    recipe = images_recipe(images, **EVERYTHING)
    expected = whole(recipe)  # without workers
    data = dataclasses.replace(recipe.data, workers=workers)
    recipe = dataclasses.replace(recipe, data=data)
    train_interrupted(monkeypatch, recipe, tmp_path / "run", OFTEN if workers == 2 else MIDDLE)
    assert_same(expected, tmp_path / "run")


def write_films_and_clouds(root):
    """Write a folder of films and a folder of clouds of points, of two classes each."""
    rng = np.random.default_rng(0)
    for label, level in (("bright", 150), ("dark", 10)):
        for kind in ("films", "clouds"):
            (root / kind / label).mkdir(parents=True)
        for index in range(10):
            frames = rng.integers(level, level + 90, (4, 16, 16, 3), dtype=np.uint8)
            (root / "films" / label / f"{index}.mkv").write_bytes(video(frames, rate=10))
            np.save(root / "clouds" / label / f"{index}.npy", rng.normal(size=(40, 3)) * level)
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "inputs", "varied"),
    [
        ("films", VideoConfig(num_frames=2, image_size=8, num_bands=2), {"crop_padding": 1}),
        ("clouds", PointsConfig(num_points=16, num_bands=2), {"rotate": "z", "point_scaling": 0.1}),
    ],
)
def test_films_and_clouds_decoded_by_worker_processes(tmp_path, monkeypatch, kind, inputs, varied):
    data = {"hold_gb": 0.0, "workers": 2, **varied}
    recipe = tiny(write_films_and_clouds(tmp_path) / kind, inputs, data=data)
    engine.train(recipe, tmp_path / "whole")
    train_interrupted(monkeypatch, recipe, tmp_path / "run", OFTEN)
    assert_same(tmp_path / "whole", tmp_path / "run")


PLATEAU = {"schedule": "plateau", "plateau_patience": 0, "name": "sgd", "lr": 1.0}


@pytest.mark.parametrize("optimizer", [{}, PLATEAU], ids=str)
def test_examples_in_memory(images, tmp_path, monkeypatch, optimizer):
    recipe = images_recipe(images, data={"mixup": 0.3, "cutmix": 0.5}, optimizer=optimizer)
    engine.train(recipe, tmp_path / "whole")
    train_interrupted(monkeypatch, recipe, tmp_path / "run", OFTEN)
    assert_same(tmp_path / "whole", tmp_path / "run")


def test_early_stopping(images, tmp_path, monkeypatch):
    """The resumed run stops at the same epoch; once it has stopped, a resume trains no further."""
    recipe = images_recipe(
        images,
        optimizer={"schedule": "constant", "name": "adam", "lr": 0.3},
        trainer={"max_epochs": 20, "patience": 2, "monitor": "val_loss"},
    )
    whole = engine.train(recipe, tmp_path / "whole")
    assert 3 <= whole["epochs"] < 20
    train_interrupted(monkeypatch, recipe, tmp_path / "run", [(1, 1), (2, 2)])
    assert_same(tmp_path / "whole", tmp_path / "run")
    engine.resume(tmp_path / "run", read_recipe(tmp_path / "run"))
    assert_same(tmp_path / "whole", tmp_path / "run")


@pytest.mark.parametrize("hold_gb", [1.0, 0.0], ids=["in memory", "batch by batch"])
def test_batches_of_similar_length(sounds, tmp_path, monkeypatch, hold_gb):
    inputs = AudioConfig(
        num_samples=800, sample_rate=8000, patch_size=80, num_bands=2, own_length=True
    )
    recipe = tiny(sounds, inputs, data={"hold_gb": hold_gb, "workers": 1, "time_shift": 0.1})
    engine.train(recipe, tmp_path / "whole")
    train_interrupted(monkeypatch, recipe, tmp_path / "run", MIDDLE)
    assert_same(tmp_path / "whole", tmp_path / "run")


@pytest.mark.parametrize("hook", ["on_train_epoch_end", "on_validation_end"])
def test_stopped_at_the_end_of_an_epoch(images, whole, tmp_path, monkeypatch, hook):
    recipe = images_recipe(images, data={"hold_gb": 0.0, "workers": 1})
    expected = whole(recipe)
    original = getattr(Recorder, hook)

    def stop(self, trainer, learner):
        original(self, trainer, learner)
        if trainer.current_epoch == 1:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, hook, stop)
        assert engine.train(recipe, tmp_path / "run")["interrupted"] == "SIGTERM"
    engine.resume(tmp_path / "run", read_recipe(tmp_path / "run"))
    assert_same(expected, tmp_path / "run")


class Noisy(torch.utils.data.Dataset):
    """Images with noise from all three global generators."""

    def __len__(self):
        return 24

    def __getitem__(self, index):
        noise = torch.rand(8, 8, 1) + np.random.rand() + random.random()  # noqa: NPY002
        return index % 2 + 0.1 * noise, index % 2


def test_random_transforms_of_a_dataset(tmp_path, monkeypatch):
    def train(out, *, resume=False):
        return perceivers.train(
            out if resume else "digits", Noisy(), out=None if resume else out, resume=resume,
            data={"batch_size": 4},
            **({} if resume else {"trainer": {"max_epochs": 3}, "model": {"num_latents": 4}}),
        )  # fmt: skip

    train(tmp_path / "whole")
    original = Recorder.on_train_epoch_start

    def stop(self, trainer, learner):
        original(self, trainer, learner)
        if trainer.current_epoch == 1:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_epoch_start", stop)
        train(tmp_path / "run")
    torch.manual_seed(99)
    train(tmp_path / "run", resume=True)
    assert_same(tmp_path / "whole", tmp_path / "run")
