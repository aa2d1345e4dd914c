"""Time series as tokens."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.modalities.series.tokens import SeriesTokens

NAN = float("nan")


def windows(values):
    """Return a batch of one window of values (T + H, C), a step apart."""
    values = torch.as_tensor(values, dtype=torch.float64)
    times = torch.arange(len(values), dtype=torch.float64)[:, None]
    return torch.cat([times, values], dim=1)[None]


def levels_of(adapter, tokens):
    return (tokens + 0.5) * adapter.width - adapter.limit


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(0, 5), st.integers(1, 3), st.integers(0, 2**31 - 1))
def test_a_path_of_true_levels_gives_the_true_values(data, difference, channels, seed):
    """The levels of the horizon, put into bins and read back, are off by half a bin at most."""
    adapter = SeriesTokens(
        length=6, horizon=4, channels=channels, bins=128, limit=40.0, difference=difference
    )
    values = torch.randn(10, channels, generator=torch.Generator().manual_seed(seed))
    batch = windows(10 * values + 100)
    levels = adapter.levels(batch)
    assert levels.abs().max() < adapter.limit
    exact = adapter.future(levels[:, None, 6:], batch)
    torch.testing.assert_close(exact[:, 0], batch[:, 6:, 1:])
    rounded = levels_of(adapter, adapter.tokens(levels))
    assert (rounded - levels).abs().max() <= adapter.width / 2 + 1e-9
    if not difference:
        scale = batch[:, :6, 1:].std(dim=1, correction=0)
        errors = adapter.future(rounded[:, None, 6:], batch)[:, 0] - batch[:, 6:, 1:]
        assert (errors.abs() <= scale * adapter.width / 2 + 1e-9).all()


def test_levels_by_hand():
    values = np.array([1.0, 3.0, 5.0, 3.0, NAN, 9.0])
    batch = windows(values[:, None])
    adapter = SeriesTokens(length=4, horizon=2, bins=8, limit=2.0)
    mean, std = 3.0, np.sqrt(2.0)  # of the first four
    np.testing.assert_allclose(adapter.levels(batch)[0, :, 0], (values - mean) / std)
    assert adapter(batch).content[0, :, 0].tolist() == [1, 4, 6, 4, 8, 7]  # 8: missing; 7: beyond
    changed = SeriesTokens(length=4, horizon=2, difference=2).levels(batch)[0, :, 0]
    expected = np.array([1 - mean, 3 - mean, 5 - 1, 3 - 3, NAN, 9 - 3]) / std
    np.testing.assert_allclose(changed, expected)


def test_the_horizon_does_not_change_the_tokens_of_the_window():
    adapter = SeriesTokens(length=5, horizon=3, difference=2)
    batch = windows(torch.randn(8, 1))
    later = batch.clone()
    later[:, 5:, 1] *= 1e6
    unknown = batch.clone()
    unknown[:, 5:, 1] = NAN
    for other in (later, unknown):
        assert torch.equal(adapter(batch).content[:, :5], adapter(other).content[:, :5])
    assert (adapter(unknown).content[:, 5:] == adapter.bins).all()


def test_missing_last_values_are_taken_from_earlier_steps():
    adapter = SeriesTokens(length=4, horizon=3, difference=2)
    batch = windows(torch.tensor([[1.0], [5.0], [NAN], [7.0], [NAN], [NAN], [NAN]]))
    got = adapter.future(torch.zeros(1, 1, 3, 1), batch)
    assert got.flatten().tolist() == [1, 7, 1]


@pytest.mark.parametrize("values", [[[NAN]] * 5, [[3.0]] * 5])
def test_windows_without_values_or_of_one_value_are_finite(values):
    adapter = SeriesTokens(length=3, horizon=2, difference=1)
    batch = windows(torch.tensor(values))
    assert adapter.future(torch.ones(1, 2, 2, 1), batch).isfinite().all()


@given(st.floats(-9, 9))
@settings(max_examples=30, deadline=None)
def test_the_shares_of_a_level_are_around_it(level):
    adapter = SeriesTokens(length=3, horizon=1, bins=32, limit=4.0)
    shares = adapter.shares(torch.tensor([level], dtype=torch.float64))[0]
    assert shares.shape == (33,)
    assert shares.sum().item() == pytest.approx(1)
    assert shares[-1] == 0
    assert not adapter.shares(torch.tensor([NAN])).any()
    own = adapter.tokens(torch.tensor([level], dtype=torch.float64)).item()
    assert abs(int(shares.argmax()) - own) <= 1
    if abs(level) < 3:
        mean = (shares[:-1] * levels_of(adapter, torch.arange(32))).sum().item()
        assert mean == pytest.approx(level, abs=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "horizon=0; tokens are for forecasts"),
        ({"length": 4, "difference": 5}, "difference=5 with windows of 4 steps"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        SeriesTokens(**options)


def test_other_batches_are_refused():
    adapter = SeriesTokens(length=3, horizon=2)
    with pytest.raises(ValueError, match=r"expected \(batch, 5, 2\): the time of each step"):
        adapter(torch.zeros(1, 4, 2))
    with pytest.raises(ValueError, match="int64; expected floats"):
        adapter(torch.zeros(1, 5, 2, dtype=torch.int64))
