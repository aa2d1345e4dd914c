"""The adapter of time series, and the scale and naive forecast of windows."""

import numpy as np
import pytest
import torch
from tiny import tiny_classifier

from perceivers.modalities import SeriesConfig
from perceivers.modalities.series.adapter import SeriesAdapter
from perceivers.modalities.series.scaling import seasonal_naive, window_moments

NAN = float("nan")


def windows(batch=3, steps=8, channels=2, missing=0.3, seed=0):
    """Return windows with irregular times and missing values, float64."""
    generator = torch.Generator().manual_seed(seed)
    values = 5 + 3 * torch.randn(batch, steps, channels, generator=generator, dtype=torch.float64)
    values[torch.rand(values.shape, generator=generator) < missing] = NAN
    times = torch.rand(batch, steps, generator=generator, dtype=torch.float64).cumsum(1)
    return torch.cat([times[..., None], values], dim=-1)


def reference(example, *, length, horizon, patch, bands, moments):
    """Return content, mask and position of one window, computed step by step in NumPy."""
    contents, mask, positions = [], [], []
    mean, std = moments

    def features(time):
        x = 2 * time / (length + horizon - 1) - 1
        f = np.linspace(1, (length + horizon) / 2, bands)
        return [x, *np.sin(np.pi * f * x), *np.cos(np.pi * f * x)]

    for start in range(0, length, patch):
        content = []
        for step in example[start : start + patch]:
            present = ~np.isnan(step[1:])
            content += [*np.where(present, (step[1:] - mean) / std, 0), *present]
        contents.append(content)
        mask.append(not np.isnan(example[start : start + patch, 1:]).all())
        positions.append(features(example[start : start + patch, 0].mean()))
    for step in example[length:]:
        contents.append([0.0] * len(contents[0]))
        mask.append(False)
        positions.append(features(step[0]))
    return np.array(contents), np.array(mask), np.array(positions)


@pytest.mark.parametrize("normalise", ["training", "window"])
@pytest.mark.parametrize(("horizon", "patch"), [(0, 1), (2, 3), (1, 2)])
def test_elements_equal_those_of_a_reference(normalise, horizon, patch):
    batch = windows(steps=6 + horizon, missing=0.1)
    batch[0, :3, 1:] = NAN  # a whole element without values
    adapter = SeriesAdapter(
        length=6, horizon=horizon, channels=2, patch_size=patch, normalise=normalise, num_bands=3
    )
    adapter.set_normalisation(torch.tensor([4.0, 6.0]), torch.tensor([2.0, 0.5]))
    inputs = adapter(batch)
    assert inputs.dim == adapter.dim
    assert inputs.content.shape[1] == adapter.num_inputs
    for index, example in enumerate(batch.numpy()):
        known = example[:6, 1:]
        moments = (
            (np.nanmean(known, axis=0), np.nanstd(known, axis=0))
            if normalise == "window"
            else (np.array([4.0, 6.0]), np.array([2.0, 0.5]))
        )
        content, mask, position = reference(
            example, length=6, horizon=horizon, patch=patch, bands=3, moments=moments
        )
        np.testing.assert_allclose(inputs.content[index], content, atol=1e-5)
        np.testing.assert_array_equal(inputs.mask[index], mask)
        np.testing.assert_allclose(inputs.position[index], position, atol=1e-5)


def test_what_is_missing_or_yet_to_come_has_no_influence():
    model = tiny_classifier(SeriesConfig(length=4, horizon=2, channels=2))
    batch = windows(steps=6)
    batch[:, 2, 1:] = NAN
    changed = batch.clone()
    changed[:, 4:, 1:] = 1e6  # the future, which is not read
    changed[:, 2, 0] += 0.2  # the time of a step without values
    with torch.no_grad():
        assert torch.equal(model(batch), model(changed))
        changed[:, 3, 1] += 1
        assert not torch.allclose(model(batch), model(changed))


def test_times_are_positions():
    model = tiny_classifier(SeriesConfig(length=4, channels=2))
    batch = windows(steps=4)
    moved = batch.clone()
    moved[:, 1, 0] += 0.3
    with torch.no_grad():
        assert not torch.allclose(model(batch), model(moved))


def test_large_values_keep_their_digits():
    adapter = SeriesAdapter(length=4, normalise="window")
    small = windows(steps=4, channels=1, missing=0)
    large = small.clone()
    large[..., 1:] += 1e9
    torch.testing.assert_close(adapter(large).content, adapter(small).content, atol=1e-5, rtol=0)


def test_values_that_do_not_vary_become_zero():
    values = torch.tensor([[[2.0, NAN, 1e9], [2.0, NAN, 1e9]]], dtype=torch.float64)
    mean, std = window_moments(values)
    assert mean.tolist() == [[[2.0, 0.0, 1e9]]]
    assert std.tolist() == [[[1.0, 1.0, 1.0]]]


def test_a_missing_value_differs_from_the_mean():
    adapter = SeriesAdapter(length=2)
    batch = torch.tensor([[[0.0, 0.0], [1.0, 1.0]], [[0.0, NAN], [1.0, 1.0]]])
    content, mask = adapter(batch).content, adapter(batch).mask
    assert content[:, 0].tolist() == [[0, 1], [0, 0]]
    assert mask.tolist() == [[True, True], [False, True]]


def test_the_naive_forecast_repeats_the_last_season():
    values = torch.arange(7.0)[None, :, None]
    assert seasonal_naive(values, 5, 3)[0, :, 0].tolist() == [4, 5, 6, 4, 5]
    assert seasonal_naive(values, 2, 1)[0, :, 0].tolist() == [6, 6]
    values[0, 5] = NAN  # one season earlier it was 2
    assert seasonal_naive(values, 3, 3)[0, :, 0].tolist() == [4, 2, 6]
    values[0, 2] = NAN  # the mean of 0, 1, 3, 4 and 6
    assert seasonal_naive(values, 3, 3)[0, :, 0].tolist() == pytest.approx([4, 2.8, 6])


def test_shapes_and_options_are_checked():
    adapter = SeriesAdapter(length=4, horizon=1, channels=2)
    with pytest.raises(ValueError, match=r"expected \(batch, 5, 3\): the time of each step"):
        adapter(torch.zeros(2, 4, 3))
    with pytest.raises(ValueError, match="series are torch.int64; expected floats"):
        adapter(torch.zeros(2, 5, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="patch_size=3 does not divide length=4.*such as 6"):
        SeriesAdapter(length=4, patch_size=3)
    with pytest.raises(ValueError, match="normalise='batch'"):
        SeriesAdapter(normalise="batch")
