"""Spans of characters as labels of bytes, and back."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from perceivers.modalities import TextConfig, modality_of
from perceivers.modalities.text.decode import OFFSET
from perceivers.modalities.text.labels import (
    LabelledTextReader,
    Span,
    byte_labels,
    has_spans,
    line_of,
    parse_line,
    spans_of,
    texts_of,
)
from perceivers.modalities.text.reader import TextReader
from perceivers.predict.elements import label_bytes

TEXT = "Zoë Ólaf lives in Åre."
SPANS = [{"start": 0, "end": 8, "label": "NAME"}, {"start": 18, "end": 21, "label": "PLACE"}]


def line(spans=SPANS, text=TEXT):
    return json.dumps({"text": text, "spans": spans}).encode()


def test_bytes_have_the_label_of_their_character():
    reader = LabelledTextReader(TextReader(40), classes=("NAME", "PLACE", "outside"))
    example = reader.decode(line())
    raw = TEXT.encode()
    assert bytes((example["content"][: len(raw)] - OFFSET).astype(np.uint8)) == raw
    assert (example["labels"][len(raw) :] == -1).all()
    named = example["labels"][: len(raw)]
    assert bytes(np.frombuffer(raw, np.uint8)[named == 0]).decode() == "Zoë Ólaf"
    assert bytes(np.frombuffer(raw, np.uint8)[named == 1]).decode() == "Åre"
    assert reader.survey(line()) == {"NAME": 10, "PLACE": 4, "outside": len(raw) - 14}


def test_spans_are_the_same_after_a_round_trip():
    text, spans = parse_line(line())
    assert spans_of(text, byte_labels(text, spans)) == spans == [Span(**span) for span in SPANS]
    assert parse_line(line_of(text, spans).encode()) == (text, spans)


def test_long_texts_are_cut_after_a_whole_character():
    reader = LabelledTextReader(TextReader(3), classes=("NAME", "PLACE", "outside"))
    labels = reader.decode(line())["labels"]
    assert labels.tolist() == [0, 0, -1]  # ë has two bytes, of which one fits


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{", "damaged line of JSON"),
        (b"[" * 100_000, "damaged line of JSON"),
        (line(text="half \ud800, and the rest"), "has half a character"),
        (b'{"spans": []}', "no text; expected"),
        (line(spans={}), "spans is a dict; expected a list"),
        (line(spans=[{"start": 0, "end": 3}]), "expected start, end and label"),
        (line(spans=[{"start": 0, "end": 99, "label": "A"}]), "the text has 22 characters"),
        (line(spans=[{"start": 3, "end": 3, "label": "A"}]), "goes from 3 to 3"),
        (line(spans=[*SPANS, {"start": 7, "end": 9, "label": "A"}]), "overlap; expected one label"),
        (line(spans=[{"start": 0, "end": 1, "label": 3}]), "label of a span is 3; expected a name"),
    ],
)
def test_bad_lines(raw, message):
    with pytest.raises(ValueError, match=message):
        parse_line(raw)


def test_a_line_without_spans_has_no_labels_to_learn():
    """It may be a line that nobody has labelled; predictions need none."""
    reader = LabelledTextReader(TextReader(40), classes=("NAME", "PLACE", "outside"))
    raw = json.dumps({"text": TEXT, "entities": SPANS}).encode()
    for read in (reader.survey, reader.decode):
        with pytest.raises(ValueError, match="no spans; expected"):
            read(raw)
    assert reader.survey(line(spans=[])) == {"outside": len(TEXT.encode())}
    assert parse_line(raw) == (TEXT, [])


def test_files_with_spans(tmp_path):
    (tmp_path / "deep.jsonl").write_bytes(b"[" * 100_000)
    assert not has_spans(tmp_path / "deep.jsonl")
    (tmp_path / "a.jsonl").write_bytes(line())
    (tmp_path / "b.jsonl").write_text('{"text": "a", "label": "x"}')
    assert has_spans(tmp_path / "a.jsonl")
    assert not has_spans(tmp_path / "b.jsonl")


def test_files_whose_first_line_is_empty_or_has_no_spans(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\n{"text": "a"}\n' + line())
    assert has_spans(path)


def test_wrong_lines_have_their_number_in_the_file(tmp_path):
    """Empty lines were not counted, predictions named no line, and one line stopped a plan."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n\n" + line() + b"\n" + line(spans=[{"start": 0, "end": 99, "label": "A"}]))
    reader = LabelledTextReader(TextReader(40), classes=("NAME", "PLACE", "outside"))
    assert [name for name, _ in reader.sources(path)] == [f"{path} line 3", f"{path} line 4"]
    assert texts_of(path, skip=True) == [TEXT]
    assert modality_of(TextConfig()).probe(path) == {"bytes": len(TEXT.encode())}
    with pytest.raises(ValueError, match=r"^line 4: the span 'A' goes from 0 to 99"):
        texts_of(path)
    path.write_text("{}")
    with pytest.raises(ValueError, match="line 1: no text"):
        texts_of(path, skip=True)


def test_a_character_that_is_longer_than_what_the_model_reads():
    """It was looked at again and again, for ever."""
    config = SimpleNamespace(config=SimpleNamespace(input=TextConfig(max_length=2)))
    with pytest.raises(ValueError, match="a character takes more than the 2 bytes"):
        label_bytes(config, "\U0001f600")
