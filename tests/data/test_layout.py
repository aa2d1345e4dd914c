"""Class folders, split folders, and the files that operating systems leave in them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import write_image_folder

from perceivers.autoconfig.choose import choose_for
from perceivers.autoconfig.inspect_folder import inspect_folder
from perceivers.data.config import DataConfig
from perceivers.data.folder import read_folder
from perceivers.data.layout import class_locations, visible_files
from perceivers.data.splits import read_splits
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.text.reader import TextReader

READER = ImageReader(channels=3, size=8)


def read(root):
    return read_folder(Path(root), READER, strict=True)


@pytest.fixture
def splits_folder(tmp_path):
    root = tmp_path / "photos"
    for split in ("train", "val", "test"):
        write_image_folder(root / split, count=2)
    return root


@pytest.mark.parametrize("look", [read, inspect_folder, choose_for])
def test_two_folders_of_one_split_are_refused(splits_folder, look):
    write_image_folder(splits_folder / "Valid", count=2)
    with pytest.raises(ValueError, match="'Valid' and 'val', and each stands for the validation"):
        look(str(splits_folder))


@pytest.mark.parametrize("look", [read, inspect_folder, choose_for])
def test_a_class_beside_the_splits_is_refused(splits_folder, look):
    shutil.copytree(splits_folder / "train" / "dark", splits_folder / "dusk")
    with pytest.raises(ValueError, match="dusk lies beside the split folders test and train and"):
        look(str(splits_folder))


def test_texts_beside_the_splits_are_refused(tmp_path):
    for folder in ("train", "test", "more"):
        (tmp_path / folder).mkdir()
        for name in ("good", "bad"):
            (tmp_path / folder / f"{name}.txt").write_text("a line\nanother")
    with pytest.raises(ValueError, match="more lies beside the split folders test and train"):
        inspect_folder(tmp_path)


def test_a_folder_without_examples_may_lie_beside_the_splits(splits_folder):
    (splits_folder / "notes").mkdir()
    (splits_folder / "notes" / "boxes.json").write_text("{}")
    assert inspect_folder(splits_folder).num_examples == 12
    assert {split: len(s) for split, s in read(splits_folder)[0].items()} == {
        "train": 4,
        "validation": 4,
        "test": 4,
    }


@pytest.fixture
def splits_below(tmp_path):
    """Return a folder like ModelNet's: bright/train, bright/test, dark/train, dark/test."""
    for split, count in (("train", 3), ("test", 2)):
        write_image_folder(tmp_path / "by split" / split, count=count)
        for name in ("bright", "dark"):
            shutil.copytree(
                tmp_path / "by split" / split / name, tmp_path / "photos" / name / split
            )
    return tmp_path / "photos"


def test_splits_below_the_classes_are_read(splits_below):
    splits, labels = read(splits_below)
    assert labels == ("bright", "dark")
    assert {name: x.labels.tolist() for name, x in splits.items()} == {
        "train": [0, 0, 0, 1, 1, 1], "test": [0, 0, 1, 1],
    }  # fmt: skip
    assert all(
        Path(name).parent.name == split for split, x in splits.items() for name, _ in x.files
    )
    contents = inspect_folder(splits_below)
    assert (contents.classes, contents.splits) == (labels, {"train": 6, "test": 4})
    shutil.rmtree(splits_below / "dark" / "test")  # a class may lack a split
    assert len(read(splits_below)[0]["test"]) == 2


@pytest.mark.parametrize("look", [read, inspect_folder])
@pytest.mark.parametrize("problem", ["flat class", "file in a class", "two of one split"])
def test_unclear_splits_below_the_classes_are_refused(splits_below, look, problem):
    if problem == "flat class":
        shutil.copytree(splits_below / "dark" / "test", splits_below / "dusk")
    elif problem == "file in a class":
        shutil.copy(splits_below / "dark" / "test" / "0.png", splits_below / "dark")
    else:
        shutil.copytree(splits_below / "dark" / "test", splits_below / "dark" / "testing")
    with pytest.raises(ValueError, match=r"test is a split below its class.*photos/test/bright"):
        look(splits_below)


def test_hidden_files_are_counted_by_the_inspection(splits_below):
    for name in (".DS_Store", "bright/train/._0.png"):
        (splits_below / name).write_bytes(b"litter")
    assert "hidden or system files, which are ignored: 2" in inspect_folder(splits_below).remarks()


def test_system_files_are_ignored_and_counted(tmp_path, caplog):
    caplog.set_level("INFO")
    root = write_image_folder(tmp_path / "photos", count=3)
    expected = inspect_folder(root)
    for litter in (
        "__MACOSX/bright/._0.png",
        ".git/bright/0.png",
        "bright/._0.png",
        "bright/.DS_Store",
        "bright/Thumbs.db",
        "dark/__MACOSX/1.png",
        "dark/.thumbnails/1.png",
    ):
        (root / litter).parent.mkdir(parents=True, exist_ok=True)
        (root / litter).write_bytes(b"litter")
    assert replace(inspect_folder(root), hidden=0) == expected
    splits, labels = read(root)
    assert (len(splits["train"]), labels) == (6, ("bright", "dark"))
    assert "7 hidden or system files ignored" in caplog.text
    assert len(list(visible_files(root))) == 6
    assert set(class_locations(root, frozenset())["train"]) == {"bright", "dark"}


def test_a_folder_named_like_a_file_is_no_example(tmp_path):
    root = write_image_folder(tmp_path / "photos", count=2)
    (root / "dark" / "album.png").mkdir()
    assert len(read(root)[0]["train"]) == 4


@pytest.mark.parametrize("kind", ["folder", "lines", "table"])
def test_data_without_training_examples_is_refused(tmp_path, kind):
    for split in ("test", "val"):
        (tmp_path / split).mkdir()
        if kind == "folder":
            write_image_folder(tmp_path / split, count=2)
        elif kind == "lines":
            for name in ("good", "bad"):
                (tmp_path / split / f"{name}.txt").write_text("a line\nanother")
    if kind == "table":
        rows = [f"{i},{s},{k}" for i in range(9) for s in ("test", "val") for k in "ab"]
        (tmp_path / "rows.csv").write_text("\n".join(["size,split,label", *rows]))
        shutil.rmtree(tmp_path / "test")
        shutil.rmtree(tmp_path / "val")
    with pytest.raises(ValueError, match="no training examples, only those of the splits test, v"):
        choose_for(str(tmp_path))


LITTER = (
    "$RECYCLE.BIN/x/1.png",
    "System Volume Information/1.png",
    "lost+found/1.png",
    "a/@eaDir/1.png",
    "a/~$1.png",
    "a/1.png~",
    "a/.1.png.swp",
    "a/ehthumbs.db",
)


def test_what_systems_and_programs_leave_behind_is_ignored(tmp_path, caplog):
    root = write_image_folder(tmp_path / "data").rename(tmp_path / "photos")
    (root / "bright").rename(root / "a")
    expected = inspect_folder(root)
    for name in LITTER:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((root / "dark" / "1.png").read_bytes())
    assert inspect_folder(root) == replace(expected, hidden=len(LITTER))
    caplog.set_level("INFO")
    splits = read_splits(DataConfig(path=str(root)), ImageReader(8, 3))
    assert sum(map(len, splits.examples.values())) == expected.num_examples
    assert f"{len(LITTER)} hidden or system files ignored" in caplog.text


def test_texts_that_describe_classes_of_lines_are_no_classes(tmp_path, caplog):
    for name in ("pos", "neg"):
        (tmp_path / f"{name}.txt").write_text("\n".join(f"{name} {i}" for i in range(20)))
    (tmp_path / "README.txt").write_text("about\nthis data")
    (tmp_path / "License.txt").write_text("MIT")
    assert inspect_folder(tmp_path).classes == ("neg", "pos")
    caplog.set_level("INFO")
    splits = read_splits(DataConfig(path=str(tmp_path)), TextReader(16))
    assert splits.labels == ("neg", "pos")
    assert "not read, because they describe the data: License.txt, README.txt" in caplog.text
    (tmp_path / "neg.txt").unlink()  # then they can only be classes
    assert inspect_folder(tmp_path).classes == ("License", "README", "pos")


def test_a_class_of_lines_without_text_is_refused(tmp_path):
    """It was a class without any example."""
    (tmp_path / "pos.txt").write_text("\n \n\t\n")
    (tmp_path / "neg.txt").write_text("bad\nworse\nworst")
    with pytest.raises(ValueError, match="class 'pos' is empty"):
        inspect_folder(tmp_path)
    with pytest.raises(ValueError, match="class 'pos' is empty"):
        read_splits(DataConfig(path=str(tmp_path)), TextReader(16))
