"""Dates are numbers in csv, jsonl, parquet and Python alike, and what is unclear is said."""

import datetime
import json

import numpy as np
import pytest

from perceivers.autoconfig.inspect_table import inspect_table
from perceivers.data.config import DataConfig
from perceivers.modalities.fusion.rows import Row
from perceivers.modalities.table.dates import (
    EXAMPLES,
    DateFormat,
    date_text,
    describe_dates,
    describe_unread_dates,
    find_dates,
    format_of,
)
from perceivers.modalities.table.numbers import NumberFormat
from perceivers.modalities.table.reader import CellReader

DAY = (datetime.date(2021, 3, 5) - datetime.date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("text", "order", "days"),
    [
        ("2021-03-05", "ymd", DAY),
        ("2021/3/5", "ymd", DAY),
        ("05.03.2021", "dmy", DAY),
        ("5/3/2021", "dmy", DAY),
        ("03/05/2021", "mdy", DAY),
        ("2021-03-05", "mdy", DAY),
        ("2021-03-05 12:00", "ymd", DAY + 0.5),
        ("2021-03-05T12:00:00Z", "ymd", DAY + 0.5),
        ("2021-03-05 14:00:00+02:00", "dmy", DAY + 0.5),
        ("05.03.2021 18:00:00.0", "dmy", DAY + 0.75),
        ("1969-12-31", "ymd", -1),
        ("5 Mar 2021", "ymd", DAY),
        ("05-MAR-2021", "dmy", DAY),
        ("Mar. 5, 2021", "mdy", DAY),
        ("March 5 2021 6:00 pm", "ymd", DAY + 0.75),
        ("Fri, 05 Mar 2021 12:00:00 GMT", "ymd", DAY + 0.5),
        ("03/05/2021 12:00 AM", "mdy", DAY),
        ("2021-03-05 12:00 PM", "ymd", DAY + 0.5),
        ("2021-03-05 02:00 p.m. +02:00", "ymd", DAY + 0.5),
        ("2021-03-05 6 PM", "ymd", DAY + 0.75),
    ],
)
def test_dates_are_days(text, order, days):
    assert DateFormat(order=order).parse(text) == pytest.approx(days, abs=1e-9)


@pytest.mark.parametrize(
    "cells",
    [
        ["2021-13-01"], ["2021-02-30"], ["31.04.2021"], ["1.2.24"], ["2021.10.2"], ["10:30"],
        ["2021-03-05 25:00"], ["2021"], ["5/3"], ["2021-03-05", "soon", "x"], [None], ["20210305"],
        ["13/13/2021"], ["1/2-2021"], ["192.168.1.2021"], ["5-Mar-21"], ["5 Mär 2021"],
        ["31 Feb 2021"], ["2021-03-05 13:00 PM"], ["2021-03-05 0:00 AM"], ["Mar 2021"], ["6 PM"],
        ["Mayor 5, 2021"],
    ],
)  # fmt: skip
def test_cells_that_are_no_dates(cells):
    assert find_dates(cells) is None


@pytest.mark.parametrize(
    ("cells", "order", "unclear"),
    [
        (["05.03.2021", "01.02.2020"], "dmy", False),
        (["25/03/2021", "01/02/2020"], "dmy", False),
        (["03/25/2021", "01/02/2020"], "mdy", False),
        (["05/03/2021", "01/02/2020"], "dmy", True),
        (["2021-03-05", None, "2020-02-01 10:00:00"], "ymd", False),
        (["05/03/2021", "2020-02-01"], "dmy", True),
    ],
)
def test_the_order_is_found_and_doubts_are_said(cells, order, unclear):
    found = find_dates(cells)
    assert found == DateFormat(order=order)
    said = list(describe_dates(cells, found))
    assert said[0].startswith(f"read {cells[0]!r} as the date 2021-03-")
    assert any("may have the month first" in line for line in said) == unclear


def test_formats_are_saved_as_examples():
    for example in EXAMPLES.values():
        assert format_of(example).example == example
        assert format_of(example).parse(example) == format_of("2001-12-31").parse("2001-12-31")
    assert format_of("1.234,5") == NumberFormat.from_example("1.234,5")
    assert date_text(DAY + 0.5) == "2021-03-05 12:00:00"
    assert date_text(DAY) == "2021-03-05"
    assert date_text(1e12) == "1e+12"


def test_a_few_cells_that_are_no_dates_are_masked_and_said(tmp_path):
    path = tmp_path / "t.csv"
    days = [f"{i % 28 + 1}/12/2021" for i in range(40)] + ["unknown", "31/02/2021"]
    path.write_text("\n".join(["day,label", *(f"{x},{'ab'[len(x) % 2]}" for x in days)]))
    column = inspect_table(path, DataConfig()).columns["day"]
    assert (column.what, column.missing, column.number_format.order) == ("numeric", 2, "dmy")
    assert any("2 of 42 cells are not dates and are masked: 'unknown'" in x for x in column.notes)


@pytest.mark.parametrize("repeats", [1, 3])
def test_dates_that_are_not_read_as_such_are_said(tmp_path, repeats):
    path = tmp_path / "t.csv"
    rows = [f"{i % 28 + 1}/12/21,{'ab'[i % 3 == 0]}" for i in range(25)] * repeats
    path.write_text("\n".join(["day,label", *rows]))
    said = " ".join(inspect_table(path, DataConfig()).remarks())
    assert "column 'day': its cells look like dates, such as '1/12/21', but are not read as" in said
    declared = inspect_table(path, DataConfig(categorical=("day",))).remarks()
    assert "look like dates" not in " ".join(declared)


def write_all(folder, dates):
    """Write a table with a column of dates as csv, jsonl and parquet."""
    import pandas as pd

    labels = ["ab"[i % 3 == 0] for i in range(len(dates))]
    frame = pd.DataFrame({"day": pd.to_datetime(dates), "label": labels})
    frame.to_csv(folder / "a.csv", index=False)
    frame.to_parquet(folder / "c.parquet", index=False)
    rows = [
        json.dumps({"day": day.isoformat(), "label": label})
        for day, label in zip(dates, labels, strict=True)
    ]
    (folder / "b.jsonl").write_text("\n".join(rows))
    german = [f"{day:%d.%m.%Y %H:%M},{x}" for day, x in zip(dates, labels, strict=True)]
    (folder / "d.csv").write_text("\n".join(["day,label", *german]))
    return sorted(folder.iterdir())


def test_dates_are_the_same_in_every_format(tmp_path):
    start = datetime.datetime(2020, 1, 1, 6)
    dates = [start + datetime.timedelta(days=i % 25, hours=i % 5) for i in range(40)]
    from perceivers.modalities.table.columns import read_columns

    expected = None
    for path in write_all(tmp_path, dates):
        column = inspect_table(path, DataConfig()).columns["day"]
        assert column.what == "numeric"
        assert "as the date 2020-01-01 06:00:00" in column.notes[0]
        reader = CellReader(("day",), (), (), {"day": column.number_format.example})
        days = [reader.decode({"day": cell})[0] for cell in read_columns(path)["day"]]
        expected = expected or days
        np.testing.assert_allclose(days, expected, rtol=0, atol=1e-9)
        for value in (dates[3], np.datetime64(dates[3]), dates[3].isoformat(" ")):  # Python
            assert reader.decode(Row.of({"day": value}).cells)[0] == pytest.approx(days[3])
        assert np.isnan(reader.decode(Row.of({"day": np.datetime64("NaT")}).cells)[0])


def test_dates_may_be_declared_as_categories(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{i % 28 + 1:02}.0{i % 9 + 1}.2021,{'ab'[i % 3 == 0]}" for i in range(40)]
    path.write_text("\n".join(["day,label", *rows]))
    contents = inspect_table(path, DataConfig(categorical=("day",)))
    assert contents.columns["day"].what == "categorical"
    assert not contents.columns["day"].notes


@pytest.mark.parametrize("text", ["5-Mar-21", "5 Mär 2021", "Mars 5, 2021", "5 März 2021 10:00"])
def test_dates_with_names_that_are_not_clear_are_said(text):
    assert "look like dates" in describe_unread_dates([text] * 3)


def test_dates_in_words_are_those_of_pandas():
    pandas = pytest.importorskip("pandas")
    for form in ("%d %b %Y", "%B %d, %Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p", "%a, %d %b %Y %H:%M:%S"):
        cells = [pandas.Timestamp("2001-01-31 23:59").strftime(form) for _ in range(1)]
        cells += [f"{x:{form}}" for x in pandas.date_range("2001-02-01", periods=40, freq="7h")]
        dates = find_dates(cells)
        days = pandas.to_datetime(cells, format=form).asi8
        unit = np.datetime_data(pandas.to_datetime(cells, format=form).dtype)[0]
        expected = days / float(np.timedelta64(1, "D") / np.timedelta64(1, unit))
        np.testing.assert_allclose([dates.parse(cell) for cell in cells], expected, atol=1e-9)
