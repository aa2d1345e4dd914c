"""The adapter of raw waveforms."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.core import fourier_features, grid
from perceivers.modalities.sound.adapter import AudioAdapter


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 4), st.integers(1, 2))
def test_patches_are_consecutive_samples(batch, patches, size, channels):
    adapter = AudioAdapter(
        num_samples=patches * size, channels=channels, patch_size=size, num_bands=2
    )
    waves = torch.randn(batch, patches * size, channels)
    got = adapter(waves)
    assert torch.equal(got.content, waves.reshape(batch, patches, size * channels))
    expected = fourier_features(grid(patches), num_bands=2, max_resolution=(patches,))
    torch.testing.assert_close(got.dense_position[0], expected)
    assert (adapter.num_inputs, adapter.dim) == (patches, size * channels + 5)


def test_defaults_are_the_papers_raw_audio():
    """arXiv 2103.03206v2, §4.2: 480 patches of 128 samples."""
    adapter = AudioAdapter()
    assert adapter(torch.zeros(1, 61_440)).content.shape == (1, 480, 128)
    assert adapter.position.max_resolution == (480.0,)


def test_mono_with_and_without_a_channel_axis():
    adapter = AudioAdapter(num_samples=12, patch_size=4, num_bands=2)
    waves = torch.randn(2, 12)
    assert torch.equal(adapter(waves).content, adapter(waves[..., None]).content)


def test_patches_overlap_by_the_stride():
    adapter = AudioAdapter(num_samples=8, patch_size=4, patch_stride=2, position="none")
    got = adapter(torch.arange(1.0, 9.0)[None]).content[0]
    assert got.tolist() == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 0]]


def test_projected_patches_have_an_activation():
    """GELU is x · Φ(x), with Φ the normal distribution's cumulative function."""
    options = {"num_samples": 12, "patch_size": 4, "position": "none", "projection_dim": 3}
    adapter = AudioAdapter(**options, projection_activation="gelu")
    waves = torch.randn(2, 12)
    linear = waves.reshape(2, 3, 4) @ adapter.projection.weight.T + adapter.projection.bias
    expected = linear * torch.special.ndtr(linear)
    torch.testing.assert_close(adapter(waves).content, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"projection_activation": "gelu"}, "'gelu' without a projection; set projection_dim"),
        (
            {"projection_activation": "relu", "projection_dim": 3},
            "unknown projection_activation 'relu'; expected 'none' or 'gelu'",
        ),
    ],
)
def test_an_activation_that_cannot_be_applied_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AudioAdapter(num_samples=8, patch_size=4, **options)


def test_max_resolution_sets_the_highest_band():
    adapter = AudioAdapter(num_samples=8, patch_size=1, num_bands=2, max_resolution=4.0)
    expected = fourier_features(grid(8), num_bands=2, max_resolution=(4.0,))
    torch.testing.assert_close(adapter(torch.zeros(1, 8)).dense_position[0], expected)


@pytest.mark.parametrize(
    ("channels", "shape", "message"),
    [
        (1, (2, 12, 2), r"audio batch has shape \(2, 12, 2\); expected \(batch, 1 axis, 1\)"),
        (2, (2, 12), "audio batch has shape"),
        (1, (12,), "audio batch has shape"),
        (1, (2, 10), "audio of 10 does not divide into steps of 4; resize it to 8"),
        (1, (2, 0), "audio of 0 does not divide"),
    ],
)
@pytest.mark.parametrize("position", ["fourier", "learned", "none"])
def test_rejects_waves_of_the_wrong_shape(channels, shape, message, position):
    adapter = AudioAdapter(num_samples=12, channels=channels, patch_size=4, position=position)
    with pytest.raises(ValueError, match=message):
        adapter(torch.zeros(shape))
