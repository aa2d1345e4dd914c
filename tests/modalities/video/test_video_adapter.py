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
