"""The shape of the surface around each point of a cloud."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.modalities.points import surface
from perceivers.modalities.points.surface import SHAPE_CHANNELS, surface_shape


def cloud(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def brute_force(points, neighbours):
    """Compute the shape from all distances, with singular values instead of eigenvalues."""
    rows = []
    for point in points:
        distances = np.linalg.norm(points - point, axis=1)
        nearest = np.argsort(distances, kind="stable")[: neighbours + 1]
        centred = points[nearest] - points[nearest].mean(0)
        _, (large, middle, small), axes = np.linalg.svd(centred)
        shares = [(large - middle) / large, (middle - small) / large, small / large]
        rows.append([*shares, *np.abs(axes[2]), np.log(distances[nearest[-1]])])
    return np.array(rows)


@settings(max_examples=20, deadline=None)
@given(st.integers(5, 60), st.integers(3, 20), st.integers(0, 9))
def test_equals_brute_force(count, neighbours, seed):
    points = cloud(count, 3, seed=seed)
    got = surface_shape(points, [neighbours])
    assert got.shape == (count, SHAPE_CHANNELS)
    np.testing.assert_allclose(got, brute_force(points, min(neighbours, count - 1)), atol=1e-7)


@pytest.mark.parametrize(
    ("spread", "share"), [((1, 0, 0), 0), ((1, 1, 0), 1)], ids=["a line", "a plane"]
)
def test_lines_and_planes(spread, share):
    points = np.random.default_rng(0).uniform(-1, 1, (2000, 3)) * spread
    shape = surface_shape(points, [30]).mean(0)
    assert shape[share] > 0.7
    assert shape[2] == pytest.approx(0, abs=1e-6)
    if share == 1:
        np.testing.assert_allclose(shape[3:6], [0, 0, 1], atol=1e-6)


def test_scaling_a_cloud_changes_only_the_distance():
    points = cloud(40, 3)
    small, large = (surface_shape(x, [8]) for x in (points, 10 * points + 3))
    np.testing.assert_allclose(large[:, :6], small[:, :6], atol=1e-6)
    np.testing.assert_allclose(large[:, 6], small[:, 6] + np.log(10), atol=1e-6)


def test_equal_points_have_no_shape():
    got = surface_shape(np.ones((9, 3)), [4])
    assert np.isfinite(got).all()
    assert not got[:, :6].any()


def test_blocks_give_the_same_values(monkeypatch):
    points = cloud(50, 3)
    whole = surface_shape(points, [6])
    monkeypatch.setattr(surface, "POINTS_PER_BLOCK", 16)
    np.testing.assert_array_equal(surface_shape(points, [6]), whole)


def test_scales_are_concatenated():
    points = cloud(50, 3)
    each = [surface_shape(points, [count]) for count in (3, 60, 8)]
    np.testing.assert_allclose(surface_shape(points, [3, 60, 8]), np.column_stack(each), atol=1e-12)
