"""Optical flow: pairs of frames, tiles, files and pictures."""

import numpy as np
import pytest
import torch

from perceivers.modalities.flow.adapter import FramePairAdapter
from perceivers.modalities.flow.files import colours, flo_bytes, read_flo
from perceivers.modalities.flow.tiles import in_tiles, starts


def adapter(**changes):
    torch.manual_seed(0)
    sizes = {"height": 6, "width": 8, "projection_dim": 5, "num_bands": 2}
    return FramePairAdapter(**{**sizes, **changes})


@pytest.mark.parametrize("patch_size", [1, 3, 5])
def test_content_is_a_linear_map_of_the_patches(patch_size):
    module = adapter(patch_size=patch_size)
    frames = torch.rand(2, 2, 7, 9, 3)
    inputs = module.elements(frames)
    patches = module.patches(frames)  # B 2 H W S·S·C
    assert patches.shape == (2, 2, 7, 9, patch_size**2 * 3)
    flat = patches.movedim(1, 3).flatten(3).flatten(1, 2)
    torch.testing.assert_close(inputs.content, module.projection(flat))
    assert inputs.position.shape == (1, 63, module.position.dim)


def test_pixels_are_scaled_to_minus_one_and_one():
    module = adapter(patch_size=1)
    black, white = torch.zeros(1, 2, 1, 1, 3, dtype=torch.uint8), torch.full((1, 2, 1, 1, 3), 1.0)
    assert module.patches(black).unique().tolist() == [-1]
    assert module.patches(white).unique().tolist() == [1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"patch_size": 2}, "expected an odd"), ({"height": 0}, "height=0; expected at least 1")],
)
def test_sizes_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        adapter(**changes)


@pytest.mark.parametrize("shape", [(2, 3, 6, 8, 3), (2, 2, 3, 6, 8), (2, 6, 8, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="expected .batch, 2, height, width, 3."):
        adapter().elements(torch.rand(shape))


def test_tiles_cover_each_axis_to_its_end():
    assert list(starts(10, 10, 3)) == [0]
    assert list(starts(11, 10, 3)) == [0, 1]
    assert list(starts(30, 10, 3)) == [0, 7, 14, 20]


@pytest.mark.parametrize("size", [(6, 8), (9, 20), (4, 30), (3, 3)], ids=str)
def test_blended_tiles_of_what_each_pixel_says_are_the_whole(size):
    """A flow that depends on each pixel alone is the same in tiles, smaller frames included."""

    def predict(frames):
        assert frames.shape[2:4] == (6, 8)
        return frames[:, 0, ..., :2]

    frames = torch.rand(2, 2, *size, 3)
    torch.testing.assert_close(in_tiles(predict, frames, (6, 8), overlap=2), frames[:, 0, ..., :2])


def test_the_weight_of_a_tile_falls_towards_its_border():
    tiles = iter([0.0, 1.0])

    def predict(frames):
        return torch.full((1, 1, 10, 2), next(tiles))

    flow = in_tiles(predict, torch.zeros(1, 2, 1, 14, 3), (1, 10), overlap=0)[0, 0, :, 0]
    assert flow.tolist() == sorted(flow.tolist())
    assert flow[:4].tolist() == [0] * 4


def test_overlap_as_large_as_a_tile_is_refused():
    with pytest.raises(ValueError, match="overlap=6; expected at least 0 and less than 6"):
        in_tiles(lambda x: x, torch.zeros(1, 2, 6, 8, 3), (6, 8), overlap=6)


def test_flo_file(tmp_path):
    flow = np.random.default_rng(0).normal(size=(3, 5, 2)).astype(np.float32)
    (tmp_path / "a.flo").write_bytes(flo_bytes(flow))
    raw = (tmp_path / "a.flo").read_bytes()
    assert raw[:4] == b"PIEH"  # what the format begins with
    assert np.frombuffer(raw[4:12], "<i4").tolist() == [5, 3]
    assert np.array_equal(read_flo(tmp_path / "a.flo"), flow)
    (tmp_path / "a.flo").write_bytes(raw[:-4])
    with pytest.raises(ValueError, match="size of 5×3; copy it again"):
        read_flo(tmp_path / "a.flo")
    (tmp_path / "a.flo").write_bytes(b"no flow")
    with pytest.raises(ValueError, match="is no .flo file"):
        read_flo(tmp_path / "a.flo")


def test_colours_are_directions():
    flow = np.zeros((1, 3, 2))
    flow[0, 1], flow[0, 2] = (5, 0), (-5, 0)
    still, right, left = colours(flow, largest=5)[0].tolist()
    assert still == [255, 255, 255]
    assert right == [255, 0, 0]  # red, as in the Middlebury colour code
    assert left[2] > left[0]
