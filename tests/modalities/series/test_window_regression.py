"""The linear base of forecasts: its fit and what it is added to."""

from itertools import product

import numpy as np
import pytest
import torch

from perceivers.modalities import ForecastConfig, SeriesConfig
from perceivers.modalities.series.regression import PENALTIES, fit_window
from perceivers.models.build import build
from perceivers.models.config import PerceiverIOConfig

SEASON = 4


def windows_of(rows, length=8, horizon=3, noise=0.0):
    """Return windows and departures that are a linear map of them, with noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, length))
    weight, bias = rng.normal(size=(length, horizon)), rng.normal(size=horizon)
    y = x @ weight + bias + noise * rng.normal(size=(rows, horizon))
    return torch.from_numpy(x), torch.from_numpy(y), weight, bias


def test_a_linear_map_is_found():
    x, y, weight, bias = windows_of(60)
    fitted = fit_window(x, y, SEASON)
    assert fitted.penalty == PENALTIES[0]
    np.testing.assert_allclose(fitted.weight, weight, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(fitted.bias, bias, rtol=1e-3, atol=1e-4)


def centre_of(towards, length=8, horizon=3):
    """Return what a large penalty makes of the weights: of naive departures, zero."""
    centre = np.zeros((length, horizon))
    if towards == "mean":
        for step in range(horizon):
            centre[length - SEASON + step % SEASON, step] = -1.0
    return centre


def least_squares(x, y, penalty, towards):
    """Return the weights, and below them the bias, of a ridge regression towards a centre.

    It is least squares with a row √penalty·eye for the weights, but none for the bias.
    """
    rows = np.hstack([x, np.ones((len(x), 1))])
    extra = np.sqrt(penalty) * np.hstack([np.eye(8), np.zeros((8, 1))])
    targets = np.vstack([y, np.sqrt(penalty) * centre_of(towards)])
    return np.linalg.lstsq(np.vstack([rows, extra]), targets, rcond=None)[0]


@pytest.mark.parametrize("towards", ["naive", "mean"])
def test_the_fit_equals_that_of_augmented_least_squares(towards):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(24, 8))
    y = x @ centre_of(towards) + 1.0 + 0.3 * rng.normal(size=(24, 3))
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    fitted = fit_window(x, y, SEASON)
    assert fitted.towards == towards
    expected = least_squares(x.numpy(), y.numpy(), fitted.penalty, towards)
    np.testing.assert_allclose(fitted.weight, expected[:-1], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fitted.bias, expected[-1], rtol=1e-6, atol=1e-9)


def test_the_penalty_is_that_of_the_smallest_error_on_later_rows():
    x, y, *_ = windows_of(40, noise=4.0)
    fitted = fit_window(x, y, SEASON)
    until, errors = 28, {}
    for towards, penalty in product(("naive", "mean"), PENALTIES):
        weights = least_squares(x[:until].numpy(), y[:until].numpy(), penalty, towards)
        said = x[until:].numpy() @ weights[:-1] + weights[-1]
        errors[towards, penalty] = np.abs(said - y[until:].numpy()).mean()
    assert (fitted.towards, fitted.penalty) == min(errors, key=errors.get)
    assert fitted.error == pytest.approx(min(errors.values()))
    assert fitted.error_of_none == pytest.approx(float(y[until:].abs().mean()))


def test_a_horizon_longer_than_a_season_repeats_the_step_that_is_taken_away():
    x = torch.from_numpy(np.random.default_rng(3).normal(size=(20, 4)))
    repeated = x[:, [2, 3, 2, 3, 2]]  # the naive forecast of seasons of 2 steps; the truth is 0
    fitted = fit_window(x, -repeated, 2)
    assert fitted.towards == "mean"
    torch.testing.assert_close(x @ fitted.weight, -repeated)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_too_few_rows_give_no_departure(rows):
    x, y, *_ = windows_of(rows)
    fitted = fit_window(x, y, SEASON)
    assert fitted.penalty == float("inf")
    assert not fitted.weight.any()
    assert not fitted.bias.any()


def test_noise_gives_no_departure():
    rng = np.random.default_rng(1)
    x, y = torch.from_numpy(rng.normal(size=(30, 20))), torch.from_numpy(rng.normal(size=(30, 2)))
    y[21:] = 0.0  # where nothing departs, nothing is the best forecast
    assert fit_window(x, y, SEASON).penalty == float("inf")


def test_rows_with_missing_departures_are_left_out():
    x, y, *_ = windows_of(40, noise=1.0)
    gone = y.clone()
    gone[3, 1] = torch.nan
    kept = torch.arange(40) != 3
    mine, expected = fit_window(x, gone, SEASON), fit_window(x[kept], y[kept], SEASON)
    torch.testing.assert_close(mine.weight, expected.weight)
    torch.testing.assert_close(mine.bias, expected.bias)
    assert mine[2:] == expected[2:]


def model_of(base):
    return build(
        PerceiverIOConfig(
            input=SeriesConfig(length=12, horizon=4, channels=2, normalise="window"),
            num_latents=4,
            latent_dim=8,
            cross_order=(0,),
            block_order=(0,),
            num_layers_per_block=1,
            num_self_heads=1,
            output=ForecastConfig(season=6, base=base),
        ),
        ("a", "b"),
    ).eval()


def test_an_untrained_model_gives_the_regression():
    rng = np.random.default_rng(0)
    batch = torch.from_numpy(rng.normal(size=(50, 16, 3)))
    batch[..., 0] = torch.arange(16.0)
    # The future is the mirror image of the window's end, in units that differ from row to row.
    batch[..., 1:] = batch[..., 1:] * torch.linspace(1, 9, 50)[:, None, None] + 100
    batch[:, 12:, 1:] = batch[:, 8:12, 1:].flip(1)
    model = model_of("linear")
    naive, _ = model.output.naive_and_scale(batch)
    torch.testing.assert_close(model(batch), naive)
    fitted = model.output.fit_base(batch)
    assert fitted.error < 0.01 < fitted.error_of_none
    torch.testing.assert_close(model(batch), batch[:, 12:, 1:], rtol=1e-3, atol=1e-2)
    other = model_of("linear")
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(batch), model(batch))


def test_a_missing_value_counts_as_the_mean_of_its_window():
    batch = torch.randn(40, 16, 3, dtype=torch.float64)
    batch[..., 0] = torch.arange(16.0)
    model = model_of("linear")
    model.output.fit_base(batch)
    missing, filled = batch[:1].clone(), batch[:1].clone()
    missing[0, 2, 1] = torch.nan
    known = batch[0, :12, 1]
    mean = known[torch.arange(12) != 2].mean()
    filled[0, 2, 1] = mean
    naive, scale = model.output.naive_and_scale(missing)
    said = (model.output.base_and_scale(missing)[0] - naive) / scale
    own_naive, own_scale = model.output.naive_and_scale(filled)
    own = (model.output.base_and_scale(filled)[0] - own_naive) / own_scale
    # Filling in the mean makes the deviation of the window smaller, and nothing else.
    factor = (own_scale / scale)[..., 0]
    bias = model.output.base_bias
    torch.testing.assert_close(said[..., 0] - bias, (own[..., 0] - bias) * factor)


def test_an_unknown_base_is_refused():
    with pytest.raises(ValueError, match="output.base is 'trend'; expected one of naive, linear"):
        model_of("trend")
