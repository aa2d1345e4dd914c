"""Examples with the same input and different labels are counted and said."""

import logging
import shutil

import pytest
import torch
from tests.commands import run

from perceivers.data.config import DataConfig
from perceivers.data.contradictions import describe_contradictions
from perceivers.data.identity import Identity
from perceivers.data.splits import read_splits
from perceivers.modalities.image.reader import ImageReader


def describe(contents, labels, by="content"):
    members = [Identity(f"row {i}", content, by) for i, content in enumerate(contents, 1)]
    return describe_contradictions({"train": members}, {"train": torch.tensor(labels)})


def test_rows_with_the_same_features_and_other_classes():
    assert describe("xxxy", [0, 1, 0, 1]) == (
        "3 of 4 examples have the same input as examples with another class, such as row 1 and "
        "row 2; no model can be right about more than 75% of all examples"
    )
    assert not describe("xxxy", [1, 1, 1, 0])
    assert not describe(["", "", "a"], [0, 1, 0])  # not readable


def test_files_of_one_content_in_two_classes():
    said = describe(["x", "x", "y"], [0, 1, 1], "name")
    assert said.startswith("2 files are exact copies of files of another class, such as row 1 and")
    assert "no model can be right about more than 66.6%" in said


def test_examples_of_several_splits_are_compared():
    files = {s: [Identity(f"{s}/1", "x", "name")] for s in ("train", "test")}
    assert describe_contradictions(files, {s: torch.tensor([s == "test"]).long() for s in files})


def test_numbers_and_several_labels():
    assert "a higher R² than 0.997 on all" in describe("xxyz", [[1.0], [2.0], [9.0], [20.0]])
    several = describe("xxy", [[1.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    assert several.endswith("other labels, such as row 1 and row 2; a model cannot tell them apart")


def test_folder_of_copies_is_said_by_the_dry_run_and_the_run(image_folder, capsys, caplog):
    caplog.set_level(logging.INFO)
    shutil.copy(image_folder / "dark" / "0.png", image_folder / "bright" / "copy.png")
    config = DataConfig(path=str(image_folder))
    read_splits(config, ImageReader(channels=3, size=8), identify=True)
    assert [r.levelname for r in caplog.records if "exact copies" in r.message] == ["WARNING"]
    status, out, err = run(capsys, "train", "folder", "--data", image_folder, "--dry-run")
    assert status == 0
    assert (
        "2 files are exact copies of files of another class, such as bright/copy.png" in out + err
    )


@pytest.mark.parametrize("kind", ["table", "texts"])
def test_rows_and_texts_are_said_by_the_dry_run_and_the_run(tmp_path, capsys, kind):
    if kind == "table":
        data = tmp_path / "t.csv"
        rows = [f"{i % 20},{'ab'[i % 2]}" for i in range(40)] + ["3,a", "3,b"]
        data.write_text("\n".join(["x,label", *rows]))
    else:
        data = tmp_path / "texts"
        data.mkdir()
        for name in ("good", "bad"):
            lines = [f"{name} film {i}" for i in range(19)] + ["no comment", "no comment"]
            (data / f"{name}.txt").write_text("\n".join(lines))
    said = {
        "table": "4 of 42 examples have the same input as examples with another class",
        "texts": "4 of 42 examples have the same input as examples with another class",
    }[kind]
    options = ["train", "folder", "--data", data, "--trainer.max_epochs", 1]
    options += ["--model.num_latents", 4, "--model.latent_dim", 16, "--model.num_self_heads", 2]
    options += ["--model.num_layers_per_block", 1]
    status, out, err = run(capsys, *options, "--dry-run")
    assert status == 0
    assert said in out + err
    status, out, err = run(capsys, *options, "--out", tmp_path / "run")
    assert status == 0
    assert said in out + err
    assert said in (tmp_path / "run" / "log.txt").read_text()
