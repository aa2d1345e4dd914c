"""Columns of times: which they are, their order, and the times that follow."""

import numpy as np
import pytest

from perceivers.modalities.series.times import find_time_column, read_times, regular_times


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"value": ["1", "2"], "Timestamp": ["5", "6"]}, "Timestamp"),
        ({"time [s]": ["2", "1"], "x": ["1", "2"]}, "time [s]"),  # refused later, by its order
        ({"year": ["2001", "2002"], "x": ["1", "2"]}, "year"),
        ({"year": ["2001", "2001"], "x": ["1", "2"]}, None),  # a channel: it does not increase
        ({"when": ["2001-12-30", "2001-12-31"], "x": ["1", "2"]}, "when"),
        ({"begin": ["2001-12-30", "2001-12-31"], "end": ["2001-12-31", "2002-01-01"]}, None),
        ({"month": ["2001-11", "2001-12"], "x": ["1", "2"]}, "month"),
        ({"x": ["1", "2"], "y": ["1", "2"]}, None),
    ],
)
def test_the_column_of_times_is_found(columns, expected):
    assert find_time_column(columns) == expected


def test_times_are_numbers_or_days():
    assert read_times("t", ["0.5", "1", "4"]).values.tolist() == [0.5, 1, 4]
    dates = read_times("date", ["1970-01-02", "1970-01-03 12:00:00"])
    assert dates.values.tolist() == [1, 2.5]
    assert dates.dated
    texts = [dates.text(value) for value in dates.values]
    assert texts == ["1970-01-02 00:00:00", "1970-01-03 12:00:00"]  # alike, for pandas
    assert read_times("t", ["0", "1", "3", "4"]).step == 1


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1", "3", "2"], "column 'when' run backwards: 2 in row 3 follows 3; sort the rows"),
        (["1", "2", "2"], "'when' has 2 in rows 2 and 3; expected one row for each time"),
        (
            ["2001-12-31", "2001-12-30"],
            "run backwards: 2001-12-30 in row 2 follows 2001-12-31; sort",
        ),
        (["1", None, "2", None], "2 of 4 times in column 'when' are missing, the first in row 2"),
        (
            ["2001-10-28 02:00", "2001-10-28 02:00"],
            r"expected one row .* if clocks were set back then, write times with their zone",
        ),
        (["2001-10-28 02:30", "2001-10-28 02:00"], r"run backwards.* if clocks were set back"),
        (["2001-12-31 02:00", "2001-12-31 02:00Z"], r"a zone in row 2 \(.*\) and none in row 1"),
        (["2001-12-31 02:00+99:99", "2001-12-31 03:00+99:99"], "expected times: numbers, or dates"),
        (["soon", "later"], "column 'when' holds 'soon'; expected times: numbers, or dates"),
    ],
)
def test_bad_times_are_one_clear_line(cells, message):
    with pytest.raises(ValueError, match=message) as error:
        read_times("when", cells)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2001-11", "2001-12", "2002-01"], ["2002-02", "2002-03"]),
        (["2001-10-31", "2001-11-30", "2001-12-31"], ["2002-01-31", "2002-02-28"]),
        (["2003-02-28", "2004-02-29", "2005-02-28"], ["2006-02-28", "2007-02-28"]),
        (["2001-12-24", "2001-12-31"], ["2002-01-07", "2002-01-14"]),
        (["2001-12-31 22:00", "2001-12-31 23:00"], ["2002-01-01 00:00:00", "2002-01-01 01:00:00"]),
        (
            ["2001-12-31 23:00+01", "2002-01-01T00:00+0100"],
            ["2002-01-01 01:00:00+01:00", "2002-01-01 02:00:00+01:00"],
        ),
        (
            ["2001-10-28T02:30+02:00", "2001-10-28T02:30+01:00"],  # clocks are set back
            ["2001-10-28 02:30:00+00:00", "2001-10-28 03:30:00+00:00"],
        ),
        (
            ["2001-11-01 00:00-05:00", "2001-12-01 00:00-05:00"],
            ["2002-01-01 00:00:00-05:00", "2002-02-01 00:00:00-05:00"],
        ),
        (
            ["2001-12-31 23:59:59.8Z", "2001-12-31 23:59:59.9Z"],
            ["2002-01-01 00:00:00.000+00:00", "2002-01-01 00:00:00.100+00:00"],
        ),
        (["20011230", "20011231"], ["20020101", "20020102"]),
        (["Dec 30, 2001", "Dec 31, 2001"], ["2002-01-01", "2002-01-02"]),
        (
            ["12/31/2001 10:00 PM +01:00", "12/31/2001 11:00 PM +01:00"],
            ["2002-01-01 00:00:00+01:00", "2002-01-01 01:00:00+01:00"],
        ),
        (["3", "5", "7"], ["9", "11"]),
        (["1", "2", "4", "5"], ["6", "7"]),  # by the median distance
    ],
)
def test_times_go_on(cells, expected):
    times = read_times("when", cells)
    assert [times.text(value) for value in times.after(2)] == expected


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["3", "5"], "2"),
        (["2001-12-30", "2001-12-31"], "1 day"),
        (["2001-12-30 00:00", "2001-12-30 01:00"], "1 hour"),
        (["2001-12-30 00:00", "2001-12-30 00:10"], "10 minutes"),
        (["2001-12-30 00:00:00", "2001-12-30 00:00:00.5"], "0.5 seconds"),
        (["20010228", "20010301"], "1 day"),
    ],
)
def test_a_step_is_said_in_its_unit(cells, expected):
    assert read_times("when", cells).step_text == expected


def test_steps_without_times_are_counted():
    times = regular_times(3)
    np.testing.assert_array_equal(times.values, [0, 1, 2])
    np.testing.assert_array_equal(times.after(2), [3, 4])
