"""Dates of a column as numbers: days since 1970-01-01, with the time as a fraction."""

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from typing_extensions import override

from .numbers import MISSING_NUMBERS, MOSTLY, NumberFormat
from .spelling import Number

Order = Literal["ymd", "dmy", "mdy"]

DATE = re.compile(
    r"(\d{4}|\d{1,2})([-./])(\d{1,2})\2(\d{4}|\d{1,2})"
    r"(?:(?:T| +)(\d{1,2}):(\d\d)(?::(\d\d(?:[.,]\d+)?))?"
    r" ?(?:(Z)|([+-])([01]\d|2[0-3])(?::?([0-5]\d))?)?)?"
)
DATE_LIKE = re.compile(
    r"(?:\d{1,2}/\d{1,2}/\d\d|\d{1,2}([-./])\d{1,2}\1\d{4}|\d{4}([-/])\d{1,2}\2\d{1,2}"
    r"|\d{1,2}([- ])[^\W\d_]{3,9}\.?\3(?:\d{4}|\d\d)|[^\W\d_]{3,9}\.? \d{1,2},? \d{4})(?:[ T].*)?"
)
WORDS = re.compile(r"[A-Za-z]{2}|[AaPp]\.")  # in dates that are not digits alone
NAMED = re.compile(
    r"(?:(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:day)?,? )?"
    r"(?:(?P<day>\d{1,2})(?P<mark>[- ])(?P<month>[a-z]{3,9})\.?(?P=mark)(?P<year>\d{4})"
    r"|(?P<month_first>[a-z]{3,9})\.? (?P<day_second>\d{1,2}),? (?P<year_last>\d{4}))"
    r"(?P<rest>(?:,? .*)?)",
    re.IGNORECASE,
)
HALF_DAY = re.compile(
    r"(?P<date>.*[ T])(?P<hour>0?[1-9]|1[0-2])(?P<minutes>(?::\d\d){0,2}(?:[.,]\d+)?) ?"
    r"(?P<half>[ap])(?:m|\.m\.)(?P<rest>.*)",
    re.IGNORECASE,
)
NAMES = "january february march april may june july august september october november december"
MONTHS = {name: number for number, name in enumerate(NAMES.split(), 1)}
MONTHS |= {name[:3]: number for name, number in MONTHS.items()} | {"sept": 9}
LONGEST = 60  # characters of a date in words
EPOCH = datetime.date(1970, 1, 1).toordinal()
EXAMPLES: dict[Order, str] = {"ymd": "2001-12-31", "dmy": "31.12.2001", "mdy": "12/31/2001"}


@dataclass(frozen=True)
class DateFormat(NumberFormat):
    """How the dates of a column are written. Dates like 2001-12-31 can be read as well.

    They may have a time, and a zone that is converted to UTC. Months may have their English names,
    as in 31 Dec 2001, and times AM or PM.
    """

    noun = "date"

    order: Order = "ymd"
    """Order of the year, the month and the day."""

    @property
    @override
    def example(self) -> str:
        """The last day of 2001 in this format."""
        return EXAMPLES[self.order]

    @override
    def parse(self, text: str) -> float | None:
        """Return the days since 1970-01-01 of a cell; None if it is no date.

        Args:
            text: text of the cell, without white space around it.
        """
        match = None if isinstance(text, Number) else DATE.fullmatch(in_digits(text))
        if match is None:
            return None
        first, separator, middle, last = match.groups()[:4]
        year_first = len(first) == 4 and separator != "." and len(last) < 3
        if not year_first and (self.order == "ymd" or len(last) < 4 or len(first) > 2):
            return None
        order = "ymd" if year_first else self.order
        parts = dict(zip(order, map(int, (first, middle, last)), strict=True))
        hour, minute, second, _, sign, zone_hours, zone_minutes = match.groups()[4:]
        seconds = 3600 * int(hour or 0) + 60 * int(minute or 0)
        zone = 3600 * int(zone_hours or 0) + 60 * int(zone_minutes or 0)
        seconds -= -zone if sign == "-" else zone
        exact = seconds + float((second or "0").replace(",", "."))
        try:
            day = datetime.date(parts["y"], parts["m"], parts["d"]).toordinal()
            datetime.time(int(hour or 0), int(minute or 0))
        except ValueError:
            return None
        return day - EPOCH + exact / 86400


def in_digits(text: str) -> str:
    """Return a date with a named month, AM or PM, UTC or GMT in digits; other texts as they are.

    Names of months are English: in other languages, "mar" may be another month, or a weekday.
    """
    if len(text) > LONGEST or not WORDS.search(text):
        return text
    text = re.sub(r" (?:UTC|GMT)$", "Z", text)
    if named := NAMED.fullmatch(text):
        month = MONTHS.get((named["month"] or named["month_first"]).lower())
        if month is None:
            return text
        year, day = named["year"] or named["year_last"], named["day"] or named["day_second"]
        text = f"{year}-{month}-{day}{named['rest'].removeprefix(',')}"
    if half := HALF_DAY.fullmatch(text):
        hour = int(half["hour"]) % 12 + 12 * (half["half"].lower() == "p")
        text = f"{half['date']}{hour}{half['minutes'] or ':00'}{half['rest']}"
    return text


def format_of(example: str) -> NumberFormat:
    """Return the format of dates or numbers of which `example` is the example.

    Raises:
        ValueError: the text is not such an example.
    """
    orders = {text: order for order, text in EXAMPLES.items()}
    return (
        DateFormat(order=orders[example])
        if example in orders
        else NumberFormat.from_example(example)
    )


def find_dates(cells: Sequence[str | None]) -> DateFormat | None:
    """Return how the dates of a column are written; None unless nearly all cells are dates.

    Args:
        cells: the text of each cell; None for an empty one.
    """
    first = next((x for x in cells if x is not None and DATE.fullmatch(in_digits(x))), None)
    texts = [] if first is None else _texts(cells)
    formats = [DateFormat(order=order) for order in get_args(Order)]
    counts = [sum(dates.parse(text) is not None for text in texts) for dates in formats]
    best = max(counts)
    return formats[counts.index(best)] if best and best >= MOSTLY * len(texts) else None


def describe_unread_dates(texts: Sequence[str]) -> str:
    """Describe a column that is not read as dates though its cells look like dates; else empty.

    Args:
        texts: the cells of the column that are not empty.
    """
    alike = [text for text in texts if DATE_LIKE.fullmatch(text)]
    if not alike or len(alike) < MOSTLY * len(texts):
        return ""
    return (
        f"its cells look like dates, such as {alike[0]!r}, but are not read as dates; write all of "
        "them like 2001-12-31"
    )


def describe_dates(cells: Sequence[str | None], dates: DateFormat) -> Iterator[str]:
    """Yield how dates were read, and whether days may be months.

    Args:
        cells: the cells of the column.
        dates: how they are written.
    """
    texts = _texts(cells)
    first = next(text for text in texts if dates.parse(text) is not None)
    date = date_text(dates.parse(first) or 0)
    yield f"read {first!r} as the date {date}, in days since 1970-01-01"
    other = DateFormat(order="mdy")
    written = [x for x in texts if dates.parse(x) is not None and DateFormat().parse(x) is None]
    clear = any("." in text or other.parse(text) is None for text in written)
    if dates.order == "dmy" and written and not clear:
        yield (
            f"{written[0]!r} may have the month first, and no cell tells; the day is taken to be "
            "first: if it is not, write dates as 2001-12-31"
        )


def date_text(days: float) -> str:
    """Return a date as text, with its time to the second if it has one.

    Args:
        days: days since 1970-01-01.
    """
    return moment_text(days).removesuffix(" 00:00:00")


def moment_text(days: float, digits: int = 0) -> str:
    """Return a date and its time as text, also at midnight.

    Args:
        days: days since 1970-01-01.
        digits: digits of the fraction of a second, at most 6.
    """
    unit = 10 ** (6 - digits)  # microseconds
    try:
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(days=days)
        moment += datetime.timedelta(microseconds=unit // 2)
    except OverflowError:
        return f"{days:.4g}"
    moment = moment.replace(microsecond=moment.microsecond // unit * unit)
    text = moment.isoformat(" ", "microseconds")
    return text[: len(text) - 6 + digits].removesuffix(".")


def zone_of(text: str) -> str:
    """Return the zone of a date, such as "+02:00"; empty if it has none.

    Args:
        text: a date in any format that `DateFormat` reads.
    """
    match = DATE.fullmatch(in_digits(text))
    utc, sign, hours, minutes = match.groups()[7:] if match else (None,) * 4
    return "+00:00" if utc else f"{sign}{hours}:{minutes or '00'}" if sign else ""


def _texts(cells: Sequence[str | None]) -> list[str]:
    return [
        cell
        for cell in dict.fromkeys(cells)
        if cell is not None and cell.lower() not in MISSING_NUMBERS
    ]
