"""FSDD and rt-polarity in their official layout, and folders of sound, points and text."""

import numpy as np
import pytest
from media_files import write_wav

from perceivers.data.config import DataConfig
from perceivers.data.splits import read_splits
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.points.reader import PointReader
from perceivers.modalities.sound.reader import SoundReader
from perceivers.modalities.text.reader import TextReader


@pytest.fixture
def digits(tmp_path):
    folder = tmp_path / "fsdd" / "recordings"
    folder.mkdir(parents=True)
    for digit in (3, 7):
        for index in range(9):
            samples = np.full(100, (digit * 10 + index) / 100)
            write_wav(folder / f"{digit}_jo_{index}.wav", samples)
    return tmp_path / "fsdd"


def test_fsdd_test_split_is_the_first_five_of_each_digit(digits):
    config = DataConfig(name="fsdd", path=str(digits), validation=0.25)
    splits = read_splits(config, SoundReader(100, 8000, 1))
    assert splits.labels == tuple("0123456789")
    assert {name: len(examples) for name, examples in splits.examples.items()} == {
        "train": 6, "validation": 2, "test": 10,
    }  # fmt: skip
    test = splits.examples["test"]
    loudness = (test.examples[:, 50, 0] * 100).round().long()
    assert sorted(loudness.tolist()) == [30, 31, 32, 33, 34, 70, 71, 72, 73, 74]
    assert (loudness // 10 == test.labels).all()


@pytest.mark.parametrize(
    ("name", "how_to_get"),
    [
        ("fsdd", "git clone .*Jakobovski"),
        ("grid", "grid_clips.py"),
        ("kicad", "kicad_ply.py"),
        ("drums", "drum_kits.py"),
    ],
)
def test_missing_data_set_says_how_to_get_it(name, how_to_get):
    with pytest.raises(
        FileNotFoundError, match=f"{name} does not come .*; .*{how_to_get}.*: --data"
    ):
        read_splits(DataConfig(name=name), SoundReader(100, 8000, 1))


def test_data_set_of_another_modality(digits):
    config = DataConfig(name="fsdd", path=str(digits))
    with pytest.raises(ValueError, match="fsdd holds sound files, and the model reads images"):
        read_splits(config, ImageReader(8, 3))


def test_rt_polarity(tmp_path):
    for name, text in (("neg", "dull\n"), ("pos", "fine\n")):
        (tmp_path / f"rt-polarity.{name}").write_text(text * 10)
    config = DataConfig(name="rt-polarity", path=str(tmp_path))
    splits = read_splits(config, TextReader(6))
    assert splits.labels == ("negative", "positive")
    ids, labels = splits.examples["train"].__getitems__(range(len(splits.examples["train"])))
    assert [bytes(row - 6).decode() for row in ids.numpy().astype(np.uint8)] == [
        ("dull", "fine")[label] for label in labels
    ]


def test_texts_as_lines_of_a_file_or_files_of_a_folder(tmp_path):
    lines, folders = tmp_path / "lines", tmp_path / "folders"
    lines.mkdir()
    for name in ("ham", "spam"):
        (lines / f"{name}.txt").write_text("".join(f"{name} {i}\n" for i in range(10)))
        (folders / name).mkdir(parents=True)
        for i in range(10):
            (folders / name / f"{i}.txt").write_text(f"{name} {i}\n")
    counts = []
    for path in (lines, folders):
        splits = read_splits(DataConfig(path=str(path)), TextReader(12))
        assert splits.labels == ("ham", "spam")
        counts.append({name: len(examples) for name, examples in splits.examples.items()})
    assert counts[0] == counts[1] == {"train": 16, "validation": 2, "test": 2}


def test_damaged_point_cloud_is_named_and_skipped(tmp_path, caplog):
    rng = np.random.default_rng(0)
    for name in ("bolt", "nut"):
        (tmp_path / name).mkdir()
        for i in range(10):
            np.savetxt(tmp_path / name / f"{i}.xyz", rng.normal(size=(9, 3)))
    (tmp_path / "nut" / "3.xyz").write_text("1 2 nan\n" * 9)
    splits = read_splits(DataConfig(path=str(tmp_path)), PointReader(8, 3))
    assert [path.rpartition("/")[2] for path in splits.skipped] == ["3.xyz"]
    assert "9 of 9 points are NaN" in caplog.text


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["a/1.png", "b/1.png"], "class 'a' is empty: .* holds no sound files"),
        (["a/x/1.wav", "b/1.wav"], "lies deeper than its class 'a'; expected all sound files"),
        (["1.wav"], "has no sub-folders; expected one folder of sound files"),
        (["a/1.wav"], "found 1 class .*one folder of sound files each"),
    ],
)
def test_unusable_folders_of_sounds(tmp_path, files, message):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_wav(tmp_path / name, [0.5] * 9)
    with pytest.raises(ValueError, match=message):
        read_splits(DataConfig(path=str(tmp_path)), SoundReader(9, 8000, 1))
