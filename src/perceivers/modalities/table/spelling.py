"""One spelling of each value, so that a table means the same in every format and in Python.

pandas writes a boolean as "True", JSON as "true" and Excel as "TRUE"; a column of whole numbers
with a missing cell becomes "1.0"; a date may carry a time of zero. A cell is spelled in one way as
it is read (`cell_text`, `canonical`). Whether "1.0" and "1" are the same category depends on the
column: in a column of versions, "1.1" and "1.10" differ. `speller` decides that by all categories.
"""

import datetime
import re
from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import Any

BOOLEANS = {"true": "1", "false": "0"}
NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)(?:\.(\d+))?(?:[eE][+-]?\d{1,3})?")
DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d+))?)? ?(Z|[+-]\d\d(?::?\d\d)?)?)?"
)
TIME = re.compile(r"(\d\d:\d\d:\d\d)(?:\.(\d*?)0*)?")


class Number(str):
    """Text of a value that is a number in the file or in Python, and no text.

    Its decimal separator is a point, whatever the texts of the column look like.
    """

    __slots__ = ()


def cell_text(value: Any, place: str) -> str | None:
    """Convert a value to the text of a cell.

    Args:
        value: text, a number, a boolean, or any other single value, such as a path or a date; a
            NumPy scalar, or an array or tensor without axes. Bytes are decoded as UTF-8.
        place: description of the cell for the error message, such as "column 'age'".

    Returns:
        The text, in lower case for a boolean, a `Number` for a number; None for what stands for a
        missing value: None, NaN, NaT and pandas' NA.

    Raises:
        ValueError: the value is a list, an array, a dictionary or bytes that are not text.
    """
    if value is None or isinstance(value, str):
        return value
    import numpy as np

    value = _without_axes(value)
    if isinstance(value, bytes | bytearray):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            pass
    collection = isinstance(value, list | tuple | dict | set | bytes | bytearray)
    if collection or getattr(value, "ndim", None):
        raise ValueError(
            f"{place} holds a list, an object or bytes; expected text, a number or a boolean"
        )
    if _is_missing(value):
        return None
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    if isinstance(value, np.timedelta64 | datetime.timedelta):
        return _duration(value)
    if isinstance(value, float | np.floating):
        whole = abs(float(value)) < 1e16 and float(value).is_integer()
        return Number(int(value) if whole else value)
    return Number(value) if isinstance(value, int | np.integer | Decimal) else canonical(str(value))


def canonical(text: str) -> str:
    """Spell a boolean, a date or a time in the one way that all formats share.

    Other text is unchanged.

    Booleans are in lower case. A date is "2020-01-31"; with a time that is not midnight, it is
    "2020-01-31 12:00:00", without zeros at the end of its fraction. So is a time of day.

    Args:
        text: text of a cell.
    """
    if len(text) <= 5:
        lower = text.lower()
        return lower if lower in BOOLEANS else text
    if text[2] == ":" and (time := TIME.fullmatch(text)):
        return f"{time[1]}.{time[2]}" if time[2] else time[1]
    match = DATE.fullmatch(text) if text[4] == "-" and not isinstance(text, Number) else None
    if match is None:
        return text
    date, minutes, seconds, fraction, zone = match.groups()
    fraction = (fraction or "").rstrip("0")
    if minutes is None or (minutes, seconds or "00", fraction, zone) == ("00:00", "00", "", None):
        return date
    zone = "+00:00" if zone == "Z" else zone or ""
    zone = {3: f"{zone}:00", 5: f"{zone[:3]}:{zone[3:]}"}.get(len(zone), zone)
    return f"{date} {minutes}:{seconds or '00'}{'.' * bool(fraction)}{fraction}{zone}"


def speller(values: Collection[str]) -> Callable[[str], str]:
    """Return a function that spells the categories of a column in one way.

    Two cells are the same category if it returns the same text for both.

    - All values are booleans: "1" and "0" are true and false too.
    - All are numbers in plain digits: numbers are spelled without zeros at the end of their
      fraction ("1.0" and "1" are the same). Not so if the values are more likely versions or
      codes: some have zeros in front ("007"), or zeros at the end ("1.10") beside fractions of
      another length ("1.9"). Fractions are the same if they are in float32, unless that makes two
      of the categories one: pandas turns the float32 0.1 into 0.10000000149011612.
    - Otherwise a text is only the same as itself, but for `canonical`.

    Args:
        values: the distinct categories of the column.
    """
    spelled = {canonical(value) for value in values}
    if spelled and spelled <= BOOLEANS.keys():
        names = {digit: name for name, digit in BOOLEANS.items()}
        return lambda text: names.get(_spell_number(text, None), canonical(text))
    if not _are_numbers(spelled):
        return canonical
    length = _fraction_length(spelled)
    numbers = {_spell_number(value, length) for value in spelled}
    binary, single = numbers <= {"0", "1"}, len(set(map(_in_float32, numbers))) == len(numbers)

    def spell(text: str) -> str:
        text = canonical(text)
        text = BOOLEANS[text] if binary and text in BOOLEANS else _spell_number(text, length)
        return _in_float32(text) if single and not _has_padding(text) else text

    return spell


def distinct(values: Iterable[str]) -> dict[str, str]:
    """Return the name of each category by its spelling, of values that may repeat one.

    The name is the spelling itself, except for fractions, which keep their digits: zeros at their
    ends show that "1.50" is the same as "1.5".

    Args:
        values: the categories of a column, in any spelling.
    """
    names = sorted(set(map(canonical, values)), key=lambda value: (len(value), value))
    spell, padded = speller(names), any(map(_has_padding, names))
    spelled: dict[str, str] = {}
    for name in names:
        key = spell(name)
        spelled.setdefault(key, name if padded or "." in key else key)
    return spelled


def _without_axes(value: Any) -> Any:
    """Return the value of an array or tensor without axes; anything else unchanged."""
    import numpy as np

    if getattr(value, "ndim", None) != 0 or isinstance(value, np.generic):
        return value
    if not isinstance(value, np.ndarray):  # a tensor
        value = value.detach().cpu().numpy()
    return value[()]


def _duration(value: Any) -> str:
    """Return a duration as pandas writes it: "0 days 05:00:00", with a fraction if there is one."""
    import numpy as np

    nanoseconds = int(np.timedelta64(value, "ns").astype(np.int64))
    days, rest = divmod(nanoseconds, 86_400 * 10**9)
    seconds, fraction = divmod(rest, 10**9)
    text = f"{days} days {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:09}".rstrip("0") if fraction else text


def _is_missing(value: Any) -> bool:
    try:
        return bool(value != value)
    except TypeError:  # pandas' NA is neither true nor false
        return True


def _are_numbers(values: Collection[str]) -> bool:
    """Return whether all values are numbers in plain digits, and none is likely to be a code."""
    if not values or not all(NUMBER.fullmatch(value) for value in values):
        return False
    padded = any(_has_padding(value) for value in values)
    return not padded or _fraction_length(values) is not None


def _fraction_length(values: Collection[str]) -> int | None:
    """Return the number of digits after the point, if it is the same for all; None otherwise."""
    lengths = {len(match[1] or "") for value in values if (match := NUMBER.fullmatch(value))}
    return lengths.pop() if len(lengths) == 1 and 0 not in lengths else None


def _has_padding(text: str) -> bool:
    """Return whether a fraction ends in zeros that pandas would not write ("1.50", not "1.0")."""
    match = NUMBER.fullmatch(text)
    fraction = match[1] if match else None
    return bool(fraction) and fraction != "0" and str(fraction).endswith("0")


def _in_float32(text: str) -> str:
    """Return a fraction in the precision of float32; other text is unchanged."""
    if not NUMBER.fullmatch(text) or "." not in text:
        return text
    import numpy as np

    return str(np.float32(text))


def _spell_number(text: str, length: int | None) -> str:
    """Spell a number without needless zeros and signs; other text is unchanged.

    Args:
        text: text of a cell.
        length: number of digits after the point of all numbers of the column; None: it varies.
            Zeros after other digits of a fraction carry no meaning then ("1.50" is "1.5").
    """
    match = NUMBER.fullmatch(text)
    if match is None:
        return text
    fraction = match[1] or ""
    padded = fraction.endswith("0") and bool(fraction.strip("0"))
    if padded and len(fraction) != length and not isinstance(text, Number):
        return text
    sign, digits, exponent = Decimal(text).as_tuple()
    assert isinstance(exponent, int)
    while len(digits) > 1 and digits[-1] == 0:
        digits, exponent = digits[:-1], exponent + 1
    if digits == (0,):
        return "0"
    number = Decimal((sign, digits, exponent))
    return f"{number:f}" if -30 < exponent < 30 else str(number)
