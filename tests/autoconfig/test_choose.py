"""The recipe chosen for the contents of a folder, independent of the machine."""

import dataclasses
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from perceivers.autoconfig.choose import choose, choose_for
from perceivers.autoconfig.findings import FolderContents, Sample
from perceivers.autoconfig.size import BUDGET, SIZES, SPEED
from perceivers.modalities import (
    FILE_MODALITIES,
    FusionConfig,
    ImageConfig,
    MelConfig,
    PointsConfig,
    TextConfig,
    VideoConfig,
    build_reader,
)
from perceivers.modalities.measures import Distribution
from perceivers.models.build import build_on_meta
from perceivers.models.cost import cost
from perceivers.recipes.folder import folder

MODALITIES = {modality.name: modality for modality in FILE_MODALITIES}


def contents_of(modality, examples=3000, classes=("a", "b"), splits=None, **measures):
    distributions = {
        name: Distribution.of(values if isinstance(values, list) else [values])
        for name, values in measures.items()
    }
    splits = splits or {"train": examples}
    sample = Sample(distributions, 200, ())
    total = {"x": sum(splits.values())}
    return FolderContents(MODALITIES[modality], total, classes, splits, sample)


def image(height=64, width=64, channels=3, **more):
    return contents_of("image", height=height, width=width, channels=channels, **more)


def sound(seconds=0.5, rate=8000, channels=1, **more):
    return contents_of("sound", seconds=seconds, sample_rate=rate, channels=channels, **more)


def video(side=48, frames=16, has_sound=1.0, sound_seconds=0.64, **more):
    track = {"sample_rate": 16_000, "sound_seconds": sound_seconds} if has_sound else {}
    size = {"height": side, "width": side, "frames": frames, "frame_rate": 25}
    return contents_of("video", **size, seconds=0.64, has_sound=has_sound, **track, **more)


def points(count=1024, channels=3, faces=0, normals=0, **more):
    return contents_of(
        "points", points=count, channels=channels, faces=faces, normals=normals, **more
    )


def text(length=100, **more):
    return contents_of("text", bytes=length, **more)


def chosen_recipe(contents):
    return choose(contents).recipe


def chosen_input(contents):
    return chosen_recipe(contents).model.input


@settings(max_examples=10)
@given(
    contents=st.one_of(
        st.builds(image, st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([1, 3])),
        st.builds(sound, st.floats(0.001, 4000), st.integers(100, 200_000), st.integers(1, 8)),
        st.builds(
            video, st.integers(2, 4000), st.integers(1, 10_000), st.sampled_from([0.0, 0.4, 1.0])
        ),
        st.builds(points, st.integers(1, 10**7), st.integers(3, 9), st.sampled_from([0, 99])),
        st.builds(text, st.integers(0, 10**7)),
    ),
    examples=st.integers(2, 10**7),
)
def test_all_contents_give_a_model_and_a_reader(contents, examples):
    recipe = chosen_recipe(dataclasses.replace(contents, splits={"train": examples}))
    build_on_meta(recipe.model)
    assert build_reader(recipe.model.input).nbytes > 0
    assert 1 <= recipe.trainer.max_epochs <= 60
    assert recipe.optimizer.warmup_epochs <= recipe.trainer.max_epochs / 10
    assert 8 <= recipe.data.batch_size <= 128


@pytest.mark.parametrize(
    ("height", "width", "size", "patch", "stride"),
    [
        (8, 8, 8, 3, 1),
        (16, 16, 16, 3, 1),
        (30, 500, 32, 8, 2),
        (40, 40, 32, 8, 2),
        (48, 48, 48, 9, 3),
        (4000, 3000, 64, 8, 4),
    ],
)
def test_image_size_follows_the_shorter_side(height, width, size, patch, stride):
    config = chosen_input(image(height, width))
    assert isinstance(config, ImageConfig)
    assert (config.image_size, config.patch_size, config.patch_stride) == (size, patch, stride)
    line = choose(image(height, width)).lines[1]
    assert ("square in the middle" in line) == (height == 30)


def test_grey_images_are_not_mirrored():
    grey, colour = chosen_recipe(image(channels=1)), chosen_recipe(image(channels=3))
    assert (grey.model.input.channels, colour.model.input.channels) == (1, 3)
    assert (grey.data.flip, colour.data.flip) == (False, True)
    assert (grey.data.zoom, colour.data.zoom) == (0.15, 0)


@pytest.mark.parametrize(
    ("rate", "expected"), [(4000, 8000), (8000, 8000), (11_025, 11_025), (44_100, 16_000)]
)
def test_sample_rate_follows_the_files(rate, expected):
    config = chosen_input(sound(rate=rate))
    assert isinstance(config, MelConfig)
    assert config.sample_rate == expected
    assert config.hop_length == expected // 100
    assert config.n_mels == (40 if expected == 8000 else 64)


@pytest.mark.parametrize(
    ("seconds", "frames", "patch"),
    [
        ([0.3] * 19 + [5.0], 30, 2),  # one file of twenty is longer
        ([0.3] * 18 + [0.65] * 2, 66, 2),
        (0.641, 66, 2),
        (0.01, 8, 2),
        (10.0, 1000, 4),
        (3600.0, 3008, 16),
    ],
)
def test_sound_length_follows_the_files(seconds, frames, patch):
    config = chosen_input(sound(seconds))
    assert (config.num_samples, config.patch_frames) == (80 * frames, patch)


def test_the_description_says_that_long_sounds_are_cut():
    assert "enough for 19 of 20 files" in choose(sound(0.64)).lines[1]
    assert "longer files are cut to their middle" in choose(sound(100)).lines[1]
    assert "channels are averaged" in choose(sound(channels=2)).lines[1]


def test_points():
    assert chosen_input(points(700)).num_points == 700
    assert chosen_input(points(100_000)).num_points == 1024
    assert chosen_input(points(8, faces=12)).num_points == 1024  # sampled from a mesh
    config = chosen_input(points(channels=[6, 9]))
    assert isinstance(config, PointsConfig)
    assert config.channels == 6 + 7 * len(config.neighbours)
    assert not config.size_channel
    assert choose(points()).recipe.data.flip
    assert not choose(points(channels=6)).recipe.data.flip  # normals would not be mirrored
    assert "3 more channels" in choose(points(channels=6)).lines[1]
    assert not chosen_input(points(channels=6)).normals
    assert chosen_input(points(channels=6, normals=1)).normals


def test_text():
    config = chosen_input(text([5, 100, 269]))
    assert isinstance(config, TextConfig)
    assert config.max_length == 288
    assert chosen_input(text(5000)).max_length == 1024
    assert "the longest has 5,000 bytes" in choose(text(5000)).lines[1]


def test_videos_are_read_with_sound_if_most_have_sound():
    config = chosen_input(video())
    assert isinstance(config, FusionConfig)
    assert list(config.parts) == ["audio", "video"]
    assert config.parts["audio"].num_samples == 64 * 160
    pictures = config.parts["video"]
    assert (pictures.num_frames, pictures.image_size) == (16, 48)
    silent = chosen_input(video(side=30, frames=7, has_sound=0.0))
    assert isinstance(silent, VideoConfig)
    assert (silent.num_frames, silent.image_size) == (6, 32)
    assert isinstance(chosen_input(video(has_sound=[0, 0, 1])), VideoConfig)


@pytest.mark.parametrize(
    ("examples", "latents", "dim"), [(100, 32, 64), (3000, 32, 128), (50_000, 64, 128)]
)
def test_few_examples_make_a_small_model(examples, latents, dim):
    model = chosen_recipe(sound(examples=examples)).model
    assert (model.num_latents, model.latent_dim) == (latents, dim)


def test_training_fits_the_budget_as_estimated():
    recipe = chosen_recipe(image(examples=100_000))
    flops = 3 * cost(recipe.model).flops * 81_000 * recipe.trainer.max_epochs
    assert 0.3 * BUDGET < flops / SPEED <= BUDGET


def test_the_choice_does_not_depend_on_the_machine(monkeypatch):
    """The same data gives the same recipe on any number of cores, idle or busy, and on a GPU."""
    expected = chosen_recipe(image(examples=100_000))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(time, "perf_counter", lambda: pytest.fail("the choice is timed"))
    assert chosen_recipe(image(examples=100_000)) == expected


def test_large_sets_are_trained_for_fewer_epochs():
    assert chosen_recipe(image(examples=1_000)).trainer.max_epochs >= 40
    assert chosen_recipe(image(examples=100_000)).trainer.max_epochs < 10
    assert "would take too long on a CPU) in batches" in choose(image(examples=100_000)).lines[-1]


def test_training_stops_early_and_few_validation_files_decide_by_more_than_the_loss():
    """A sixth of the epochs without a better score; docs/log.md has the study."""
    few, many = choose(text(examples=350)), choose(image(examples=100_000))
    assert (few.recipe.trainer.max_epochs, few.recipe.trainer.patience) == (60, 10)
    assert "fewer if" not in many.lines[-1]  # it has 2 epochs
    assert few.recipe.trainer.monitor == "auto"
    assert "fewer if 10 in a row bring no better validation score" in few.lines[-1]


@pytest.mark.parametrize("examples", [1_800, 3_000])
def test_few_augmented_examples_are_all_trained_on(examples):
    choice = choose(image(examples=examples))
    few = examples < 2_000
    assert choice.recipe.data.validation == (0.0 if few else 0.1)
    assert choice.recipe.trainer.monitor == "auto"
    assert ("without validation examples" in choice.lines[-1]) == few
    own = choose(image(splits={"train": examples, "validation": 50}))
    assert "without validation examples" not in own.lines[-1]
    assert choose(text(examples=examples)).recipe.data.validation == 0.1  # no augmentation


def test_splits_of_the_folder_are_respected():
    """2,000 examples give the larger batch size only if none of them are held out."""
    assert chosen_recipe(sound(examples=2_000)).data.batch_size == 32
    with_splits = sound(splits={"train": 2_000, "validation": 100, "test": 100})
    assert chosen_recipe(with_splits).data.batch_size == 64


@pytest.mark.parametrize(
    "contents",
    [image(), sound(), video(), video(has_sound=0.0), points(), text()],
    ids=("image", "sound", "video with sound", "silent video", "points", "text"),
)
def test_validation_examples_are_held_out_even_if_the_recipe_holds_out_none(contents):
    recipe = chosen_recipe(contents)
    assert recipe.data.validation == 0.1
    assert recipe.trainer.monitor == "auto"


def test_weights_are_averaged_if_there_are_enough_steps():
    assert chosen_recipe(sound()).trainer.ema_decay == 0.98
    assert chosen_recipe(sound(examples=40)).trainer.ema_decay == 0


def test_sizes_are_in_order():
    assert [size.examples for size in SIZES] == sorted(size.examples for size in SIZES)


def test_description_of_the_choice():
    lines = choose(sound()).lines
    assert [line.split(":")[0] for line in lines] == ["found", "reads", "model", "trains"]
    contents = sound()
    sample = dataclasses.replace(contents.sample, unreadable=("a.wav: damaged",))
    lines = choose(dataclasses.replace(contents, sample=sample)).lines
    assert "1 of the 200 inspected files cannot be read" in lines[1]


def test_choose_for(tmp_path, image_folder):
    """Parquet files and hub names, which cannot be inspected, get the recipe for images."""
    recipe = choose_for(str(image_folder)).recipe
    assert recipe.model.input == chosen_input(image(13, 13))
    assert choose_for("hf://someone/some-set").recipe == folder()
    with pytest.raises(FileNotFoundError, match="no folder or table someone/some-set"):
        choose_for("someone/some-set")
    (image_folder / "bright" / "x.parquet").touch()
    assert choose_for(str(image_folder)).recipe == folder()
    for name in "ab":
        (tmp_path / "clouds" / name).mkdir(parents=True)
        np.save(tmp_path / "clouds" / name / "x", np.ones((20, 3)))
    choice = choose_for(str(tmp_path / "clouds"))
    assert choice.recipe.model.input.num_points == 20
    assert choice.recipe.model.num_classes == 2
    Image.new("L", (8, 8)).save(Path(tmp_path, "clouds", "a", "x.png"))
    with pytest.raises(ValueError, match="mixes modalities"):
        choose_for(str(tmp_path / "clouds"))


@pytest.mark.parametrize("layout", ["folder", "table"])
def test_a_strict_choice_refuses_files_that_cannot_be_read(tmp_path, layout):
    for name in ("a", "b"):
        for number in range(3):
            path = tmp_path / name / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("L", (8, 8), 40 * number).save(path)
    (tmp_path / "a" / "9.png").write_text("no image")
    source = tmp_path
    if layout == "table":
        source = tmp_path / "rows.csv"
        rows = [
            f"{path.relative_to(tmp_path)},{path.parent.name}" for path in tmp_path.rglob("*.png")
        ]
        source.write_text("\n".join(["photo,label", *rows]) + "\n")
    assert choose_for(str(source)).lines
    strict = dataclasses.replace(folder().data, strict=True)
    with pytest.raises(ValueError, match=r"9.png: not an image.*without --strict"):
        choose_for(str(source), strict)
