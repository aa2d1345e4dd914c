"""Splits of parquet files and of data sets as the hub gives them."""

import pytest

from perceivers.data.config import DataConfig
from perceivers.data.splits import read_splits
from perceivers.modalities.image.reader import ImageReader


def read(path=None, **changes):
    """Read splits of images of 8 × 8 pixels."""
    config = DataConfig(**{"path": None if path is None else str(path), **changes})
    return read_splits(config, ImageReader(8, 3))


def test_parquet_folder(image_folder, tmp_path):
    import datasets

    whole = datasets.load_dataset("imagefolder", data_dir=str(image_folder))["train"]
    (tmp_path / "parquet").mkdir()
    for split, rows in (("train", range(0, 24, 2)), ("test", range(1, 24, 2))):
        whole.select(rows).to_parquet(tmp_path / "parquet" / f"{split}-00000-of-00001.parquet")
    splits = read(tmp_path / "parquet")
    assert splits.labels == ("bright", "dark")
    assert len(splits.examples["test"]) == 12
    assert len(splits.examples["train"]) + len(splits.examples["validation"]) == 12


def test_hub_data_set_with_fine_and_coarse_labels(image_folder, monkeypatch):
    """A data set with the columns of CIFAR-100 takes the place of the one on the hub."""
    import datasets

    features = datasets.Features(
        coarse_label=datasets.ClassLabel(names=["c0", "c1", "c2"]),
        img=datasets.Image(),
        fine_label=datasets.ClassLabel(names=["f0", "f1"]),
    )
    paths = sorted(str(path) for path in image_folder.rglob("*.png"))
    rows = {"coarse_label": [2] * 24, "img": paths, "fine_label": [0] * 12 + [1] * 12}
    data = {name: datasets.Dataset.from_dict(rows, features) for name in ("train", "test")}
    requested = []
    monkeypatch.setattr(datasets, "load_dataset", lambda name: requested.append(name) or data)
    splits = read(None, name="cifar100")
    assert requested == ["uoft-cs/cifar100"]
    assert splits.labels == ("f0", "f1")
    assert splits.examples["test"].labels.tolist() == [0] * 12 + [1] * 12


def hub_splits(image_folder, **class_names):
    """Return a data set as `datasets` gives it: two images in each split."""
    import datasets

    images = [str(image_folder / name / "0.png") for name in ("bright", "dark")]
    return {
        split: datasets.Dataset.from_dict(
            {"image": images, "label": [0, 1]},
            datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=names)),
        )
        for split, names in class_names.items()
    }


def test_hub_splits_in_any_case(image_folder, monkeypatch, caplog):
    names = ["bright", "dark"]
    data = hub_splits(image_folder, Train=names, TEST=names, Dev=names, unsupervised=names)
    monkeypatch.setattr("datasets.load_dataset", lambda name: data)
    splits = read("hf://someone/photos")
    assert {name: len(s) for name, s in splits.examples.items()} == {
        "train": 2,
        "test": 2,
        "validation": 2,
    }
    assert "the split 'unsupervised' is not used" in caplog.text


def test_two_hub_splits_of_one_kind_are_refused(image_folder, monkeypatch):
    names = ["bright", "dark"]
    data = hub_splits(image_folder, train=names, dev=names, validation=names)
    monkeypatch.setattr("datasets.load_dataset", lambda name: data)
    with pytest.raises(ValueError, match="two stand for validation"):
        read("hf://someone/photos")


def test_hub_splits_with_other_class_names_are_refused(image_folder, monkeypatch):
    data = hub_splits(image_folder, train=["bright", "dark"], test=["dark", "bright"])
    monkeypatch.setattr("datasets.load_dataset", lambda name: data)
    with pytest.raises(ValueError, match="class names of the split 'test'.* differ"):
        read("hf://someone/photos")


def parquet_set(image_folder, path, without=None, **labels):
    """Write splits as on the hub, with the labels of up to 24 images, of which one may be none."""
    import datasets

    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=["bright", "dark"])
    )
    images = sorted(str(file) for file in image_folder.rglob("*.png"))
    if without is not None:
        images[without] = None
    path.mkdir()
    for split, values in labels.items():
        rows = {"image": images[: len(values)], "label": values}
        datasets.Dataset.from_dict(rows, features).to_parquet(path / f"{split}-0.parquet")
    return path


def test_a_missing_image_of_a_parquet_set_is_skipped_and_named(image_folder, tmp_path, caplog):
    path = parquet_set(image_folder, tmp_path / "set", train=[0, 1] * 12, without=3)
    assert sum(map(len, read(path).examples.values())) == 23
    assert "train row 3: the file is empty" in caplog.text


@pytest.mark.parametrize("missing", [-1, None])
def test_missing_labels_of_a_parquet_set_are_refused(image_folder, tmp_path, missing):
    path = parquet_set(image_folder, tmp_path / "set", train=[0, 1, missing, 1, missing, 0] * 4)
    with pytest.raises(
        ValueError,
        match=rf"train: 8 of 24 labels are missing or no class, the first in row 3 \({missing}\); "
        "remove these rows",
    ):
        read(path)


@pytest.mark.parametrize("missing", [-1, None])
def test_an_unlabelled_test_split_of_a_parquet_set_is_left_out(
    image_folder, tmp_path, caplog, missing
):
    path = parquet_set(image_folder, tmp_path / "set", train=[0, 1] * 12, test=[missing] * 6)
    splits = read(path)
    assert "test: none of its 6 rows has a label; it is not used" in caplog.text
    assert sum(map(len, splits.examples.values())) == 24
