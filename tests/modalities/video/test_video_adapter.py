"""The adapter of videos."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.core import fourier_features, grid
from perceivers.modalities.video.adapter import VideoAdapter


@settings(max_examples=25, deadline=None)
@given(*[st.integers(1, 3)] * 6)
def test_patches_hold_the_right_pixels(batch, frames, rows, depth, side, channels):
    adapter = VideoAdapter(
        num_frames=frames * depth,
        image_size=rows * side,
        channels=channels,
        patch_frames=depth,
        patch_size=side,
        num_bands=2,
    )
    video = torch.randn(batch, frames * depth, rows * side, rows * side, channels)
    got = adapter(video)
    assert adapter.num_inputs == frames * rows * rows == got.content.shape[1]
    assert adapter.dim == got.dim
    window = (slice(depth * (frames - 1), None), slice(side * (rows - 1), None), slice(0, side))
    corner = (frames - 1) * rows * rows + (rows - 1) * rows  # last frames, lowest row, leftmost
    assert torch.equal(got.content[:, corner], video[:, *window].flatten(1))
    sizes = (frames, rows, rows)
    expected = fourier_features(grid(*sizes), num_bands=2, max_resolution=sizes)
    torch.testing.assert_close(got.dense_position[0], expected)


def test_the_papers_patches():
    """Patches of 32 frames of 224² pixels, arXiv 2103.03206v2, §4.2."""
    adapter = VideoAdapter()
    assert adapter.grid_size(*adapter.shape) == (16, 28, 28)
    assert adapter.num_inputs == 12_544
    assert adapter.content_dim == 2 * 8 * 8 * 3


def test_patches_overlap_by_the_strides():
    adapter = VideoAdapter(
        num_frames=4, image_size=6, channels=1, position="none",
        patch_frames=4, frame_stride=2, patch_size=5, patch_stride=3,
    )  # fmt: skip
    video = torch.randn(1, 4, 6, 6, 1)
    got = adapter(video).content[0]
    assert got.shape == (2 * 2 * 2, 4 * 5 * 5)
    padded = torch.zeros(6, 8, 8)  # a border of (4 - 2) / 2 frames and (5 - 3) / 2 pixels
    padded[1:5, 1:7, 1:7] = video[0, ..., 0]
    assert torch.equal(got[0].view(4, 5, 5), padded[:4, :5, :5])
    assert torch.equal(got[-1].view(4, 5, 5), padded[2:, 3:, 3:])


@pytest.mark.parametrize("strides", [{"frame_stride": 0}, {"patch_stride": 0}, {"frame_stride": 3}])
def test_strides_that_do_not_fit_are_refused(strides):
    with pytest.raises(ValueError, match=r"patch_stride=.*expected a stride from 1 to the patch"):
        VideoAdapter(**strides)


def test_max_resolution_is_per_axis():
    sizes = {"num_frames": 2, "image_size": 4, "patch_frames": 1, "patch_size": 2}
    adapter = VideoAdapter(**sizes, num_bands=3, max_resolution=(2.0, 4.0, 8.0))
    expected = fourier_features(grid(2, 2, 2), num_bands=3, max_resolution=(2.0, 4.0, 8.0))
    got = adapter(torch.zeros(1, 2, 4, 4, 3, dtype=torch.uint8)).dense_position[0]
    torch.testing.assert_close(got, expected)
    with pytest.raises(ValueError, match="expected one entry per axis"):
        VideoAdapter(**sizes, max_resolution=(2.0, 4.0))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 4, 8, 8), "video batch has shape .* expected \\(batch, 3 axes, 3\\), channels last"),
        ((1, 3, 4, 8, 8), "video batch has shape"),
        ((1, 3, 8, 8, 3), "video of 3×8×8 does not divide into steps of 2×4×4"),
        ((1, 4, 8, 10, 3), "resize it to 4×8×8"),
    ],
)
def test_videos_that_do_not_fit(shape, message):
    with pytest.raises(ValueError, match=message):
        VideoAdapter(num_frames=4, image_size=8, patch_size=4)(torch.zeros(shape))
