"""Splits are saved by the names and contents of examples, and found again in changed data."""

import json
import logging
import shutil
from dataclasses import replace

import pytest
import torch
from PIL import Image

from perceivers.data.config import DataConfig
from perceivers.data.dataset import read_datasets
from perceivers.data.identity import WHOLE_BYTES, hash_file
from perceivers.data.labels import same_label
from perceivers.data.saved_splits import SavedSplits
from perceivers.data.splits import read_splits
from perceivers.modalities import RowsConfig, TabularConfig, build_reader
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.text.reader import TextReader

IMAGES = ImageReader(4, 3)
TEXTS = TextReader(40)
ROWS = build_reader(RowsConfig(parts={"cells": TabularConfig(numeric=("a", "b"))}))


def read(path, reader=IMAGES, **options):
    config = DataConfig(path=str(path))
    return read_splits(config, reader, identify=True, decode=False, **options)


def names(splits):
    """Return the names of the examples of each split, without their folders."""
    return {
        split: [name for _, name in examples] for split, examples in splits.record.examples.items()
    }


def sources(splits):
    """Return what is decoded for each split, in its order."""
    return {
        name: [examples.files[row][1] for row in examples.rows.tolist()]
        for name, examples in splits.examples.items()
    }


def draw(path, shade):
    Image.new("RGB", (5, 4), (shade, shade, 255 - shade)).save(path)


@pytest.fixture
def pictures(tmp_path):
    """Return a folder of two classes with 15 different pictures each."""
    for class_ in ("cat", "dog"):
        (tmp_path / "data" / class_).mkdir(parents=True)
        for i in range(15):
            draw(tmp_path / "data" / class_ / f"{i:02}.png", 8 * i + (class_ == "dog"))
    return tmp_path / "data"


def test_names_are_relative_to_the_data(pictures, tmp_path):
    run = read(pictures)
    run.record.write(tmp_path)
    assert SavedSplits.read(tmp_path) == run.record
    lines = json.loads((tmp_path / "splits.json").read_text())["examples"]["train"]
    assert lines[0].endswith(" cat/00.png")
    assert sum(map(len, run.record.examples.values())) == 30


def test_added_and_removed_files_move_no_example(pictures, caplog):
    run = read(pictures)
    for i in range(5):
        draw(pictures / "cat" / f"00{i}.png", 150 + i)
    gone = run.record.examples["train"][3].name
    (pictures / gone).unlink()
    now = read(pictures, saved=run.record)
    kept = {
        split: [str(pictures / n) for n in each if n != gone] for split, each in names(run).items()
    }
    assert sources(now) == kept
    assert "5 examples of the data: in no split of the run; left out (cat/000.png" in caplog.text
    assert f"1 example of the run's train split: gone ({gone})" in caplog.text
    assert sources(read(pictures)) != kept  # what was drawn before: other positions


def test_renamed_and_moved_data_is_found(pictures, tmp_path, caplog):
    run = read(pictures)
    moved = tmp_path / "elsewhere"
    pictures.rename(moved)
    for number, file in enumerate(sorted((moved / "cat").iterdir(), reverse=True)):
        file.rename(file.with_name(f"renamed{number}.png"))
    now = read(moved, saved=run.record)
    assert caplog.text == ""
    before = {s: [content for content, _ in each] for s, each in run.record.examples.items()}
    assert {
        s: [hash_file(f) for f in map(type(moved), x)] for s, x in sources(now).items()
    } == before


def test_renumbered_files_are_told_apart_by_their_content(pictures, caplog):
    """A new first picture takes the name 00, and all others move on by one."""
    run = read(pictures)
    before = {s: [content for content, _ in each] for s, each in run.record.examples.items()}
    for i in reversed(range(15)):
        (pictures / "cat" / f"{i:02}.png").rename(pictures / "cat" / f"{i + 1:02}.png")
    draw(pictures / "cat" / "00.png", 222)
    now = read(pictures, saved=run.record)
    assert {
        s: [hash_file(f) for f in map(type(pictures), x)] for s, x in sources(now).items()
    } == before
    assert "1 example of the data: in no split" in caplog.text


@pytest.mark.parametrize(("changed", "copied"), [("test", "train"), ("train", "validation")])
def test_a_file_that_became_a_copy_of_another_split_is_left_out(pictures, caplog, changed, copied):
    """It was scored as a test example although the run was trained on its content."""
    run = read(pictures)
    target, origin = (run.record.examples[split][0].name for split in (changed, copied))
    shutil.copy(pictures / origin, pictures / target)
    now = read(pictures, saved=run.record)
    assert sources(now) == {
        split: [name for name in files if name != str(pictures / target)]
        for split, files in sources(run).items()
    }
    assert (
        f"1 example of the run's {changed} split: now the same as one of its {copied} split; "
        f"left out ({target})" in caplog.text
    )


def test_changed_files_keep_their_split_and_are_said(pictures, caplog):
    run = read(pictures)
    draw(pictures / run.record.examples["test"][0].name, 233)
    now = read(pictures, saved=run.record)
    assert sources(now) == sources(run)
    assert "1 example of the run's test split: changed since the run began" in caplog.text


def test_an_example_that_moved_to_the_test_folder_is_not_scored(pictures, tmp_path, caplog):
    root = tmp_path / "split"
    for split in ("train", "test"):
        shutil.copytree(pictures, root / split)
    for file in (root / "test").rglob("*.png"):
        draw(file, int(file.stem) * 8 + 130)
    run = read(root)
    assert run.record.own == ("test", "train")
    (root / "train" / "cat" / "03.png").rename(root / "test" / "cat" / "new.png")
    scored = read(root, saved=run.record, scored=True)
    assert "train split: now in the data's test split; left out (test/cat/new.png)" in caplog.text
    assert sources(scored)["test"] == sources(run)["test"]


def test_lines_of_a_text_file(tmp_path, caplog):
    for class_ in ("neg", "pos"):
        lines = [f"{class_} {i}" for i in range(20)]
        (tmp_path / f"{class_}.txt").write_text("\n".join([*lines, lines[0]]))  # one line twice
    run = read(tmp_path, TEXTS)
    (tmp_path / "neg.txt").write_text("first\n" + (tmp_path / "neg.txt").read_text())
    now = read(tmp_path, TEXTS, saved=run.record)
    assert sources(now) == sources(run)
    assert "1 example of the data: in no split of the run" in caplog.text
    assert "neg.txt line" in caplog.text


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_rows_of_a_table(tmp_path, caplog, suffix):
    import pandas

    table = pandas.DataFrame(
        {"a": range(30), "b": [i % 7 for i in range(30)], "label": ["x", "y"] * 15}
    )

    def write(frame):
        path = tmp_path / f"data{suffix}"
        frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
        return path

    run = read(write(table), ROWS)
    before = sources(run)
    extra = pandas.DataFrame({"a": [100], "b": [1], "label": ["x"]})
    now = read(write(pandas.concat([extra, table.iloc[::-1]])), ROWS, saved=run.record)
    cells = {s: [row.cells for row in rows] for s, rows in before.items()}
    assert {s: [row.cells for row in rows] for s, rows in sources(now).items()} == cells
    assert "1 example of the data: in no split of the run" in caplog.text


def test_a_row_that_moved_to_the_test_rows_is_not_scored(tmp_path, caplog):
    head = "a,b,label,split\n"
    rows = [f"{i},{i % 3},{'xy'[i % 2]},{'test' if i > 20 else 'train'}" for i in range(30)]
    (tmp_path / "t.csv").write_text(head + "\n".join(rows))
    run = read(tmp_path / "t.csv", ROWS)
    rows[5] = rows[5].replace("train", "test")
    (tmp_path / "t.csv").write_text(head + "\n".join(rows))
    scored = read(tmp_path / "t.csv", ROWS, saved=run.record, scored=True)
    assert len(scored.examples["test"]) == 9
    assert "1 example of the run's train split: now in the data's test split" in caplog.text


def test_images_in_parquet_files(pictures, tmp_path, caplog):
    import datasets

    whole = datasets.load_dataset("imagefolder", data_dir=str(pictures))["train"]
    (tmp_path / "parquet").mkdir()
    file = tmp_path / "parquet" / "train.parquet"
    whole.select(range(2, 30)).to_parquet(file)
    run = read(tmp_path / "parquet")
    before = sources(run)
    file.unlink()
    whole.to_parquet(file)
    now = read(tmp_path / "parquet", saved=run.record)
    assert sources(now) == before
    assert "2 examples of the data: in no split of the run" in caplog.text


def test_data_without_the_scored_examples_is_refused(pictures, tmp_path):
    run = read(pictures)
    for name in names(run)["test"]:
        (pictures / name).unlink()
    with pytest.raises(ValueError, match="none of the 4 test examples of the run"):
        read(pictures, saved=run.record, scored=True)


def test_digits_and_unchanged_data_are_found_without_a_word(pictures, caplog):
    caplog.set_level(logging.INFO)
    digits = {"identify": True, "decode": False}
    run = read_splits(DataConfig(name="digits"), ImageReader(8, 1), **digits)
    now = read_splits(DataConfig(name="digits"), ImageReader(8, 1), saved=run.record, **digits)
    for name, examples in run.examples.items():
        assert torch.equal(examples.examples, now.examples[name].examples)
        assert torch.equal(examples.labels, now.examples[name].labels)
    folder = read(pictures)
    assert sources(read(pictures, saved=folder.record)) == sources(folder)
    assert caplog.text == ""


def test_a_torch_dataset_must_be_that_of_the_run():
    config, labels = DataConfig(name="dataset"), torch.arange(40) % 2
    dataset = torch.utils.data.TensorDataset(torch.rand(40, 3), labels)
    run = read_datasets(config, dataset)
    again = read_datasets(config, dataset, saved=run.record)
    assert [x.indices for x in again.examples.values()] == [
        x.indices for x in run.examples.values()
    ]
    longer = torch.utils.data.TensorDataset(torch.rand(41, 3), torch.arange(41) % 2)
    with pytest.raises(ValueError, match="the train dataset is not that of the run"):
        read_datasets(config, longer, saved=run.record)


def test_large_files_are_hashed_in_parts(tmp_path):
    file = tmp_path / "large"
    file.write_bytes(bytes(WHOLE_BYTES + 1000))
    first = hash_file(file)
    with file.open("r+b") as part:
        part.seek(WHOLE_BYTES // 15 * 7)
        part.write(b"x" * 100_000)
    assert hash_file(file) != first
    assert hash_file(tmp_path) == hash_file(tmp_path / "none") == ""


@pytest.mark.parametrize("text", ["[]", "{}", '{"format": 2}', '{"format": 1, "own": 3}', "x"])
def test_damaged_splits_are_named(tmp_path, text):
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(ValueError, match="splits.json"):
        SavedSplits.read(tmp_path)


def test_files_found_under_another_class_are_said(pictures, caplog):
    run = read(pictures)
    name = run.record.examples["train"][0].name
    old, new = ("cat", "dog") if name.startswith("cat") else ("dog", "cat")
    (pictures / name).rename(pictures / new / "moved.png")
    now = read(pictures, saved=run.record)
    assert (
        "1 example of the run's train split: labelled otherwise since the run began; the present "
        f"label is used ({new}/moved.png: {old!r} is now {new!r})"
    ) in caplog.text
    assert now.examples["train"].labels[0] == now.labels.index(new)
    old_run = replace(run.record, classes={})  # of a version that did not save them
    caplog.clear()
    read(pictures, saved=old_run)
    assert "labelled otherwise" not in caplog.text


def test_lines_found_under_another_class_are_said(tmp_path, caplog):
    for name in ("neg", "pos"):
        (tmp_path / f"{name}.txt").write_text("\n".join(f"{name} {i}" for i in range(9)))
    run = read(tmp_path, TEXTS)
    lines = (tmp_path / "neg.txt").read_text().split("\n")
    (tmp_path / "neg.txt").write_text("\n".join(lines[1:]))
    with (tmp_path / "pos.txt").open("a") as file:
        file.write(f"\n{lines[0]}")
    read(tmp_path, TEXTS, saved=run.record)
    assert "(pos.txt line 10: 'neg' is now 'pos')" in caplog.text


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_rows_with_another_label_are_said(tmp_path, caplog, task):
    label = {
        "classification": lambda i: "uv"[i % 2],
        "multilabel": lambda i: ("u", "v", "u|v", "|")[i % 4],
        "regression": lambda i: i / 3,
    }[task]
    path = tmp_path / "t.csv"
    rows = [f"{i % 5},{i % 3},{label(i)}" for i in range(40)]  # many rows have the same input
    path.write_text("\n".join(["a,b,label", *rows]))
    run = read(path, ROWS)
    path.write_text("\n".join(["a,b,label", *reversed(rows)]))
    read(path, ROWS, saved=run.record)
    assert "labelled otherwise" not in caplog.text  # in another order
    changed = "9" if task == "regression" else "u" if rows[3].endswith("v") else "v"
    path.write_text("\n".join(["a,b,label", *rows[:3], f"3,0,{changed}", *rows[4:]]))
    read(path, ROWS, saved=run.record)
    assert "1 example of the run's" in caplog.text
    assert f"is now {changed!r}" in caplog.text


def test_another_spelling_of_a_label_is_the_same(tmp_path, caplog):
    path, other = tmp_path / "t.csv", tmp_path / "t.jsonl"
    path.write_text("\n".join(["a,b,label", *(f"{i},0,{i % 2}.0" for i in range(20))]))
    config = {"label": ("label",), "task": "classification"}
    run = read_splits(DataConfig(path=str(path), **config), ROWS, identify=True)
    rows = [json.dumps({"a": i, "b": 0, "label": i % 2}) for i in range(20)]
    other.write_text("\n".join(rows))
    read_splits(DataConfig(path=str(other), **config), ROWS, saved=run.record)
    assert "labelled otherwise" not in caplog.text
    assert not same_label("01234", "1234")
    assert same_label("0.1 2", "0.10000000149011612 2.0")
    assert same_label("10.999999999999943 2", "11 2")
    assert not same_label("10.99999943", "11")


def test_saved_labels_are_read_again(pictures, tmp_path):
    record = read(pictures).record
    record.write(tmp_path)
    assert SavedSplits.read(tmp_path) == record
    assert set(record.classes["train"]) == {"cat", "dog"}
