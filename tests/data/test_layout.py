"""Class folders, split folders, and the files that operating systems leave in them."""

import shutil
from pathlib import Path

import pytest
from conftest import write_image_folder

from perceivers.autoconfig.choose import choose_for
from perceivers.autoconfig.inspect_folder import inspect_folder
from perceivers.data.folder import read_folder
from perceivers.data.layout import class_locations, visible_files
from perceivers.modalities.image.reader import ImageReader

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


@pytest.mark.parametrize("look", [read, inspect_folder])
def test_splits_below_the_classes_are_refused(tmp_path, look):
    for split in ("train", "test"):
        write_image_folder(tmp_path / "by split" / split, count=1)
        for name in ("bright", "dark"):
            shutil.copytree(
                tmp_path / "by split" / split / name, tmp_path / "photos" / name / split
            )
    with pytest.raises(ValueError, match=r"test is a split below its class.*photos/test/bright"):
        look(tmp_path / "photos")


def test_a_class_that_only_the_test_split_has_is_said(splits_folder, caplog):
    shutil.copytree(splits_folder / "train" / "dark", splits_folder / "test" / "dusk")
    assert read(splits_folder)[1] == ("bright", "dark", "dusk")
    assert "classes in test without training examples: dusk" in caplog.text


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
    assert inspect_folder(root) == expected
    splits, labels = read(root)
    assert (len(splits["train"]), labels) == (6, ("bright", "dark"))
    assert "7 hidden or system files ignored" in caplog.text
    assert len(list(visible_files(root))) == 6
    assert set(class_locations(root, frozenset())["train"]) == {"bright", "dark"}


def test_a_folder_named_like_a_file_is_no_example(tmp_path):
    root = write_image_folder(tmp_path / "photos", count=2)
    (root / "dark" / "album.png").mkdir()
    assert len(read(root)[0]["train"]) == 4
