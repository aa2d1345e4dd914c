"""One spelling of booleans, numbers and dates, and which categories are the same."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest
import torch

from perceivers.modalities.table.reader import CellReader
from perceivers.modalities.table.spelling import Number, canonical, cell_text, distinct, speller


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"), (np.bool_(False), "false"), (1, "1"), (np.int8(-3), "-3"), (1.0, "1"),
        (np.float64(2.0), "2"), (0.1, "0.1"), (1e-7, "1e-07"), (np.float32(0.1), "0.1"),
        (np.array(3), "3"), (torch.tensor(0.1), "0.1"), (torch.tensor(True), "true"),
        (-0.0, "0"), (2**60, str(2**60)), (1e300, "1e+300"), (decimal.Decimal("1.10"), "1.10"),
        (pd.Timestamp("2020-01-01"), "2020-01-01"), (datetime.date(2020, 1, 1), "2020-01-01"),
        (np.datetime64("2020-01-01T12:30:00.000000000"), "2020-01-01 12:30:00"),
        (pd.Timestamp("2020-01-01 12:30:00.5", tz="UTC"), "2020-01-01 12:30:00.5+00:00"),
        (datetime.timedelta(hours=5), "0 days 05:00:00"),
        (pd.Timedelta("1 day 00:00:00.5"), "1 days 00:00:00.5"),
        (np.timedelta64(3_600_000_000_000, "ns"), "0 days 01:00:00"),
        (b"yes", "yes"), (np.str_("x"), "x"),
        (None, None), (np.nan, None), (np.float32("nan"), None), (pd.NA, None), (pd.NaT, None),
        (np.datetime64("NaT"), None), (torch.tensor(torch.nan), None),
        (decimal.Decimal("NaN"), None),
    ],
)  # fmt: skip
def test_values_of_any_type(value, text):
    assert cell_text(value, "column 'x'") == text


@pytest.mark.parametrize("value", [[1], (1,), {"a": 1}, b"\xff", np.zeros(2), torch.zeros(1)])
def test_values_that_are_no_cells(value):
    with pytest.raises(ValueError, match="column 'x' holds a list"):
        cell_text(value, "column 'x'")


def test_booleans_and_dates_have_one_spelling():
    assert {canonical(text) for text in ("True", "TRUE", "true")} == {"true"}
    dates = ("2020-01-31", "2020-01-31 00:00:00", "2020-01-31T00:00:00.000", "2020-01-31T00:00")
    assert {canonical(text) for text in dates} == {"2020-01-31"}
    times = ("2020-01-31 12:00", "2020-01-31T12:00:00Z", "2020-01-31 12:00:00+0000")
    assert [canonical(text) for text in times] == [
        "2020-01-31 12:00:00", "2020-01-31 12:00:00+00:00", "2020-01-31 12:00:00+00:00",
    ]  # fmt: skip
    day = ("07:30:00", "07:30:00.000000", "07:30:00.")
    assert {canonical(text) for text in day} == {"07:30:00"}  # parquet writes microseconds
    assert canonical("07:30:00.250") == "07:30:00.25"
    for text in ("07:30:000", "07:30", "Truth", "2020-1-31", "2020-01-31 noon", "1.0", "007", ""):
        assert canonical(text) == text


@pytest.mark.parametrize(
    ("values", "same", "other"),
    [
        ("True False", "true TRUE 1 0 1.0", "yes 2"),
        ("1 2 3", "1.0 2.00 +3 1e0", "01 4"),
        ("0 1", "true False 0.0", "yes"),
        ("0.1 0.25", "1e-1 0.10000000149011612 0.1000000015", "0.2 0.1001"),
        ("0.1 0.1000000015", "0.1 0.1000000015", "0.10000000149011612"),
        ("16777216 16777217", "16777217", "16777218"),
        ("1.50 2.00", "1.5 2 2.0 1.50", "1.500"),
        ("2020-01-01", "2020-01-01T00:00:00", "2020-01-02"),
        # Codes and versions, in which a zero has a meaning.
        ("007 008", "007", "7 8 7.0"),
        ("1.9 1.10", "1.10", "1.1 1.90"),
        ("1.1 1.2", "1.1", "1.10"),
        ("red 1", "1 red", "1.0 Red"),
    ],
)
def test_which_categories_are_the_same(values, same, other):
    reader = CellReader((), ("x",), (tuple(values.split()),))
    for cell in same.split():
        assert reader.index("x", cell) >= 0, cell
    for cell in other.split():
        assert reader.index("x", cell) == -1, cell


def test_numbers_of_a_file_have_no_padding():
    """A Decimal 1.10 is a number, whereas the text "1.10" may be a version."""
    spell = speller(["1.1", "1.25"])
    assert (spell("1.10"), spell(Number("1.10"))) == ("1.10", "1.1")


def test_names_of_categories():
    assert sorted(distinct(["1", "1.0", "2.0"]).values()) == ["1", "2"]
    assert sorted(distinct(["True", "false", "TRUE"]).values()) == ["false", "true"]
    # Their zeros show that 1.5 is the same as 1.50.
    assert sorted(distinct(["1.50", "2.00"]).values()) == ["1.50", "2.00"]
    assert sorted(distinct(["1.9", "1.10", "1.1"]).values()) == ["1.1", "1.10", "1.9"]
