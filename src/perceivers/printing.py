r"""Text from elsewhere, such as names of files, made safe to print.

Imports the standard library alone. A name may hold escape codes that change the terminal, line
ends, characters that reverse the direction of writing, or bytes that are not UTF-8, which Python
represents as surrogates.
"""

import codecs
import logging
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

# Control characters, zero-width spaces, line and paragraph separators, marks, embeddings,
# overrides and isolates of the direction of writing, and surrogates. Joiners (U+200C, U+200D) stay:
# emoji and several scripts need them.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
# Replacements where the encoding of the terminal lacks a character of our messages.
_ASCII = str.maketrans(
    {"×": "x", "—": "-", "–": "-", "−": "-", "…": "...", "·": "-", "±": "+-", "²": "2", "→": "->"}
    | {"≤": "<=", "≥": ">=", "’": "'", "‘": "'", "“": '"', "”": '"', "µ": "u", "\xa0": " "}
)
ERRORS = "perceivers.printable"  # name of the error handler of `readable_errors`


def printable(text: object) -> str:
    r"""Return a text with everything escaped that could change or mislead a terminal.

    Escaped are control characters, line ends included, characters that change the direction of
    writing or are invisible, and bytes that are not UTF-8 (as `\xff`). Backslashes stay as they
    are, so that ordinary names are not changed.

    Args:
        text: the text, or an object such as a path.
    """
    return _UNSAFE.sub(lambda match: _escape(match[0]), str(text))


def portable(name: object) -> str:
    """Return a name for JSON and CSV files: valid UTF-8, and different for different names.

    Args:
        name: a path, or a text that begins with one.

    Returns:
        The name itself if UTF-8 can encode it; else, for names with other bytes, the absolute path
        as a `file://` URI. No path begins with `file://`, because of its double slash.
    """
    text = str(name)
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"file://{quote_from_bytes(os.fsencode(Path(text).absolute()))}"
    return text


def encodable(text: str) -> str:
    r"""Return a text that UTF-8 can encode: bytes that are not UTF-8 become escapes (`\xff`)."""
    return text.encode(errors=ERRORS).decode()


def formatted(value: float, spec: str) -> str:
    """Format a number as `format` does, but 1.007e+04 as 10070.

    Args:
        value: the number; below 1e-6 and from 1e15 on it keeps its exponent.
        spec: Python format specification, such as ".4g".
    """
    written = format(value, spec)
    if "e" not in written or not 1e-6 <= abs(value) < 1e15:
        return written
    return format(Decimal(written), "+f" if "+" in spec else "f")


class LineFormatter(logging.Formatter):
    """Formatter of log records whose messages are escaped by `printable`.

    Messages of other packages keep their line ends.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the formatted message of a record, escaped."""
        ours = record.name.partition(".")[0] == __name__.partition(".")[0]
        lines = [record.message] if ours else record.message.split("\n")
        record.message = "\n".join(map(printable, lines))
        return super().formatMessage(record)


def option_text(value: Any) -> str:
    """Return a value as it is typed after its option; an empty list is shown as "empty"."""
    if isinstance(value, dict):
        return ",".join(f"{name}={option_text(item)}" for name, item in value.items()) or "empty"
    if isinstance(value, tuple | list):
        return ",".join(option_text(item) for item in value) or "empty"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def readable_errors(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an encoding lacks: by similar ASCII, else by their escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(map(_similar, text)), error.end


def _similar(character: str) -> str:
    ascii_ = character.translate(_ASCII)
    return ascii_ if ascii_.isascii() else _escape(character)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


codecs.register_error(ERRORS, readable_errors)
