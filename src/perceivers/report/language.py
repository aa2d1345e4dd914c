"""The report of a model that continues texts: its bits per byte, line by line, and a sample."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..models.base import PerceiverModel
from ..models.perceiver_ar import PerceiverARModel
from ..training.language import IGNORED
from ..training.scoring import Scored
from .outcome import Makers, Outcome, TaskReport
from .page import Safe, element, joined, paragraph, table, text, tiles

SURPRISING = 20  # lines
MIN_BYTES = 20  # of a line among them
SAMPLE_BYTES, PROMPT_BYTES = 400, 40
SAMPLES = (0.7, 1.0)  # temperatures
RIVALS = {
    "unigram": "frequencies of bytes in the training text",
    "bigram": "frequencies of bytes after each byte in the training text",
    "gzip": "gzip of this text alone",
    "xz": "xz of this text alone",
    "xz_after_training": "xz of this text behind the training text",
}


class Line(NamedTuple):
    """A line of the scored text."""

    number: int
    """Its number, from 1."""
    size: int
    """Number of its bytes, the end of the line included."""
    bits: float
    """Bits per byte."""
    text: str
    """The line itself; bytes that are no UTF-8 are replaced."""


def lines_of(scored: Scored) -> list[Line]:
    """Return the lines of a text with what the model needed for them."""
    predicted = scored.labels != IGNORED
    raw, bits = bytes(scored.labels[predicted].tolist()), scored.outputs[predicted].double()
    lines, start = [], 0
    for number, line in enumerate(raw.splitlines(keepends=True), 1):
        end = start + len(line)
        mean = float(bits[start:end].mean())
        lines.append(Line(number, len(line), mean, line.decode(errors="replace").rstrip("\r\n")))
        start = end
    return lines


def language_rows(outcome: Outcome) -> Iterator[Sequence[object]]:
    """Return the rows of predictions.csv: the bits per byte of each line of the scored text.

    Args:
        outcome: what was scored.
    """
    yield ("line", "bytes", "bits_per_byte", "content")
    for line in lines_of(outcome.scored):
        yield line._replace(bits=round(line.bits, 4))


def language_sections(outcome: Outcome) -> Makers:
    """Return the sections of the report.

    Args:
        outcome: what was scored.
    """
    model, scored = outcome.model, outcome.scored
    return [
        ("Scores", lambda: _scores(scored.scores)),
        ("Surprising lines", lambda: _surprising(scored)),
        ("Continued by the model", lambda: _samples(model, scored)),
    ]


def _scores(scores: Mapping[str, Any]) -> Safe:
    """Return the bits per byte beside those of the rivals."""
    rows = [("this model", f"{scores['bits_per_byte']:.4f}")]
    rows += [(RIVALS.get(name, name), f"{value:.4f}") for name, value in scores["baseline"].items()]
    return joined(
        tiles([("bits per byte", f"{scores['bits_per_byte']:.4f}")]),
        table(("", "bits per byte of the same text"), rows),
    )


def _surprising(scored: Scored) -> Safe:
    """Return the lines that the model found least probable."""
    lines = [line for line in lines_of(scored) if line.size >= MIN_BYTES]
    lines.sort(key=lambda line: line.bits, reverse=True)
    rows = [(line.text, f"{line.bits:.2f}", f"{line.number:,}") for line in lines[:SURPRISING]]
    note = paragraph(f"Of the lines with at least {MIN_BYTES} bytes.", dim=True)
    return joined(table(("", "bits per byte", "line"), rows), note)


def _samples(model: PerceiverModel, scored: Scored) -> Safe:
    """Return continuations of the beginning of the scored text."""
    assert isinstance(model, PerceiverARModel)
    prompt = next((line.text for line in lines_of(scored) if line.text.strip()), "The")
    prompt = prompt[:PROMPT_BYTES]
    prompt = prompt[: prompt.rfind(" ")] if " " in prompt.strip() else prompt
    parts = []
    for temperature in SAMPLES:
        found = model.generate(prompt, SAMPLE_BYTES, temperature=temperature, seed=0)
        parts.append(paragraph(f"Temperature {temperature}, seed 0:", dim=True))
        lines = "\n".join(map(text, found.split("\n")))
        continued = Safe(element("b", prompt) + lines)
        parts.append(element("pre", continued, class_="config"))
    return joined(*parts)


LANGUAGE = TaskReport(
    language_rows,
    language_sections,
    scope="the {split} text of {data}, each byte once",
)
