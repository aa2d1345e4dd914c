"""Splits in the names of folders, files and cells, however they are spelled."""

import json
import shutil

import pytest
from tests.commands import run
from tests.conftest import write_image_folder

from perceivers.autoconfig.inspect_folder import inspect_folder
from perceivers.autoconfig.inspect_table import inspect_table
from perceivers.data.config import DataConfig
from perceivers.data.folder import read_folder
from perceivers.data.hub import read_parquet_folder
from perceivers.data.layout import find_manifest, parquet_files
from perceivers.data.manifest import read_manifest
from perceivers.data.split_names import split_of
from perceivers.modalities.image.reader import ImageReader

READER = ImageReader(channels=3, size=8)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_image_folder(tmp_path_factory.mktemp("images") / "photos", count=2)


def lay_out(root, images, places):
    """Copy the class folders bright and dark to places such as "train_set/bright"."""
    for place in places:
        shutil.copytree(images / ("dark" if "dark" in place else "bright"), root / place)
    return root


def read(path):
    return read_folder(path, READER, strict=True)


@pytest.mark.parametrize(
    "form",
    [
        "train_set/{} test_set/{}",
        "training_set/{} Testing/{}",
        "TRAIN-images/{} TEST-images/{}",
        "trainset/{} testset/{}",
        "train_1/{} test_1/{}",
        "seg_train/{} seg_test/{}",
        "seg_train/seg_train/{} seg_test/seg_test/{}",
        "{}-train {}-test",
        "train_{} test_{}",
        "{}/train_set {}/test_set",
        "{}_(train) {}_(test)",
    ],
)
def test_splits_in_any_spelling(tmp_path, images, form):
    places = [place.format(name) for place in form.split() for name in ("bright", "dark")]
    splits, labels = read(lay_out(tmp_path, images, places))
    assert labels == ("bright", "dark")
    assert {name: x.labels.tolist() for name, x in splits.items()} == {
        "train": [0, 0, 1, 1],
        "test": [0, 0, 1, 1],
    }
    assert inspect_folder(tmp_path).splits == {"train": 4, "test": 4}


@pytest.mark.parametrize("look", [read, inspect_folder])
@pytest.mark.parametrize(
    ("places", "message"),
    [
        ("fold1/bright fold1/dark fold2/bright fold2/dark", "'fold1' and 'fold2' are parts for"),
        ("split_1 split_2", "'split_1' and 'split_2' are parts for cross-validation"),
        ("bright_fold1 bright_fold2 dark_fold1 dark_fold2", "are parts for cross-validation"),
        ("train test", "'test' and 'train' are splits, but hold no classes"),
        ("train_set test_set", "are splits, but hold no classes"),
        ("bright-train bright-test dark", "'bright-test' and 'bright-train' look like.*'dark' na"),
        ("bright-train bright-test dark-train train-dark", "the same split of the same"),
        ("bright-train bright-test dark-train train", "'train' a split alone"),
        ("train1/bright train1/dark train2/bright test/dark", "each stands for the train split"),
        (
            "train_set/bright train_set/dark test_set/dark dusk",
            "dusk lies beside the split folders test_set",
        ),
        ("eval/bright eval/dark holdout/bright holdout/dark", "name the split train, validation"),
    ],
)
def test_splits_without_classes_and_folds_are_refused(tmp_path, images, look, places, message):
    with pytest.raises(ValueError, match=message):
        look(lay_out(tmp_path, images, places.split()))


@pytest.mark.parametrize(
    "names",
    [
        ["trainers", "training shoes", "test tubes", "bullet-train", "fold", "manifold 1"],
        ["train", "bus", "TRAINERS"],
        ["train station", "test track", "dev board", "test board"],
        ["type 1", "type 2", "test 1", "test 2"],
        ["train_cats", "train_dogs"],
    ],
)
def test_classes_whose_names_only_resemble_splits(tmp_path, images, names):
    splits, labels = read(lay_out(tmp_path, images, names))
    assert (labels, list(splits)) == (tuple(sorted(names)), ["train"])


def test_files_of_lines(tmp_path):
    for name in ("good_train", "good_test", "bad_train", "bad_test"):
        (tmp_path / f"{name}.txt").write_text("a line\nanother\n")
    contents = inspect_folder(tmp_path)
    assert (contents.classes, contents.splits) == (("bad", "good"), {"train": 4, "test": 4})
    for split in ("train", "test"):
        (tmp_path / "lines").mkdir(exist_ok=True)
        (tmp_path / "lines" / f"{split}.txt").write_text("a line\nanother\n")
    with pytest.raises(ValueError, match="'test' and 'train' are splits, but hold no classes"):
        inspect_folder(tmp_path / "lines")


def test_parquet_files_in_any_spelling(tmp_path, images, caplog):
    import datasets

    data = datasets.load_dataset("imagefolder", data_dir=str(images), split="train")
    root = tmp_path / "shards"
    root.mkdir()
    for name in ("my_train_0", "my_train_1", "my_test_0", "more"):
        data.to_parquet(root / f"{name}.parquet")
    splits, _ = read_parquet_folder(root, parquet_files(root), READER, strict=True)
    assert {name: len(x) for name, x in splits.items()} == {"train": 12, "test": 4}
    assert "the names of more.parquet tell no split" in caplog.text


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("column", "train", "test"),
    [
        ("set", "training", "testing"),
        ("split", "Training set", "test_set"),
        ("phase", "TRAIN", "dev"),
        ("is", "train", "valid"),
    ],
)
def test_a_split_column_of_any_name(tmp_path, suffix, column, train, test):
    rows = [{"x": i, column: train if i % 3 else test, "label": "ab"[i % 2]} for i in range(12)]
    path = tmp_path / f"t.{suffix}"
    if suffix == "csv":
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    path.write_text("\n".join(lines))
    manifest = read_manifest(path, DataConfig())
    assert list(manifest.columns) == ["x"]
    assert manifest.splits == {
        split_of(test): [0, 3, 6, 9],
        "train": [1, 2, 4, 5, 7, 8, 10, 11],
    }
    remarks = " ".join(inspect_table(path, DataConfig()).remarks())
    assert (f"column {column!r} assigns the rows to splits" in remarks) == (column != "split")
    ignored = read_manifest(path, DataConfig(ignore=(column,)))
    assert set(ignored.splits) == {"train"}
    if column != "split":  # declared, or read by a model that was trained before
        kept = read_manifest(path, DataConfig(categorical=(column,)))
        assert list(kept.columns) == ["x", column]
        assert list(read_manifest(path, DataConfig(), wanted=(column,)).columns) == ["x", column]


def test_tables_of_splits_are_refused_with_the_way_out(tmp_path):
    for name in ("train_set", "test_set"):
        (tmp_path / f"{name}.csv").write_text("x,label\n1,a\n2,b\n")
    with pytest.raises(ValueError, match="put all rows into one table with a column called split"):
        find_manifest(str(tmp_path))


def test_two_split_columns_are_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,split,phase,label\n1,train,val,a\n2,test,train,b\n")
    with pytest.raises(ValueError, match="columns split, phase all assign.*--data.ignore phase"):
        read_manifest(path, DataConfig())


def test_columns_that_only_resemble_splits_are_inputs(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("by,when,label\ntrain,test,a\nbus,test,b\ntrain,test,a\n")
    assert list(read_manifest(path, DataConfig()).columns) == ["by", "when"]


@pytest.mark.parametrize("name", ["fold", "is_train", "Split"])
def test_folds_and_flags_of_splits_are_said(tmp_path, capsys, name):
    path = tmp_path / "t.csv"
    rows = [f"{i % 7},{i % 2 + 1},{'ab'[i % 3 == 0]}" for i in range(30)]
    path.write_text("\n".join([f"x,{name},label", *rows]))
    status, out, err = run(capsys, "train", "folder", "--data", path, "--dry-run")
    assert status == 0
    assert f"column {name!r} (1, 2) seems to divide the rows into splits" in out + err
    assert f"--data.ignore {name}" in out + err
