"""Names from elsewhere, printed, logged and written to files."""

import json
import logging
import os
from urllib.parse import unquote_to_bytes

import pytest

from perceivers.printing import ERRORS, LineFormatter, formatted, portable, printable

SURROGATE = os.fsdecode(b"caf\xff.png")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nb\rc\td\x00", r"a\nb\rc\td\x00"),
        ("a\x9b31mb\x7f", r"a\x9b31mb\x7f"),  # C1 controls and delete
        ("gpj.\u202etxt", r"gpj.\u202etxt"),
        ("\u2066a\u2069\u200b\ufeff\u2028", r"\u2066a\u2069\u200b\ufeff\u2028"),
        (SURROGATE, r"caf\xff.png"),
        (r"C:\photos\new.png", r"C:\photos\new.png"),
        ("café 猫 👩‍👩‍👧 × …", "café 猫 👩‍👩‍👧 × …"),
    ],
)
def test_escapes(text, expected):
    assert printable(text) == expected


def test_portable_names_are_utf8_and_distinct():
    names = ["a\nb.png", "\u202ea.png", r"caf\xff.png", SURROGATE, os.fsdecode(b"caf\xfe.png")]
    written = [portable(name) for name in names]
    assert written[:3] == names[:3]
    assert len(set(written)) == len(names)
    assert json.loads(json.dumps(written).encode().decode()) == written
    path = unquote_to_bytes(written[3].removeprefix("file://"))
    assert path == os.fsencode(os.path.abspath(SURROGATE))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_text_in_any_encoding(encoding):
    written = f"8 × 8 — … ± {SURROGATE} 猫".encode(encoding, ERRORS).decode(encoding)
    assert "caf\\xff.png" in written
    if encoding == "ascii":
        assert written == "8 x 8 - ... +- caf\\xff.png \\u732b"


def test_log_lines_are_escaped():
    def line(name, message):
        record = logging.makeLogRecord({"name": name, "msg": "read %s", "args": (message,)})
        return LineFormatter("%(message)s").format(record)

    assert line("perceivers.data", "a\n\x1b[2J") == r"read a\n\x1b[2J"
    assert line("other", "a\n\x1b[2J") == "read a\n" + r"\x1b[2J"


@pytest.mark.parametrize(
    ("value", "spec", "expected"),
    [
        (10_070.4, ".4g", "10070"),
        (-21_103.0, "+.3g", "-21100"),
        (21_103.0, "+.3g", "+21100"),
        (2.5e-5, ".4g", "0.000025"),
        (0.98613, ".2%", "98.61%"),
        (1.5e20, ".4g", "1.5e+20"),
        (1e-9, ".4g", "1e-09"),
        (0.0, ".4g", "0"),
        (float("inf"), ".4g", "inf"),
    ],
)
def test_numbers_are_written_without_exponents(value, spec, expected):
    assert formatted(value, spec) == expected
