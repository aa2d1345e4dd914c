"""The classes of each split are counted, and those without training examples are said."""

import shutil

import pytest
import torch
from commands import run
from tests.conftest import write_image_folder

from perceivers.data.config import DataConfig
from perceivers.data.counts import describe_splits, warn_of_alike
from perceivers.data.dataset import read_datasets
from perceivers.data.examples import InMemoryExamples
from perceivers.data.splits import read_splits
from perceivers.modalities.image.reader import ImageReader


def examples(*labels):
    return InMemoryExamples(torch.zeros(len(labels)), torch.tensor(labels))


def test_descriptions():
    splits = {"test": examples(1), "train": examples(0, 0, 1)}
    assert describe_splits(splits, ("cat", "dog"), "classification") == [
        "train: cat 2, dog 1",
        "test: cat 0, dog 1",
    ]
    many = {"train": examples(*range(50), 49, 49)}
    names = tuple(f"c{i}" for i in range(50))
    assert describe_splits(many, names, "classification") == [
        "train: c0 1, c1 1, c2 1, c3 1, c4 1, … (50 classes, 1 to 3 examples of each)"
    ]
    hot = {"train": examples([1.0, 0.0], [1.0, 1.0])}
    assert describe_splits(hot, ("a", "b"), "multilabel") == ["train: a 2, b 1"]
    prices = {"train": examples(2.5, 10.0, -1.0)}
    assert describe_splits(prices, ("price",), "regression") == ["train: price -1 to 10"]
    assert describe_splits(prices, ("price",), "forecasting") == [
        "train: means of the steps to forecast: price -1 to 10"
    ]


UNTRAINED = "classes of the test split without a training example: "


@pytest.mark.parametrize("kind", ["folder", "table", "parquet", "dataset"])
def test_a_class_that_only_the_test_split_has_is_said(tmp_path, caplog, kind):
    root = tmp_path / "photos"
    for split in ("train", "test"):
        write_image_folder(root / split, count=10)
    shutil.copytree(root / "train" / "dark", root / "test" / "dusk")
    config, reader = DataConfig(path=str(root)), ImageReader(8, 3)
    if kind == "dataset":
        train, test = ([(torch.zeros(2), i % n) for i in range(12)] for n in (2, 3))
        read_datasets(config, train, test=test, labels=["a", "b", "dusk"])
    elif kind == "table":
        lines = [
            f"{i},{'abc'[i % (3 if i > 20 else 2)]},{'test' if i > 20 else 'train'}"
            for i in range(30)
        ]
        (tmp_path / "t.csv").write_text("n,label,split\n" + "\n".join(lines))
        from perceivers.modalities import RowsConfig, TabularConfig, build_reader

        rows = build_reader(RowsConfig(parts={"cells": TabularConfig(numeric=("n",))}))
        read_splits(DataConfig(path=str(tmp_path / "t.csv")), rows)
    else:
        if kind == "parquet":
            import datasets

            whole = datasets.load_dataset("imagefolder", data_dir=str(root / "test"))["train"]
            (tmp_path / "parquet").mkdir()
            seen = whole.filter(lambda row: row["label"] < 2)
            seen.to_parquet(tmp_path / "parquet" / "train.parquet")
            whole.to_parquet(tmp_path / "parquet" / "test.parquet")
            config = DataConfig(path=str(tmp_path / "parquet"))
        read_splits(config, reader)
    assert UNTRAINED in caplog.text


def test_healthy_data_is_not_warned_of(image_folder, caplog):
    read_splits(DataConfig(path=str(image_folder)), ImageReader(8, 3), identify=True)
    assert [record.levelname for record in caplog.records if record.levelno > 20] == []


def test_the_dry_run_and_the_run_name_the_classes_of_each_split(capsys, image_folder, tmp_path):
    (image_folder / ".DS_Store").write_bytes(b"litter")
    directory = tmp_path / "run"
    command = ["train", "folder", "--data", image_folder, "--out", directory]
    command += ["--model.num_latents", 4, "--model.num_layers_per_block", 1]
    command += ["--data.validation", 0.1]
    _, out, _ = run(capsys, *command, "--dry-run")
    counts = ["train: bright 10, dark 10", "validation: bright 1, dark 1", "test: bright 1, dark 1"]
    assert [line for line in out.splitlines() if "bright" in line] == counts
    assert "hidden or system files, which are ignored: 1" in out
    _, _, err = run(capsys, *command, "--trainer.max_epochs", 1)
    log = (directory / "log.txt").read_text()
    assert [err.count(line) for line in counts] == [log.count(line) for line in counts] == [1] * 3


def test_classes_that_differ_in_spelling_alone_are_said(caplog):
    warn_of_alike(["cat", "Cat", "B\u00e4r", "Ba\u0308r", "dog"], "classification")
    assert "'cat' and 'Cat', 'B\u00e4r' and 'Ba\u0308r'; they are learnt" in caplog.text
    caplog.clear()
    warn_of_alike(["cat", "dog"], "classification")
    assert not caplog.text
