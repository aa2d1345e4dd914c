"""Numbers in the formats that people write."""

import time

import numpy as np
import pytest

from perceivers.data.split_names import split_of
from perceivers.modalities.table.doubts import describe_format
from perceivers.modalities.table.kinds import infer_kinds
from perceivers.modalities.table.numbers import (
    PLAIN,
    NumberFormat,
    find_format,
    parse_number,
)
from perceivers.modalities.table.spelling import Number


@pytest.mark.parametrize(
    ("cells", "values", "example"),
    [
        (["3,14", "-2,7", "5"], [3.14, -2.7, 5], "1,5"),
        (["1,234.5", "7"], [1234.5, 7], "1,234.5"),
        (["1,234", "12,345,678"], [1234, 12_345_678], "1,234.5"),
        (["1,234", "999", "-5"], [1234, 999, -5], "1,234.5"),
        (["0,123", "1,234"], [0.123, 1.234], "1,5"),
        (["1.234,5", "12", "1.000"], [1234.5, 12, 1000], "1.234,5"),
        (["1 234", "5"], [1234, 5], "1 234.5"),
        (["1\u202f234,5", "5"], [1234.5, 5], "1 234,5"),
        (["1'234.50", "5"], [1234.5, 5], "1'234.5"),
        (["45%", "3.5 %"], [45, 3.5], "1.5 %"),
        (["€1.234,50", "-€5"], [1234.5, -5], "€1.234,5"),
        (["$1,234.50", "$5"], [1234.5, 5], "$1,234.5"),
        (["10.50 EUR", "9 EUR"], [10.5, 9], "1.5 EUR"),
        (["12 kg", "12.5kg", "7"], [12, 12.5, 7], "1.5 kg"),
        (["3 m²", "4 m²"], [3, 4], "1.5 m²"),
        (["(1,234.50)", "7"], [-1234.5, 7], "(1,234.5)"),
        (["(5)", "6", "(0.5)"], [-5, 6, -0.5], "(1.5)"),
        (["(€ 1.234,50)", "€ 7,5", "€ -2"], [-1234.5, 7.5, -2], "(€1.234,5)"),
        (["12-", "3.5"], [-12, 3.5], "1.5-"),
        (["1.234,5-", "12"], [-1234.5, 12], "1.234,5-"),
        (["\u221212", "3"], [-12, 3], "1,234.5"),
        (["3/4", "1 1/2", "-1/8", "2"], [0.75, 1.5, -0.125, 2], "3/2"),
        (["1,5e3", "2,25E-2"], [1500, 0.0225], "1,5"),
        (["+5", "1e5°C", "\u22127 °C"], [5, 1e5, -7], "1.5 °C"),
    ],
)
def test_formats(cells, values, example):
    found = find_format(cells)
    assert found.example == example
    assert NumberFormat.from_example(example) == found
    assert [found.parse(cell) for cell in cells] == pytest.approx(values, rel=1e-15)


def test_plain_digits_stay_plain():
    for cells in (["1.5", "+2", "1e5", " 3"], ["1.234", "5.678"], ["NA", "1"]):
        assert find_format(cells) == PLAIN


@pytest.mark.parametrize(
    "cells",
    [
        ["1st", "2nd"], ["1th", "2th"], ["A1", "A2"], ["5 stars", "1 star"], ["12 kg", "13 lb"],
        ["2020-01-01", "2021-01-01"], ["1.2.2024"], ["12:30"], ["192.168.1.1"],
        ["120/80", "130/85"], ["3/4", "7/11"], ["03/12", "04/12"], ["1" * 500 + "/4"],
        ["1/2", "half"], ["(5", "6)"], ["(a)", "5"],
        ["red", "12"], ["1_000"], ["1,2,3"], ["10,000 Maniacs", "5,000 Volts"], ["", "-"], [],
        ["3", "4", "5more", "2"], ["1.heic", "2.heic"],
    ],
)  # fmt: skip
def test_cells_that_are_no_numbers(cells):
    assert find_format(cells) is None


def test_an_ambiguous_comma_is_refused():
    with pytest.raises(ValueError, match=r"column 'x': '1,234' may be 1234 or 1.234, and no cell"):
        infer_kinds({"x": ["1,234", "2,345"]}, {})


def test_a_row_may_be_written_as_in_training_or_plainly():
    german = NumberFormat.from_example("1.234,5")
    assert parse_number("1.234", german) == 1234  # as the column is written
    assert parse_number(Number("1.234"), german) == 1.234  # a number from Python, JSON or parquet
    assert parse_number("3.14", german) == 3.14
    comma = NumberFormat.from_example("1,5 kg")
    assert [parse_number(x, comma) for x in ("2,5 kg", "2,5", "2.5", "2.5kg")] == [2.5] * 4
    for cell in ("1.234", "2 lb", "x"):
        with pytest.raises(ValueError, match=f"'{cell}' is not a finite number, written like '1,5"):
            parse_number(cell, comma)


def test_a_few_cells_of_a_numeric_column_may_be_words():
    numbers = [str(i / 4) for i in range(30)]
    assert find_format([*numbers, *["unknown"] * 5]) == PLAIN
    assert find_format([*numbers, *["unknown"] * 10]) is None
    assert find_format([*"1234567890", "more"]) == PLAIN
    assert find_format([*"12345678", "more", "less"]) is None  # more likely categories


def test_description_of_a_format():
    cells = ["7", None, "1.234,5"]
    assert describe_format(cells, find_format(cells)) == "read '1.234,5' as 1234.5"


@pytest.mark.parametrize("text", ["2.5", "1.234.5", "", "1,234,5", "one"])
def test_unknown_formats(text):
    with pytest.raises(ValueError, match="is not the format of a number; expected 1.5 or 1,5"):
        NumberFormat.from_example(text)


def test_long_cells_are_fast():
    for text in ("(" + "1" * 100_000, "1" * 100_000 + "- x", " " * 100_000 + "train"):
        began = time.perf_counter()
        infer_kinds({"x": [text, "5"]}, {})
        split_of(f"a{text}b")
        assert time.perf_counter() - began < 2


def test_long_columns_are_fast():
    """The format is chosen by a sample; all cells are checked once."""
    cells = [f"{x:.2f}".replace(".", ",") for x in np.random.default_rng(0).normal(size=20_000)]
    assert find_format(cells).example == "1,5"
