"""Constants measured on a table's batches."""

import math

import pytest
import torch

from perceivers.adapters.fusion import FusionAdapter
from perceivers.adapters.tabular import TabularAdapter
from perceivers.data.tables import HeldTable
from perceivers.training.batches import normalise

NAN, INF = math.nan, math.inf


def measured(*columns):
    """The constants of numeric columns, measured over several batches."""
    rows = torch.tensor(columns, dtype=torch.float64).T
    adapter = TabularAdapter(numeric=[str(i) for i in range(len(columns))])
    normalise(adapter, HeldTable(rows, torch.zeros(len(rows))))
    return adapter.mean, adapter.std


def test_what_is_missing_does_not_count():
    mean, std = measured([1.0, 3.0, NAN, INF] * 9, [NAN] * 36, [NAN] * 33 + [4.0, 8.0, NAN])
    torch.testing.assert_close(mean, torch.tensor([2.0, 0.0, 6.0]))
    torch.testing.assert_close(std, torch.tensor([1.0, 1.0, 2.0]))


def test_digits_are_kept_whatever_the_scale():
    """Seconds since 1970, billionths, and numbers that do not vary."""
    steps = torch.arange(40, dtype=torch.float64)
    columns = [1.7e9 + steps, 1e-9 * steps, 7.1 + 0 * steps, 0 * steps]
    mean, std = measured(*(column.tolist() for column in columns))
    spread = steps.std(correction=0).item()
    assert std.tolist() == pytest.approx([spread, 1e-9 * spread, 1, 1], rel=1e-6)
    assert mean.tolist() == pytest.approx([1.7e9 + 19.5, 19.5e-9, 7.1, 0], rel=1e-6)


def test_a_table_among_other_parts():
    parts = {
        "a": TabularAdapter(numeric=["x"]),
        "b": TabularAdapter(categorical="c", categories=["xy"]),
    }
    adapter = FusionAdapter(parts)
    batch = {
        "a": torch.tensor([[2.0], [4.0], [NAN]]),
        "a.there": torch.tensor([True, True, False]),
        "b": torch.tensor([[0.0], [1.0], [0.0]]),
    }
    normalise(adapter, HeldTable(batch, torch.zeros(3)))
    assert (adapter.parts["a"].mean.item(), adapter.parts["a"].std.item()) == (3, 1)
