"""Fourier features against the formula, in float64 NumPy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.core import FourierPosition, LearnedPosition, fourier_features, grid, positions


def reference(x, num_bands, resolutions, spacing):
    columns = [x[..., a] for a in range(x.shape[-1])]
    sines, cosines = [], []
    for axis, resolution in enumerate(resolutions):
        top = resolution / 2
        if spacing == "linear":
            bands = np.linspace(1, top, num_bands)
        else:
            bands = np.geomspace(1, top, num_bands)
        for f in bands:
            sines.append(np.sin(np.pi * f * x[..., axis]))
            cosines.append(np.cos(np.pi * f * x[..., axis]))
    return np.stack(columns + sines + cosines, -1)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 12),
    st.sampled_from(["linear", "log"]),
    st.integers(0, 1000),
)
def test_matches_formula_on_any_number_of_axes(axes, bands, spacing, seed):
    x = np.random.default_rng(seed).uniform(-1, 1, (2, 7, axes))
    resolutions = [4.0 + 3 * a for a in range(axes)]
    got = fourier_features(
        torch.from_numpy(x), num_bands=bands, max_resolution=resolutions, spacing=spacing
    )
    assert got.shape[-1] == axes * (2 * bands + 1)
    np.testing.assert_allclose(got, reference(x, bands, resolutions, spacing), atol=2e-5)


def test_paper_sizes():
    position = FourierPosition((224, 224), num_bands=64)
    assert position.dim == 258
    assert position.on_grid(4, 4).shape == (1, 16, 258)


@pytest.mark.parametrize("sizes", [(5,), (3, 4), (1, 6), (2, 3, 4)])
@pytest.mark.parametrize("bands", [0, 3])
def test_features_of_a_grid_are_stored_by_axis(sizes, bands):
    position = FourierPosition([8.0] * len(sizes), num_bands=bands)
    axial, expected = position.on_grid(*sizes), position(grid(*sizes)[None])
    assert [len(table) for table in axial.tables] == list(sizes)
    assert axial.shape == expected.shape
    torch.testing.assert_close(axial.dense(), expected, rtol=0, atol=0)


def test_last_axis_of_a_grid_varies_fastest_and_end_points_are_included():
    assert grid(2, 3).tolist() == [[-1, -1], [-1, 0], [-1, 1], [1, -1], [1, 0], [1, 1]]
    assert grid(1, 2).tolist() == [[0, -1], [0, 1]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_float32_whatever_the_input(dtype):
    x = grid(224).to(dtype)
    got = fourier_features(x, num_bands=64, max_resolution=(224,))
    assert got.dtype == torch.float32
    assert torch.equal(got, fourier_features(x.float(), num_bands=64, max_resolution=(224,)))


def test_float32_inside_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        inside = FourierPosition((32, 32), num_bands=16).on_grid(32, 32)
    outside = FourierPosition((32, 32), num_bands=16).on_grid(32, 32)
    assert torch.equal(inside.dense(), outside.dense())


def test_each_example_keeps_its_own_positions():
    """Hugging Face's features use the first example's positions for the whole batch."""
    position = FourierPosition((8, 8, 8), num_bands=4)
    x = torch.rand(3, 5, 3) * 2 - 1
    batched = position(x)
    for example in range(3):
        torch.testing.assert_close(batched[example], position(x[example : example + 1])[0])


def test_grid_first_used_in_inference_can_be_used_in_training():
    position = FourierPosition((4, 4), num_bands=2)
    with torch.inference_mode():
        position.on_grid(4, 4)
    weight = torch.ones(position.dim, requires_grad=True)
    (position.on_grid(4, 4).dense() @ weight).sum().backward()
    assert weight.grad is not None


def test_wrong_number_of_resolutions():
    with pytest.raises(ValueError, match="expected one for each of the 2 axes"):
        fourier_features(torch.zeros(3, 2), num_bands=2, max_resolution=(8,))


def test_unknown_spacing():
    with pytest.raises(ValueError, match="expected 'linear' or 'log'"):
        fourier_features(torch.zeros(3, 1), num_bands=2, max_resolution=(8,), spacing="cubic")


def test_learned_positions():
    torch.manual_seed(0)
    position = LearnedPosition(500, 40, init_std=0.02)
    assert position().shape == (1, 500, 40)
    assert position().abs().max() <= 0.04
    assert 0.016 < position().std() < 0.02


@pytest.mark.parametrize("sizes", [(5, 1), (1, 5), (2, 3, 1, 1), (1, 1), (4,)])
def test_an_axis_of_size_one_does_not_become_the_columns(sizes):
    """The last axis longer than 1 becomes the columns, so that rows are not single elements."""
    position = FourierPosition((8.0,) * len(sizes), num_bands=2).on_grid(*sizes)
    rows, columns = position.rows_and_columns()
    longer = [size for size in sizes if size > 1] or [1]
    assert (len(rows), len(columns)) == (math.prod(longer[:-1]), longer[-1])
    expected = fourier_features(grid(*sizes), num_bands=2, max_resolution=(8.0,) * len(sizes))
    torch.testing.assert_close(position.dense()[0], expected)


def test_grids_of_several_sizes_are_cached_up_to_a_limit(monkeypatch):
    position = FourierPosition((8.0, 8.0), num_bands=2)
    first = position.on_grid(3, 4)
    assert position.on_grid(5, 4) is not first
    assert position.on_grid(3, 4) is first
    monkeypatch.setattr(positions, "MAX_CACHED_ROWS", 20)
    last = position.on_grid(6, 4)
    assert position.on_grid(6, 4) is last
    again = position.on_grid(3, 4)
    assert again is not first
    assert torch.equal(again.dense(), first.dense())


def test_features_of_a_grid_are_exported():
    class Features(torch.nn.Module):
        def forward(self, x):
            return x + FourierPosition((4.0, 6.0), num_bands=2).on_grid(3, 5).dense()

    x = torch.zeros(1)
    exported = torch.export.export(Features(), (x,))
    assert torch.equal(exported.module()(x), Features()(x))
