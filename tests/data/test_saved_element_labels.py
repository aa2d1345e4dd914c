"""Labels of elements that changed since a run began are said, also where their counts stay."""

import json

import numpy as np
import pytest
from PIL import Image

from perceivers.data.config import DataConfig
from perceivers.data.saved_splits import SPLITS_FILE, SavedSplits
from perceivers.data.splits import read_splits
from perceivers.modalities.image.labels import LabelledImageReader
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.points.labels import LabelledPointReader
from perceivers.modalities.points.reader import PointReader

CLASSES = ("0", "1")


def read(path, reader, saved=None):
    config = DataConfig(path=str(path), task="segmentation")
    return read_splits(config, reader, identify=True, decode=False, saved=saved)


def written(splits, folder):
    """Return the record of splits as it is read from its file."""
    splits.record.write(folder)
    return SavedSplits.read(folder)


@pytest.fixture
def masks(tmp_path):
    """Return a folder of images whose left half is of class 1."""
    for name in ("images", "masks"):
        (tmp_path / "data" / name).mkdir(parents=True)
    mask = np.zeros((4, 4), np.uint8)
    mask[:, :2] = 1
    for i in range(20):
        Image.new("RGB", (4, 4), (i, 9, 200)).save(tmp_path / "data" / "images" / f"{i:02}.png")
        Image.fromarray(mask).save(tmp_path / "data" / "masks" / f"{i:02}.png")
    return tmp_path / "data"


def test_a_mask_with_the_same_counts_is_noticed(masks, tmp_path, caplog):
    reader = LabelledImageReader(ImageReader(4, 3), classes=CLASSES)
    saved = written(read(masks, reader), tmp_path)
    caplog.clear()
    read(masks, reader, saved)
    assert "changed" not in caplog.text
    name = saved.examples["test"][0].name
    path = masks / "masks" / name.split("/")[-1]
    Image.fromarray(np.asarray(Image.open(path))[:, ::-1]).save(path)
    caplog.clear()
    read(masks, reader, saved)
    assert f"1 example of the run's test split: changed since the run began ({name})" in caplog.text


def test_a_run_of_an_older_version_knows_no_labels_of_elements(masks, tmp_path, caplog):
    reader = LabelledImageReader(ImageReader(4, 3), classes=CLASSES)
    read(masks, reader).record.write(tmp_path)
    data = json.loads((tmp_path / SPLITS_FILE).read_text())
    del data["element_labels"]
    (tmp_path / SPLITS_FILE).write_text(json.dumps(data))
    caplog.clear()
    splits = read(masks, reader, SavedSplits.read(tmp_path))
    assert "changed" not in caplog.text
    assert len(splits.examples["test"]) == len(data["examples"]["test"])


def test_labels_in_the_file_of_the_points_are_noticed(tmp_path, caplog):
    data = tmp_path / "data"
    data.mkdir()
    points = np.random.default_rng(0).normal(size=(20, 8, 3)).astype(np.float32)
    labels = np.arange(8) % 2
    for i, cloud in enumerate(points):
        np.savez(data / f"{i:02}.npz", points=cloud, label=labels)
    reader = LabelledPointReader(PointReader(8, 3), classes=CLASSES)
    saved = written(read(data, reader), tmp_path)
    name = saved.examples["test"][0].name
    np.savez(data / name, points=points[int(name[:2])], label=1 - labels)
    caplog.clear()
    read(data, reader, saved)
    assert f"1 example of the run's test split: changed since the run began ({name})" in caplog.text
