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
    assert [dates.text(value) for value in dates.values] == ["1970-01-02", "1970-01-03 12:00:00"]
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
        (["2001-12-31 22:00", "2001-12-31 23:00"], ["2002-01-01", "2002-01-01 01:00:00"]),
        (["3", "5", "7"], ["9", "11"]),
        (["1", "2", "4", "5"], ["6", "7"]),  # by the median distance
    ],
)
def test_times_go_on(cells, expected):
    times = read_times("when", cells)
    assert [times.text(value) for value in times.after(2)] == expected


def test_steps_without_times_are_counted():
    times = regular_times(3)
    np.testing.assert_array_equal(times.values, [0, 1, 2])
    np.testing.assert_array_equal(times.after(2), [3, 4])
