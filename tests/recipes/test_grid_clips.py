"""The script `grid_clips.py` writes GRID's arrays losslessly to mkv files by class."""

import numpy as np
import pytest
from scripts import load_script

from perceivers.modalities import build_reader
from perceivers.recipes import get_recipe


@pytest.fixture
def script():
    return load_script("grid_clips")


def test_written_clips_are_read_back_exactly(script, tmp_path, capsys):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (20, 16, 48, 48), np.uint8)
    sound = rng.integers(-(2**15), 2**15, (20, 5120), np.int16)
    labels = np.zeros((20, 6), np.uint8)
    labels[:, 4] = np.arange(20) % 2 + 3
    ids = np.array([f"clip{i}" for i in range(20)])
    np.save(tmp_path / "video.npy", pictures)
    np.save(tmp_path / "audio.npy", sound)
    np.savez(tmp_path / "labels.npz", labels=labels, ids=ids)
    dest = tmp_path / "clips"
    script.main(tmp_path, dest)
    assert "16 training clips, 4 test clips" in capsys.readouterr().out
    counts = {str(f.relative_to(dest)): len(list(f.iterdir())) for f in dest.glob("*/*")}
    assert counts == {"train/3": 8, "train/4": 8, "test/3": 2, "test/4": 2}
    reader = build_reader(get_recipe("grid-av").model.input)
    for file in dest.rglob("*.mkv"):
        index = int(file.stem.removeprefix("clip"))
        assert file.parent.name == str(labels[index, 4])
        example = reader.decode(file)
        assert np.array_equal(example["video"][..., 0], pictures[index])
        assert np.array_equal(example["audio"][:, 0] * 32768, sound[index])


def test_the_split_is_deterministic_and_stratified(script):
    labels = np.arange(1000) % 10
    chosen = script.test_clips(labels)
    assert np.array_equal(chosen, script.test_clips(labels))
    assert np.bincount(labels[chosen]).tolist() == [20] * 10
