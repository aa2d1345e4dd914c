"""The adapter of point clouds."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.core import fourier_features
from perceivers.modalities import PointsConfig
from perceivers.modalities.points.adapter import PointAdapter
from perceivers.models.build import build
from perceivers.models.config import ModelConfig


def cloud(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def classifier(channels=3):
    torch.manual_seed(0)
    model = build(
        ModelConfig(
            num_classes=3,
            input=PointsConfig(num_points=6, channels=channels, num_bands=4),
            num_latents=4,
            latent_dim=16,
            cross_order=(0, 1),
            block_order=(0, 0),
            num_layers_per_block=1,
            num_self_heads=2,
        )
    )
    torch.nn.init.normal_(model.head.weight)
    return model.eval()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(3, 6), st.integers(0, 3))
def test_each_point_has_its_own_position(batch, points, channels, bands):
    """The library transformers uses the positions of sample 0 for the whole batch."""
    adapter = PointAdapter(channels=channels, num_bands=bands, max_resolution=8.0)
    x = cloud(batch, points, channels)
    got = adapter(x)
    assert torch.equal(got.content, x)
    assert got.dim == adapter.dim
    for index in range(batch):
        expected = fourier_features(x[index, :, :3], num_bands=bands, max_resolution=(8.0,) * 3)
        torch.testing.assert_close(got.position[index], expected)


def test_the_papers_highest_band():
    """A frequency of 1120 (arXiv 2103.03206v2, §4.3): sin(1120 π x) has a period of 1/560."""
    adapter = PointAdapter()
    x = torch.zeros(1, 2, 3)
    x[0, 1, 0] = 1 / 2240  # a quarter of the period
    sines = adapter(x).position[0, 1, 3 : 3 + 64]
    assert sines[-1] == pytest.approx(1.0, abs=1e-5)
    assert sines[0] == pytest.approx(math.sin(math.pi / 2240), abs=1e-6)
    assert (adapter.num_inputs, adapter.dim) == (2048, 3 + 3 * 129)


def test_normalisation_leaves_positions_alone():
    adapter = PointAdapter(channels=4, num_bands=2)
    x = cloud(2, 5, 4)
    before = adapter(x)
    mean, std = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    adapter.set_normalisation(mean, std)
    torch.testing.assert_close(adapter(x).content, (x - mean) / std)
    assert torch.equal(adapter(x).position, before.position)


def test_positions_in_half_precision():
    """Positions are made from unrounded coordinates: at 1120, bfloat16 has no correct digit."""
    x = cloud(1, 5, 3)
    half = PointAdapter().bfloat16()(x)
    assert half.content.dtype == torch.bfloat16
    assert torch.equal(half.position, PointAdapter()(x).position)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 8), st.integers(1, 5), st.integers(3, 5), st.integers(0, 99))
def test_masked_padding_changes_nothing(points, padding, channels, seed):
    model = classifier(channels)
    x = cloud(2, points, channels, seed=seed)
    padded = torch.cat([x, cloud(2, padding, channels, seed=seed + 100)], dim=1)
    mask = torch.arange(points + padding).expand(2, -1) < points
    with torch.no_grad():
        alone = model(x)
        torch.testing.assert_close(model(padded, mask=mask), alone, atol=1e-5, rtol=1e-5)
        assert not torch.allclose(model(padded), alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 2), (2, 5, 4), (2, 0, 3), (2, 5, 3, 1)])
def test_rejects_points_of_the_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"expected \(batch, points, 3\).*at least one point"):
        PointAdapter()(torch.zeros(shape))


def test_rejects_points_that_are_not_floats():
    with pytest.raises(ValueError, match="points are torch.uint8; expected floats"):
        PointAdapter()(torch.zeros(1, 2, 3, dtype=torch.uint8))
    with pytest.raises(ValueError, match="channels=2; expected at least 3"):
        PointAdapter(channels=2)


def test_the_content_as_fourier_features():
    """Normalised channels beyond the third have features; three standard deviations map to 1."""
    adapter = PointAdapter(channels=5, content_bands=2, num_bands=2)
    mean, std = torch.tensor([0.0, 0, 0, 4, 5]), torch.tensor([1.0, 1, 1, 2, 3])
    adapter.set_normalisation(mean, std)
    x = cloud(2, 6, 5)
    got = adapter(x)
    plain = PointAdapter(channels=5, num_bands=2)
    plain.set_normalisation(mean, std)
    assert torch.equal(got.content[..., :5], plain(x).content)
    assert torch.equal(got.position, plain(x).position)
    coordinates = (x[..., 3:] - mean[3:]) / std[3:] / 3
    angles = math.pi * (coordinates[..., None] * torch.tensor([1.0, 2.0])).flatten(-2)
    torch.testing.assert_close(got.content[..., 5:], torch.cat([angles.sin(), angles.cos()], -1))
    assert got.dim == adapter.dim == 5 + 8 + 15
    assert adapter.bfloat16()(x).content.dtype == torch.bfloat16
    with pytest.raises(ValueError, match="content_bands=2 with channels=3; expected 0"):
        PointAdapter(content_bands=2)
