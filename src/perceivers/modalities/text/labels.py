"""Labels of the characters of texts: spans in lines of JSON."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from typing_extensions import override

from ...errors import unknown
from ...reading import parser_errors, read_bytes
from ..files import PathOrBytes
from ..labelled import CONTENT, IGNORED, LABELS, LabelledReader, NamedSource
from ..notices import notice
from .decode import encode, numbered_lines

OUTSIDE = "outside"  # class of the bytes that are in no span
SUFFIX = ".jsonl"
LOOKED_AT = 5  # lines of a file in which spans are looked for
SURROGATE = re.compile("[\ud800-\udfff]")

# L bytes


@dataclass(frozen=True)
class Span:
    """A run of characters with a label."""

    start: int
    """Index of its first character."""
    end: int
    """Index of the character after its last one."""
    label: str
    """Its label."""


@dataclass(frozen=True)
class LabelledTextReader(LabelledReader):
    """Decodes texts with a class for each byte.

    A line of a jsonl file is `{"text": …, "spans": [{"start": 0, "end": 5, "label": "NAME"}]}`, in
    characters. The bytes of a character have its label; those in no span have the class "outside".
    Texts that are longer than the reader's are cut.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({SUFFIX})
    unnamed: ClassVar[str] = "spans in lines of jsonl"

    @property
    @override
    def suffixes(self) -> frozenset[str]:
        return self.kinds

    @property
    @override
    def layout(self) -> str:
        return (
            'each line of a jsonl file is {"text": "…", "spans": [{"start": 0, "end": 5, '
            '"label": "NAME"}]}, in characters'
        )

    @override
    def sources(self, path: Path) -> list[NamedSource]:
        try:
            lines = numbered_lines(path)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        return [(f"{path} line {i}", line.encode()) for i, line in lines]

    @override
    def survey(self, source: PathOrBytes) -> Counter[str]:
        text, spans = parse_line(read_bytes(source), labelled=True)
        return Counter(byte_labels(text, spans)[: self.reader.shape[0]])

    @override
    def decode(self, source: PathOrBytes) -> dict[str, np.ndarray]:
        """Decode a line to {"content": ids of bytes, int16 (L), "labels": int16 (L)}."""
        text, spans = parse_line(read_bytes(source), labelled=True)
        length = self.reader.shape[0]
        ids = encode([text], length)[0].numpy().astype(np.int16)
        names = byte_labels(text, spans)
        if len(names) > length:
            notice(f"has more than {length:,} bytes, of which only the first are read")
        if wrong := set(names) - set(self.classes):
            raise unknown("class of elements", min(wrong), self.classes)
        codes = {name: index for index, name in enumerate(self.classes)}
        labels = np.full(length, IGNORED, np.int16)
        count = min(len(names), len(ids))  # characters are cut whole
        labels[:count] = [codes[name] for name in names[:count]]
        return {CONTENT: np.pad(ids, (0, length - len(ids))), LABELS: labels}


def parse_line(raw: bytes, *, labelled: bool = False) -> tuple[str, list[Span]]:
    """Parse a line of JSON with a text and its spans.

    Args:
        raw: the line.
        labelled: whether the line must have spans, of which there may be none.

    Raises:
        ValueError: it is no such line, or a span does not lie inside of the text, overlaps another
            or has no label.
    """
    with parser_errors("line of JSON"):
        row = json.loads(raw)
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise ValueError('no text; expected {"text": "…", "spans": […]}')
    text, given = row["text"], row.get("spans", [])
    if SURROGATE.search(text):
        raise ValueError("the text has half a character (\\ud800 to \\udfff), which has no bytes")
    if labelled and "spans" not in row:
        raise ValueError('no spans; expected {"text": "…", "spans": […]}, with [] if it has none')
    if not isinstance(given, list):
        raise ValueError(f"spans is a {type(given).__name__}; expected a list")
    spans = sorted((_span(one, text) for one in given), key=lambda span: span.start)
    for before, after in itertools.pairwise(spans):
        if after.start < before.end:
            raise ValueError(
                f"the spans {before.label!r} ({before.start} to {before.end}) and {after.label!r} "
                f"({after.start} to {after.end}) overlap; expected one label for each character"
            )
    return text, spans


def line_of(text: str, spans: Sequence[Span]) -> str:
    """Return a text and its spans as a line of JSON, which `parse_line` reads."""
    row = {"text": text, "spans": [asdict(span) for span in spans]}
    return json.dumps(row, ensure_ascii=False)


def _span(given: object, text: str) -> Span:
    if not isinstance(given, dict) or not {"start", "end", "label"} <= set(given):
        raise ValueError(f"a span is {given!r}; expected start, end and label")
    start, end, label = given["start"], given["end"], given["label"]
    if not isinstance(label, str) or not label:
        raise ValueError(f"the label of a span is {label!r}; expected a name")
    whole = all(isinstance(x, int) and not isinstance(x, bool) for x in (start, end))
    if not whole or not 0 <= start < end <= len(text):
        raise ValueError(
            f"the span {label!r} goes from {start!r} to {end!r}, but the text has "
            f"{len(text)} characters; expected 0 ≤ start < end ≤ {len(text)}"
        )
    return Span(start, end, label)


def byte_labels(text: str, spans: Sequence[Span]) -> list[str]:
    """Return the name of the class of each UTF-8 byte of a text."""
    names = [OUTSIDE] * len(text)
    for span in spans:
        names[span.start : span.end] = [span.label] * (span.end - span.start)
    return [name for name, letter in zip(names, text, strict=True) for _ in letter.encode()]


def spans_of(text: str, names: Sequence[str]) -> list[Span]:
    """Return the runs of characters of one class; a character has the class of its first byte.

    Args:
        text: the text.
        names: name of the class of each byte.
    """
    spans: list[Span] = []
    byte = 0
    for index, letter in enumerate(text):
        name, byte = names[byte], byte + len(letter.encode())
        if name == OUTSIDE:
            continue
        if spans and spans[-1].end == index and spans[-1].label == name:
            spans[-1] = Span(spans[-1].start, index + 1, name)
        else:
            spans.append(Span(index, index + 1, name))
    return spans


def has_spans(path: Path) -> bool:
    """Return whether one of the first lines of a file is a text with spans."""
    try:
        with path.open("rb") as file:
            return any(_has_spans(file.readline(2**20)) for _ in range(LOOKED_AT))
    except OSError:
        return False


def _has_spans(raw: bytes) -> bool:
    try:
        row = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and isinstance(row.get("text"), str) and "spans" in row


def texts_of(path: Path, *, skip: bool = False) -> list[str]:
    """Return the texts of the lines of a jsonl file.

    Args:
        path: the file.
        skip: leave out lines that hold no text or wrong spans, unless all do.

    Raises:
        ValueError: the file cannot be read, or a line; the message has its number.
    """
    texts, errors = [], []
    for number, line in numbered_lines(path):
        try:
            texts.append(parse_line(line.encode())[0])
        except ValueError as error:
            errors.append(f"line {number}: {error}")
    if errors and (not skip or not texts):
        raise ValueError(errors[0])
    return texts
