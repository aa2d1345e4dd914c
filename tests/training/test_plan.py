"""The plan of a run, compared with the run."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch

from perceivers.data.saved_splits import SavedSplits
from perceivers.modalities import ImageConfig
from perceivers.modalities.image import Image
from perceivers.models.config import ModelConfig
from perceivers.recipes import get_recipe
from perceivers.training import engine
from perceivers.training import plan as planning
from perceivers.training.plan import plan
from perceivers.training.recipe import Recipe, TrainerConfig
from perceivers.training.recipe_data import read_recipe


def recipe(path=None, **data):
    base = get_recipe("folder") if path else get_recipe("digits")
    image = ImageConfig(image_size=8, patch_size=4, num_bands=2)
    model = ModelConfig(
        input=image if path else base.model.input,
        num_latents=4,
        latent_dim=16,
        cross_order=(0,),
        block_order=(0,),
        num_layers_per_block=1,
        num_self_heads=2,
    )
    changed = dataclasses.replace(base.data, path=path and str(path), **data)
    return Recipe(name="x", model=model, data=changed, trainer=TrainerConfig(max_epochs=2, seed=3))


def test_plan_agrees_with_the_run(image_folder, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    made = plan(recipe(image_folder, batch_size=4))
    assert sorted(tmp_path.rglob("*")) == before
    result = engine.train(recipe(image_folder, batch_size=4), tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert made.labels == tuple(config["labels"]) == ("bright", "dark")
    assert made.recipe == read_recipe(tmp_path / "run")
    assert made.examples["train"] == result["train_examples"]
    assert list(made.examples) == ["train", "validation", "test"]
    assert made.num_parameters == result["parameters"]
    state = torch.load(tmp_path / "run" / engine.LAST_CHECKPOINT, weights_only=True)
    assert state["global_step"] == 2 * made.steps
    assert made.num_inputs == 4


def test_planning_does_not_change_the_run(image_folder, tmp_path):
    first = engine.train(recipe(image_folder), tmp_path / "first")
    plan(recipe(image_folder))
    again = engine.train(recipe(image_folder), tmp_path / "again")
    assert first["best"] == again["best"]


def test_copies_are_said_as_the_run_says_them(image_folder, tmp_path, caplog):
    """Also by the plan of what is left of a run, and of a run that is not kept in memory."""
    caplog.set_level("INFO")
    for file in list(image_folder.rglob("*.png")):
        shutil.copy(file, file.with_name(f"copy{file.name}"))
    shutil.copy(image_folder / "dark" / "0.png", image_folder / "bright" / "same.png")

    def said(begin, *arguments, **options):
        caplog.clear()
        begin(*arguments, **options)
        return {text for text in caplog.messages if "exact copies" in text}

    wanted, run = recipe(image_folder, workers=0, batch_size=8), tmp_path / "run"
    planned, ran = said(plan, wanted), said(engine.train, wanted, run)
    assert planned == ran
    assert len(ran) == 3  # test, validation, another class
    left = read_recipe(run)
    left = dataclasses.replace(left, trainer=dataclasses.replace(left.trainer, max_epochs=3))
    planned = said(plan, left, saved=SavedSplits.read(run), epochs_done=2)
    resumed = said(engine.resume, run, left)
    assert planned == resumed == {text for text in ran if "of training examples" in text}
    large = dataclasses.replace(wanted, data=dataclasses.replace(wanted.data, hold_gb=1e-9))
    [line] = said(plan, large)
    assert line.startswith("not counted in a dry run of more than data.hold_gb=1e-09: exact cop")


def test_lines(monkeypatch, all_digits):
    monkeypatch.setattr(planning, "_shortest_call", lambda function, device: 0.1)
    planned = plan(recipe(batch_size=100))
    assert planned.lines()[1].startswith("train: 0 128, 1 131, 2 128, ")
    lines = planned.lines(classes=False)
    assert lines[0].startswith("data: 1,295 train, 143 validation, 359 test; 10 classes")
    assert lines[1].startswith("parameters: ")
    assert "M = 64 elements" in lines[1]
    assert lines[2] == "steps: 2 × 12 of 100 examples"
    assert lines[3].startswith(
        "time: about 0:01 an epoch, 0:03 in total, estimated from a few steps on "
    )


def test_files_are_decoded_once_or_every_epoch(image_folder):
    kept, not_kept = (plan(recipe(image_folder, hold_gb=gb)) for gb in (4, 0))
    assert (kept.in_memory, not_kept.in_memory) == (True, False)
    assert kept.decode_seconds > 0
    for made, often in ((kept, "once"), (not_kept, "every epoch")):
        slow = dataclasses.replace(made, decode_seconds=90.0)
        assert slow.lines()[-1] == f"decoding: about 1:30 of this time, {often}"
    assert (
        "0:00 an epoch, 1:30 in total"
        in dataclasses.replace(kept, decode_seconds=90.0, seconds=0.01).lines(classes=False)[3]
    )


def test_the_augmentation_and_the_optimiser_are_timed(image_folder, monkeypatch):
    calls = []
    augment = Image.augment
    monkeypatch.setattr(Image, "augment", lambda *a: calls.append("augment") or augment(*a))
    build = planning.build_optimizer

    def build_counting(*arguments):
        optimizer = build(*arguments)
        optimizer.register_step_post_hook(lambda *_: calls.append("step"))
        return optimizer

    monkeypatch.setattr(planning, "build_optimizer", build_counting)
    plan(recipe(image_folder))
    assert calls.count("augment") == calls.count("step") == 1 + planning.MAX_TIMED_CALLS


def test_errors_are_those_of_training(image_folder):
    (image_folder / "bright" / "0.png").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"0\.png: not an image.*repair or remove it"):
        plan(recipe(image_folder, strict=True))
    base = recipe(image_folder)
    long = dataclasses.replace(base.optimizer, warmup_epochs=2)
    with pytest.raises(ValueError, match="warmup_epochs=2 is not less than .*max_epochs=2"):
        plan(dataclasses.replace(base, optimizer=long))
    with pytest.raises(ValueError, match="val_map"):
        plan(dataclasses.replace(base, trainer=TrainerConfig(monitor="val_map")))


@pytest.mark.parametrize("begin", [plan, lambda recipe: engine.train(recipe, Path("never"))])
def test_unmixable_examples_are_refused_before_reading_the_data(begin):
    recipe = get_recipe("rt-polarity")
    recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, mixup=0.2))
    with pytest.raises(ValueError, match="the bytes of texts cannot be mixed"):
        begin(recipe)
