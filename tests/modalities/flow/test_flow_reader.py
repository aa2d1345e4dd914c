"""Pairs of frames with .flo files: where they are found, and what is read of them."""

import numpy as np
import pytest
import torch
from PIL import Image

from perceivers.data.config import DataConfig
from perceivers.data.splits import read_splits
from perceivers.modalities import AugmentationConfig, FramePairConfig, modality_of
from perceivers.modalities.flow.augment import flip_pairs
from perceivers.modalities.flow.files import colours, frames_of, write_flo

CONFIG = FramePairConfig(height=6, width=8, channels=1, num_bands=2)


def reader(config=CONFIG):
    return modality_of(config).labelled_reader(config)


def write_pair(folder, name="a", size=(6, 8), suffix=".png"):
    """Write a random pair of grey frames with their flow; return the frames and the flow."""
    rng = np.random.default_rng(len(name))
    folder.mkdir(parents=True, exist_ok=True)
    frames = rng.integers(0, 256, (2, *size), dtype=np.uint8)
    flow = rng.normal(size=(*size, 2)).astype(np.float32)
    for number, frame in enumerate(frames, 1):
        Image.fromarray(frame).save(folder / f"{name}_img{number}{suffix}")
    write_flo(folder / f"{name}_flow.flo", flow)
    return frames, flow


def test_a_pair_is_read_with_its_flow(tmp_path):
    frames, flow = write_pair(tmp_path, suffix=".ppm")
    flow[2, 3] = 1e10  # not known, as in Middlebury's files
    write_flo(tmp_path / "a_flow.flo", flow)
    [(name, source)] = reader().sources(tmp_path / "a_flow.flo")
    assert name.endswith("a_flow.flo")
    example = reader().decode(source)
    assert np.array_equal(example["content"][..., 0], frames)
    assert np.isnan(example["labels"][2, 3]).all()
    known = np.isfinite(example["labels"]).all(-1)
    assert known.sum() == 47
    assert np.array_equal(example["labels"][known], flow[known])


def test_larger_frames_are_read_in_parts_that_cover_them(tmp_path):
    frames, flow = write_pair(tmp_path, size=(11, 16))
    sources = reader().sources(tmp_path / "a_flow.flo")
    assert [(s.top, s.left) for _, s in sources] == [(0, 0), (0, 8), (5, 0), (5, 8)]
    assert len({name for name, _ in sources}) == 4
    for _, source in sources:
        example = reader().decode(source)
        part = (slice(source.top, source.top + 6), slice(source.left, source.left + 8))
        assert np.array_equal(example["content"][..., 0], frames[:, *part])
        assert np.array_equal(example["labels"], flow[part])


def test_frames_of_16_bits_are_scaled_by_the_range_of_their_pair(tmp_path):
    write_pair(tmp_path)
    wide = np.arange(1000, 1048, dtype=np.uint16).reshape(6, 8)
    for number, values in enumerate((wide, wide + 4), 1):
        Image.fromarray(values).save(tmp_path / f"a_img{number}.png")
    [(_, source)] = reader().sources(tmp_path / "a_flow.flo")
    first, second = reader().decode(source)["content"][..., 0]
    assert (first.min(), second.max()) == (0, 255)
    assert np.array_equal(first[:, 4:], second[:, :4])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: (d / "a_img2.png").unlink(), "no two frames beside it: NAME_flow.flo needs"),
        (lambda d: write_pair(d, size=(6, 7)), r"is of 7×6 pixels, and the model reads 8×6"),
        (
            lambda d: Image.new("L", (9, 6)).save(d / "a_img2.png"),
            "its two frames are of 8×6 and 9×6 pixels; expected the same size",
        ),
        (
            lambda d: write_flo(d / "a_flow.flo", np.zeros((6, 9, 2))),
            "the flow and its frames are of 9×6 and 8×6 pixels",
        ),
        (lambda d: (d / "a_flow.flo").write_bytes(b"no"), "is no .flo file"),
        (
            lambda d: write_flo(d / "a_flow.flo", np.full((6, 8, 2), np.nan)),
            "the motion of none of its pixels is known",
        ),
    ],
)
def test_bad_pairs_say_what_is_wrong(tmp_path, spoil, message):
    write_pair(tmp_path)
    spoil(tmp_path)
    [(_, source), *_] = reader().sources(tmp_path / "a_flow.flo")
    with pytest.raises(ValueError, match=message):
        reader().decode(source)


def test_splits_of_pairs(tmp_path, caplog):
    """Folders of splits, one bad pair that is skipped, and files that belong to no pair."""
    for split, names in (("train", "abcd"), ("validation", "ef"), ("test", "g")):
        for name in names:
            write_pair(tmp_path / split, name * (1 + "abcdefg".index(name)))
    (tmp_path / "train" / "a_img2.png").unlink()
    (tmp_path / "train" / "notes.txt").write_text("nothing")
    with caplog.at_level("INFO"):
        splits = read_splits(DataConfig(path=str(tmp_path), task="flow"), reader(), identify=True)
    assert splits.task == "flow"
    assert {name: len(x) for name, x in splits.examples.items()} == {
        "train": 3, "validation": 2, "test": 1,
    }  # fmt: skip
    assert len(splits.skipped) == 1
    assert (
        "1 other files are not read" in caplog.text or "2 other files are not read" in caplog.text
    )
    batch, flow = splits.examples["train"].__getitems__([0, 2])
    assert batch.shape == (2, 2, 6, 8, 1)
    assert batch.dtype == torch.uint8
    assert flow.shape == (2, 6, 8, 2)
    assert splits.lines()[0] == "train: 3 examples"
    identity = splits.record.examples["test"][0]
    assert identity[1].endswith("ggggggg_flow.flo")


def test_a_folder_without_pairs_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"holds no pairs of frames with their flow \(.flo\)"):
        read_splits(DataConfig(path=str(tmp_path), task="flow"), reader())
    assert frames_of(tmp_path / "other.flo") == ()


def test_mirrored_pairs_move_the_other_way():
    """A pixel and what it moves to keep their colours under any of the four mirrorings."""
    torch.manual_seed(0)
    frames = torch.zeros(40, 2, 5, 7, 1, dtype=torch.uint8)
    flow = torch.zeros(40, 5, 7, 2)
    frames[:, 0, 1, 2], frames[:, 1, 3, 5] = 255, 255
    flow[:, 1, 2] = torch.tensor([3.0, 2.0])
    mirrored, turned = flip_pairs(frames, flow)
    seen = set()
    for pair, motion in zip(mirrored, turned, strict=True):
        [[row, column, _]] = pair[0].nonzero().tolist()
        right, down = motion[row, column].tolist()
        assert pair[1, row + int(down), column + int(right)] == 255
        assert motion.abs().sum() == 5
        seen.add((right, down))
    assert seen == {(3.0, 2.0), (-3.0, 2.0), (3.0, -2.0), (-3.0, -2.0)}
    assert flow[0, 1, 2].tolist() == [3.0, 2.0]
    modality = modality_of(CONFIG)
    same = modality.augment_labelled(frames, flow, CONFIG, AugmentationConfig())
    assert same[0] is frames
    assert modality.augmentations(CONFIG) == {"flip"}


def test_unknown_motion_is_grey():
    flow = np.array([[[np.nan, np.nan], [0.0, 0.0]]])
    assert colours(flow, largest=1.0)[0].tolist() == [[128] * 3, [255] * 3]
