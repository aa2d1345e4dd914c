"""Describe how the numbers of a column were read, and what may be wrong about it."""

import re
from collections.abc import Iterator, Sequence

from .numbers import CODE, MISSING_NUMBERS, MOSTLY, PLAIN, NumberFormat
from .spelling import Number

GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
MIN_GROUPED = 3  # distinct numbers with a point, and without one, that may be in thousands
WHOLE = re.compile(r"[+-]?[1-9]\d{15,300}")
# A number with a sign, a unit or a second number that no format has: "(5)", "<0.1", "3/4", "0x1f".
NUMBER_LIKE = re.compile(
    r"(?!\d{1,4}[./]\d{1,2}[./]\d{2,4}$)"  # a date
    r"[(<>~≈≤≥]?=? ?[+-]?[$€£]?(?:0x[0-9a-f]+|\d[\d.,']*(?:[:/]\d[\d.,]*)? ?[^\W\d]{0,3}[%°]?)\)?"
)


def describe_format(cells: Sequence[str | None], number_format: NumberFormat) -> str:
    """Describe how numbers were read by an example of the cells: "read '1.234,5' as 1234.5".

    Args:
        cells: the cells of a column whose numbers are not written in plain digits.
        number_format: how they are written.
    """
    texts = (cell for cell in cells if cell is not None and PLAIN.parse(cell) is None)
    numbers = {cell: value for cell in texts if (value := number_format.parse(cell)) is not None}
    example = max(numbers, key=lambda cell: (len(re.sub(r"[\w ]", "", cell)), len(cell)))
    return f"read {example!r} as {numbers[example]:.15g}"


def doubts(cells: Sequence[str | None], number_format: NumberFormat) -> Iterator[str]:
    """Yield what may be wrong about reading a column as numbers.

    Args:
        cells: the cells of the column.
        number_format: how its numbers are read.
    """
    texts = [x for x in dict.fromkeys(cells) if x is not None and not isinstance(x, Number)]
    rounded = [text for text in dict.fromkeys(cells) if text is not None and is_rounded(text)]
    if rounded:
        yield (
            f"{len(rounded):,} different whole numbers are larger than 2^53 and are rounded, such "
            f"as {str(rounded[0])!r} to {float(rounded[0]):.0f}; if they only identify something, "
            "leave the column out or declare it as categories"
        )
    if code := next(filter(CODE.fullmatch, texts), None):
        yield f"{code!r} begins with a zero and is read as a number; it may be a code"
    points = [text for text in texts if "." in text]
    whole = [text for text in texts if "." not in text and text.lower() not in MISSING_NUMBERS]
    if number_format == PLAIN and len(points) >= MIN_GROUPED and len(whole) >= MIN_GROUPED:
        small = all(re.fullmatch(r"[+-]?\d{1,3}", text) for text in whole)
        if small and all(map(GROUPED.fullmatch, points)):
            value = float(points[0])
            yield (
                f"read {points[0]!r} as {value:g}; if the point separates thousands, write "
                f"{value * 1000:.0f}"
            )


def is_rounded(text: str) -> bool:
    """Return whether a text is a whole number that float64 cannot hold."""
    return len(text) > 15 and bool(WHOLE.fullmatch(text)) and int(float(text)) != int(text)


def describe_unread(texts: Sequence[str]) -> str:
    """Describe a column that is read as text though its cells look like numbers; empty: it is not.

    Args:
        texts: the cells of the column that are not empty.
    """
    alike = [text for text in dict.fromkeys(texts) if NUMBER_LIKE.fullmatch(text)]
    if not alike or sum(map(bool, map(NUMBER_LIKE.fullmatch, texts))) < MOSTLY * len(texts):
        return ""
    shapes = {re.sub(r"[\d.,]+", "0", text): text for text in reversed(alike)}
    few = " and ".join(map(repr, list(shapes.values())[:2]))
    return (
        f"its cells look like numbers, such as {few}, but are read as text; to have them read as "
        "numbers, write all in plain digits and in one unit"
    )
