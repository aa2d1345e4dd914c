"""How the numbers of a column are written: separators, currencies and units."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal

from .spelling import BOOLEANS, Number

# Lower-case texts that count as empty cells in a numeric column. In other columns they may be
# values: "NA" is Namibia.
MISSING_NUMBERS = frozenset({"na", "n/a", "nan", "null", "none", "?", "-", "<na>", "#n/a", "nat"})
CURRENCIES = frozenset({"$", "€", "£", "¥", "₹", "US$", "USD", "EUR", "GBP", "CHF", "JPY", "Fr."})
# A unit begins with a letter or sign and has no white space in it. "1st" has none: it is a rank.
UNIT = re.compile(r"(?!(?:st|nd|rd|th)$)[^\W\d_%‰°$€£¥₹][^\s\d]{0,11}[23]?|[%‰°$€£¥₹][^\s\d]{0,3}")
AFFIXES = re.compile(
    r"[+-]?([^\d\s+-]{0,4}?) ?[+-]?\d(?:[\d.,' ]*\d)?(?:[eE][+-]?\d+)? ?([^\d\s.,']\S*)?"
)
# Decimal separator, and separator of thousands; of formats that fit equally, the first is taken.
SEPARATORS = (
    *((".", ""), (",", ""), (".", ","), (",", ".")),
    *((".", " "), (",", " "), (".", "'"), (",", "'")),
)
CODE = re.compile(r"0\d+")
MOSTLY = 0.9  # at least this share of the cells of a numeric column are numbers
MOSTLY_OF_MANY = 0.8  # the same, if there are more than `MANY` different numbers
MANY = 20
MAX_TEXTS = 2000  # texts of a column by which its format is chosen
PARENTHESES = re.compile(r"(\D{0,4}?)\((?=[^()]*\d)([^()]*)\)(\D{0,4})")
TRAILING_MINUS = re.compile(r"(.*\d) ?-")
# The denominators of sizes and shares: a column of dates ("7/11") or of pressures has others.
FRACTION = re.compile(
    r"([+-]?)(?:(0|[1-9]\d{0,14}) )?([1-9]\d{0,14}|0)/(2|3|4|5|6|8|10|12|16|20|32|50|64|100)"
)
Notation = Literal["", "()", "-", "/"]
SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'", "−": "-"})


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written. Plain digits with a point can be read as well."""

    noun: ClassVar[str] = "number"
    """What a cell of the column is."""

    decimal: str = "."
    """The decimal separator, a point or a comma."""
    thousands: str = ""
    """The separator of groups of three digits; empty: there is none."""
    prefix: str = ""
    """A currency before the number."""
    suffix: str = ""
    """A unit, a currency or a percent sign after the number, without the space before it."""
    notation: Notation = ""
    """What else a number may be: negative in parentheses or with the minus after it; or a fraction
    (1 3/4)."""

    @classmethod
    def from_example(cls, example: str) -> "NumberFormat":
        """Return the format of which `example` is the example.

        Raises:
            ValueError: the text is not such an example.
        """
        if example == FRACTIONS.example:
            return FRACTIONS
        digits, notation = example, ""
        for each in ("()", "-"):
            if (unsigned := _unsigned(digits, each)) is not None:
                digits, notation = unsigned, each
        match = re.fullmatch(r"(\D*)1(?:([,.' ])234)?([.,])5 ?(\D*[23]?)", digits)
        if match is None or match[2] == match[3]:
            raise ValueError(
                f"{example!r} is not the format of a number; expected 1.5 or 1,5, with a separator "
                "of thousands such as 1.234,5, or with a unit such as 1.5 kg"
            )
        return cls(match[3], match[2] or "", match[1], match[4], notation)  # type: ignore[arg-type]

    @property
    def example(self) -> str:
        """The number 1.5, or 1234.5 if there is a separator of thousands, in this format.

        It is in parentheses or has a minus after it if negative numbers have.
        """
        if self.notation == "/":
            return "3/2"
        digits = f"1{self.thousands}234" if self.thousands else "1"
        number = f"{self.prefix}{digits}{self.decimal}5 {self.suffix}".rstrip()
        return f"({number})" if self.notation == "()" else f"{number}{self.notation}"

    def parse(self, text: str) -> float | None:
        """Return the number of a cell; None if it is none, or could be read in two ways.

        Args:
            text: text of the cell, without white space around it.
        """
        if self == PLAIN or isinstance(text, Number):
            return to_float(text)
        if self.notation == "/" and (match := FRACTION.fullmatch(text.translate(SPACES))):
            value = int(match[2] or 0) + int(match[3]) / int(match[4])
            return -value if match[1] == "-" else value
        text = text.translate(SPACES)
        unsigned = _unsigned(text, self.notation)
        if unsigned is not None:
            value_of = replace(self, notation="").parse(unsigned)
            return None if value_of is None or value_of < 0 else -value_of
        core = self._without_affixes(text)
        if self._pattern.fullmatch(core):
            digits = core.replace(self.thousands, "") if self.thousands else core
            return to_float(digits.replace(self.decimal, "."))
        if self.decimal == "," and re.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{3}", core):
            return None  # 1.234 could be more than a thousand
        return to_float(core)

    def _without_affixes(self, text: str) -> str:
        """Return a text without the currency or unit of this format."""
        sign = text[:1] if text[:1] in ("+", "-") else ""
        if self.prefix and text.removeprefix(sign).startswith(self.prefix):
            return sign + text.removeprefix(sign).removeprefix(self.prefix).lstrip()
        return text.removesuffix(self.suffix).rstrip() if self.suffix else text

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        decimal, thousands = re.escape(self.decimal), re.escape(self.thousands)
        groups = rf"[1-9]\d{{0,2}}(?:{thousands}\d{{3}})+|" if self.thousands else ""
        return re.compile(rf"[+-]?(?:{groups}\d+)(?:{decimal}\d*)?(?:[eE][+-]?\d+)?")


PLAIN = NumberFormat()
FRACTIONS = NumberFormat(notation="/")


def _unsigned(text: str, notation: str) -> str | None:
    """Return a negative number of a notation without its sign; None if it has another form."""
    if notation == "()" and (match := PARENTHESES.fullmatch(text)):
        return match[1] + match[2] + match[3]
    match = TRAILING_MINUS.fullmatch(text) if notation == "-" else None
    return match[1] if match else None


def to_float(text: str) -> float | None:
    """Return the number that a text in plain digits stands for; None if it is none."""
    if "_" in text:  # float() accepts "1_000", which is more likely a name
        return None
    try:
        return float(text)
    except ValueError:
        return None


def parse_number(cell: str | None, number_format: NumberFormat = PLAIN) -> float:
    """Parse a cell of a numeric column.

    Args:
        cell: the text of the cell; None for an empty one.
        number_format: how the numbers of the column are written.

    Returns:
        The number, 1 and 0 for true and false; NaN for an empty cell and for the texts in
        `MISSING_NUMBERS`.

    Raises:
        ValueError: the cell is not a number, or is infinite.
    """
    if cell is None or cell.lower() in MISSING_NUMBERS:
        return math.nan
    value = number_format.parse(BOOLEANS.get(cell, cell))
    if value is None or not math.isfinite(value):
        finite = "" if number_format.noun == "date" else "finite "
        problem = f"is not a {finite}{number_format.noun}"
        if number_format != PLAIN:
            problem += f", written like {number_format.example!r}"
        raise ValueError(f"{cell!r} {problem}; correct it or leave the cell empty")
    return value


def find_format(cells: Sequence[str | None]) -> NumberFormat | None:
    """Find out how the numbers of a column are written.

    A column is numeric if all its cells are numbers in one format, or nearly all (`MOSTLY`).

    Args:
        cells: the text of each cell; None for an empty one.

    Returns:
        The format; None if the column is not numeric.

    Raises:
        ValueError: the comma in numbers such as "1,234" may be a decimal comma as well as a
            separator of thousands, in all cells of the column.
    """
    texts = [cell for cell in cells if cell is not None and cell.lower() not in MISSING_NUMBERS]
    if all(to_float(text) is not None for text in texts):
        return PLAIN if texts else None
    distinct = list(dict.fromkeys(texts))
    sample = distinct[:: -(-len(distinct) // MAX_TEXTS)]
    best = max([PLAIN, *_candidates(sample)], key=lambda each: _count(each, sample))  # the first
    if best == FRACTIONS and _count(best, texts) < len(texts):
        best = PLAIN
    if not _is_numeric(best, texts):
        return None
    if best.decimal == "," and not best.thousands:
        best = _comma(best, texts)
    return best


def _count(number_format: NumberFormat, texts: Sequence[str]) -> int:
    return sum(number_format.parse(text) is not None for text in texts)


def _is_numeric(number_format: NumberFormat, texts: Sequence[str]) -> bool:
    values = [value for text in texts if (value := number_format.parse(text)) is not None]
    share = MOSTLY_OF_MANY if len(set(values)) > MANY else MOSTLY
    return len(values) >= share * len(texts)


def _candidates(texts: Sequence[str]) -> Iterator[NumberFormat]:
    """Yield formats with each separator, without and with a currency or unit of most texts."""
    translated = [text.translate(SPACES) for text in texts]
    negative: Notation = ""
    for each in ("()", "-"):
        if any(_unsigned(text, each) is not None for text in translated):
            negative = each
    texts = [_unsigned(text, negative) or text for text in translated]
    affixes = Counter(affix for text in texts if (affix := _affixes(text)) != ("", ""))
    common = [affix for affix, count in affixes.most_common(1) if 2 * count >= len(texts)]
    for prefix, suffix in [("", ""), *(affix for affix in common if affix is not None)]:
        for decimal, thousands in SEPARATORS:
            yield NumberFormat(decimal, thousands, prefix, suffix, negative)
    if any(map(FRACTION.fullmatch, texts)):
        yield FRACTIONS


def _affixes(text: str) -> tuple[str, str] | None:
    """Return the currency before a number and the unit after it; None if it is no number."""
    match = AFFIXES.fullmatch(text.translate(SPACES))
    if match is None:
        return None
    prefix, suffix = match[1], match[2] or ""
    known = (not prefix or prefix in CURRENCIES) and (not suffix or UNIT.fullmatch(suffix))
    return (prefix, suffix) if known and not (prefix and suffix) else None


def _comma(number_format: NumberFormat, texts: Sequence[str]) -> NumberFormat:
    """Decide by all texts of a column whether its commas are decimal or separate thousands.

    Thousands are likely if all numbers from 1000 on have a comma and no smaller one has.
    """
    grouped = replace(number_format, decimal=".", thousands=",")
    written = [text for text in texts if not isinstance(text, Number)]
    if _count(grouped, written) < _count(number_format, written):
        return number_format
    smaller = [value for x in written if "," not in x and (value := grouped.parse(x)) is not None]
    if smaller and max(map(abs, smaller)) < 1000:
        return grouped
    example = next(text for text in written if "," in text)
    raise ValueError(
        f"{example!r} may be {grouped.parse(example):g} or {number_format.parse(example):g}, and "
        "no cell of the column tells which; write the numbers without separators of thousands and "
        "with a decimal point, or declare the column as categories"
    )
