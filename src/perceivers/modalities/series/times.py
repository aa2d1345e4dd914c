"""The times of a series: which column holds them, their order, and the times that follow."""

import calendar
import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ..table.columns import Columns, fold_name
from ..table.dates import DateFormat, date_text, find_dates, moment_text, zone_of
from ..table.kinds import Cells, read_numbers
from ..table.numbers import PLAIN, NumberFormat, find_format

ROW = "row"  # stands for the column of times of a series that has none
CERTAIN = frozenset({"time", "times", "timestamp", "timestamps", "date", "dates", "datetime", "ds"})
# Names that are also those of measurements: such a column holds the times if it only increases.
POSSIBLE = frozenset({"t", "year", "month", "week", "day", "hour", "minute", "second", "seconds"})
MONTH = re.compile(r"\d{4}-\d\d")
COMPACT = re.compile(r"(?:19|20)\d{6}")
UNITS = {"day": 1, "hour": 24, "minute": 1440, "second": 86400}  # in a day
MICROSECONDS = 86400e6  # in a day
UTC = "+00:00"
EPOCH = datetime.date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Times:
    """The times of a series."""

    values: np.ndarray
    """Increasing numbers, float64 (T,); of dates the days since 1970-01-01 in their zone."""
    name: str | None = None
    """Name of their column; None: there is none, and they are 0, 1, 2, …."""
    dated: bool = False
    """Whether they are dates."""
    style: Literal["date", "month", "compact"] = "date"
    """How dates are written: months are like 2001-12, for their first day, compact ones like
    20011231."""
    zone: str = ""
    """Zone of the dates, such as "+02:00"; empty if they have none. Dates of several zones are in
    UTC."""
    written: NumberFormat = PLAIN
    """How the cells of their column are written."""

    def text(self, value: float) -> str:
        """Return a time as the cell of a table."""
        if not self.dated:
            return f"{value:.15g}"
        if not self.has_clock:
            text = date_text(float(value))
            return {"month": text[:7], "compact": text.replace("-", "")}.get(self.style, text)
        digits = 3 if self.step < 0.999 / UNITS["second"] else 0
        return moment_text(float(value), digits) + self.zone

    @property
    def step(self) -> float:
        """The median time from one step to the next; of dates in days."""
        return float(np.median(np.diff(self.values)))

    @property
    def step_text(self) -> str:
        """The median time from one step to the next with its unit, such as "2 hours"."""
        if not self.dated:
            return f"{self.step:.6g}"
        units = (name for name, count in UNITS.items() if round(self.step * count, 6) >= 1)
        unit = next(units, "second")
        amount = f"{self.step * UNITS[unit]:.6g}"
        return f"{amount} {unit}{'' if amount == '1' else 's'}"

    @cached_property
    def has_clock(self) -> bool:
        """Whether dates have a time of day."""
        return bool(self.zone) or bool((self.values != np.floor(self.values)).any())

    def after(self, count: int) -> np.ndarray:
        """Return the times of the steps that follow, float64 (count,).

        Dates that are one or more months or years apart stay on their day of the month. Other times
        go on by their median distance.

        Args:
            count: number of steps.
        """
        months = self._months()
        if not months:
            return self.values[-1] + self.step * np.arange(1, count + 1)
        days = [_date(value).day for value in self.values]
        last = _date(self.values[-1])
        month = 12 * last.year + last.month - 1
        return np.array(
            [_days(month + months * number, max(days)) for number in range(1, count + 1)],
            np.float64,
        )

    def _months(self) -> int:
        """Return how many months lie between two steps; 0 if that is no constant whole number."""
        if not self.dated or self.step < 27 or (self.values != np.floor(self.values)).any():
            return 0
        dates = [_date(value) for value in self.values]
        months = np.diff([12 * date.year + date.month for date in dates])
        same_day = max(date.day for date in dates)
        on_it = all(date.day == min(same_day, _month_length(date)) for date in dates)
        regular = on_it and len(set(months.tolist())) == 1
        return int(months[0]) if regular else 0


def find_time_column(columns: Columns) -> str | None:
    """Return the name of the column that holds the times of the rows; None if there is none.

    This is a column called time, date or the like; else one called year, t or the like whose
    numbers increase from row to row; else the only column of dates.

    Args:
        columns: the columns of a table.
    """
    folded = {name: _bare(name) for name in columns}
    certain = [name for name, bare in folded.items() if bare in CERTAIN]
    if certain:
        return certain[0]
    for name, bare in folded.items():
        if bare in POSSIBLE and increases(columns[name]):
            return name
    dates = [name for name, cells in columns.items() if _dates(cells) is not None]
    return dates[0] if len(dates) == 1 else None


def may_be_times(name: str, cells: Cells) -> bool:
    """Return whether a column holds times by its name, or dates."""
    return _bare(name) in CERTAIN or _dates(cells) is not None


def increases(cells: Cells) -> bool:
    """Return whether the cells of a column are times, each later than the one before."""
    try:
        read_times("", cells)
    except ValueError:
        return False
    return True


def read_times(name: str, cells: Cells, known: str | None = None) -> Times:
    """Read a column of times.

    Args:
        name: name of the column.
        cells: its cells: numbers or dates.
        known: how the times of the training files are written; see `kinds.read_numbers`.

    Raises:
        ValueError: a cell is empty or no time, or the times do not increase from row to row.
    """
    empty = [row for row, cell in enumerate(cells, 1) if cell is None]
    if empty:
        raise ValueError(
            f"{len(empty)} of {len(cells)} times in column {name!r} are missing, the first in row "
            f"{empty[0]}; fill them in or remove these rows"
        )
    style = _style(cells)
    whole = style == "compact"
    texts = [_dashed(x) if whole or MONTH.fullmatch(str(x)) else x for x in cells]
    try:
        read = read_numbers(texts, known, lambda each: find_dates(each) or find_format(each))
    except ValueError as error:
        raise ValueError(f"column {name!r}, {error}") from None
    if read is None:
        raise ValueError(
            f"column {name!r} holds {cells[0]!r}; expected times: numbers, or dates such as "
            "2001-12-31"
        )
    values, written = read
    dated = isinstance(written, DateFormat)
    zone, shift = _zone(name, texts) if dated else ("", 0.0)
    if shift:  # to the microsecond, so that midnight is a whole number
        values = np.round((values + shift) * MICROSECONDS) / MICROSECONDS
    times = Times(values, name, dated, style, zone, written)
    _check_order(times)
    return times


def regular_times(count: int) -> Times:
    """Return the times 0, 1, 2, … of a series without a column of times."""
    return Times(np.arange(count, dtype=np.float64))


def _style(cells: Cells) -> Literal["date", "month", "compact"]:
    """Return how the dates of a column are written."""
    if all(MONTH.fullmatch(str(cell)) for cell in cells):
        return "month"
    days = all(COMPACT.fullmatch(str(x)) and DateFormat().parse(_dashed(x)) for x in cells)
    return "compact" if days else "date"


def _dashed(cell: str | None) -> str:
    """Return 2001-12 or 20011231 as the date 2001-12-01 or 2001-12-31."""
    text = str(cell)
    return f"{text}-01" if "-" in text else f"{text[:4]}-{text[4:6]}-{text[6:]}"


def _zone(name: str, texts: Cells) -> tuple[str, float]:
    """Return the zone of dates, and the days from UTC to it.

    Args:
        name: name of the column.
        texts: the dates.

    Raises:
        ValueError: some have a zone, and others have none.
    """
    rows: dict[str, int] = {}
    for row, text in enumerate(texts, 1):
        rows.setdefault(zone_of(str(text)), row)
    if len(rows) > 1 and "" in rows:
        zoned, bare = min(row for zone, row in rows.items() if zone), rows[""]
        raise ValueError(
            f"column {name!r} has a zone in row {zoned} ({texts[zoned - 1]}) and none in row "
            f"{bare} ({texts[bare - 1]}); expected a zone for all times or for none"
        )
    if len(rows) > 1:
        return UTC, 0.0
    (zone,) = rows
    sign = -1 if zone.startswith("-") else 1
    return zone, sign * (int(zone[1:3]) / 24 + int(zone[4:]) / 1440) if zone else 0.0


def _check_order(times: Times) -> None:
    """Raise a ValueError unless the times increase; the message names the first two that do not."""
    values = times.values
    wrong = np.flatnonzero(~(np.diff(values) > 0))
    if not len(wrong):
        return
    row = int(wrong[0])
    here, then = times.text(values[row]), times.text(values[row + 1])
    set_back = times.dated and not times.zone and 0 <= values[row] - values[row + 1] < 0.1
    clocks = (
        "; if clocks were set back then, write times with their zone, as 2001-10-28 02:00+01:00"
        if set_back and times.has_clock
        else ""
    )
    if values[row] == values[row + 1]:
        raise ValueError(
            f"column {times.name!r} has {here} in rows {row + 1} and {row + 2}; expected one row "
            f"for each time: keep one, or write each series to a file of its own{clocks}"
        )
    raise ValueError(
        f"the times of column {times.name!r} run backwards: {then} in row {row + 2} follows "
        f"{here}; sort the rows by time{clocks}"
    )


def describe_times(times: Times) -> str:
    """Describe the times of a series, such as "times in 'date', 1 day a step"."""
    zone = f", in the zone {times.zone}" if times.zone not in ("", UTC) else ", in UTC"
    return f"times in {times.name!r}, {times.step_text} a step" + (zone if times.zone else "")


def _dates(cells: Cells) -> DateFormat | None:
    """Return how the dates of a column are written; None if it does not hold dates."""
    filled: Sequence[str | None] = [cell for cell in cells if cell is not None]
    if filled and all(MONTH.fullmatch(str(cell)) for cell in filled):
        return DateFormat()
    return find_dates(filled)


def _bare(name: str) -> str:
    """Return the name of a column in lower case and without its unit."""
    return fold_name(re.sub(r"[\[(].*", "", name))


def _date(days: float) -> datetime.date:
    return datetime.date.fromordinal(EPOCH + int(days))


def _month_length(date: datetime.date) -> int:
    return calendar.monthrange(date.year, date.month)[1]


def _days(month: int, day: int) -> int:
    """Return the days since 1970 of a day in a month counted from year 0, at most its last one."""
    first = datetime.date(month // 12, month % 12 + 1, 1)
    return first.toordinal() - EPOCH + min(day, _month_length(first)) - 1


def median_step(each: Mapping[str, Times]) -> float:
    """Return the median distance of the steps of several series, by their names.

    Args:
        each: the times of each series; those of a single step are left out.
    """
    steps = [times.step for times in each.values() if len(times.values) > 1]
    return float(np.median(steps)) if steps else 1.0
