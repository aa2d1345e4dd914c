"""Pairs of frames with known motion, written by the example script."""

import sys

import numpy as np
from examples import warped_pairs
from PIL import Image

from perceivers.modalities import FramePairConfig, modality_of


def test_the_first_frame_is_the_second_moved_by_the_flow():
    """On a slope, whose colour says where a pixel is, cubic splines are exact."""
    rows, columns = np.mgrid[:32, :32]
    slope = np.stack([60 + 4 * columns, 60 + 4 * rows, 90 + 2 * (rows - columns)], axis=-1)
    rng = np.random.default_rng(0)
    for _ in range(5):
        flow = warped_pairs.smooth_flow(rng, 20, 4.0)
        lengths = np.hypot(flow[..., 0], flow[..., 1])
        assert 0.1 < lengths.max() <= 4.0 + 1e-9
        assert np.abs(np.diff(flow, axis=0)).max() < 1.5  # smooth
        first, second = warped_pairs.warped(slope.astype(np.uint8), flow)
        assert np.array_equal(second, slope[6:26, 6:26])
        moved = second[..., :2] + 4 * flow  # red grows to the right, green downwards
        assert np.abs(first[..., :2] - moved).max() <= 0.6  # rounding to uint8, and the border


def test_pairs_are_read_as_they_were_written(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / "photos" / f"{number}.png")
    for name, count in (("few", 2), ("more", 3)):
        options = ["--count", str(count), "--size", "16", "--largest", "2"]
        source, dest = str(tmp_path / "photos"), str(tmp_path / name)
        monkeypatch.setattr(sys, "argv", ["warped_pairs.py", source, dest, *options])
        warped_pairs.main()
    config = FramePairConfig(height=16, width=16)
    reader = modality_of(config).labelled_reader(config)
    for name in ("00000", "00001"):  # the first pairs do not depend on their number
        read = []
        for folder in ("few", "more"):
            [(_, source)] = reader.sources(tmp_path / folder / f"{name}_flow.flo")
            read.append(reader.decode(source))
        assert all(np.array_equal(read[0][part], read[1][part]) for part in read[0])
        assert np.isfinite(read[0]["labels"]).all()
    assert (tmp_path / "more" / "00002_img2.png").exists()
