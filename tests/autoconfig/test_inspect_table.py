"""Inspection of tables of examples, and the sentences that describe them."""

import pytest

from perceivers.autoconfig.inspect_table import inspect_table
from perceivers.data.config import DataConfig


def inspect(path, **options):
    return inspect_table(path / "manifest.csv", DataConfig(**options))


def test_sentence_about_a_table_of_files_and_values(mixed_table):
    contents = inspect(mixed_table, ignore=("tags", "price [CHF]"))
    assert contents.sentence() == (
        "160 rows: photo (png files, grey, 8 × 8 pixels), "
        "sound (wav files, 8 kHz mono, 0.08 s, 4 missing), note (text, median 20 bytes), "
        "age [years] (numeric, 4 missing), town (3 categories), label (3 classes)"
    )
    assert contents.remarks() == []
    assert (contents.classes, contents.task) == (("both", "none", "one"), "classification")
    assert contents.columns["town"].categories == ("Bern", "Oslo", "Rome")
    assert contents.splits == {"train": 160}


@pytest.mark.parametrize(
    ("label", "description"),
    [("tags", "tags (any of 2 labels)"), ("price [CHF]", "price [CHF] (to predict)")],
)
def test_the_sentence_describes_the_label(mixed_table, label, description):
    assert inspect(mixed_table, label=(label,)).sentence().endswith(description)


def test_remarks(tmp_path):
    lines = ["id,nr,gone,town,late,split,label"]
    for i in range(6):
        split, late = ("train", "") if i < 4 else ("test", "x")
        lines.append(f"k{i}7,{i + 3},,{'ab'[i % 2]}{i // 4},{late},{split},{'xy'[i % 2]}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    contents = inspect(tmp_path)
    assert contents.sentence().startswith("6 rows (2 for test): id (text, 3 bytes), nr (numeric)")
    assert contents.remarks() == [
        "empty columns, which are ignored: gone, late",
        (
            "different in each row: id, nr; the model reads them; if they only identify the rows, "
            "leave them out: --data.ignore id,nr"
        ),
    ]
    contents = inspect(tmp_path, categorical=("town", "nr"))
    # Only categories of the training rows count; others could not be learned and are masked.
    assert contents.columns["town"].categories == ("a0", "b0")
    assert contents.columns["nr"].categories == ("3", "4", "5", "6")


def test_unreadable_files_are_reported(mixed_table, tmp_path):
    rows = [f"{mixed_table}/{i}.png,{'ab'[i % 2]}" for i in range(8)]
    (tmp_path / "bad.png").write_bytes(b"nonsense")
    (tmp_path / "manifest.csv").write_text("\n".join(["x,label", *rows, "bad.png,a", "no.png,b"]))
    (line,) = inspect(tmp_path).remarks()
    assert line.startswith(
        "x: 2 of the 10 inspected files cannot be read; their rows are skipped: "
    )
    assert "bad.png: not an image" in line
    assert "no.png: no such file" in line


def test_the_files_decide_between_modalities_that_share_a_suffix(tmp_path):
    for index in range(4):
        (tmp_path / f"{index}.txt").write_text("1 2 3\n4 5 6\n7 8 9\n" * 5)
        (tmp_path / f"{index}w.txt").write_text("a word or two")
    rows = [f"{i}.txt,{i}w.txt,{'ab'[i % 2]}" for i in range(4)]
    (tmp_path / "manifest.csv").write_text("\n".join(["cloud,word,label", *rows]))
    columns = inspect(tmp_path).columns
    assert [columns[name].modality.name for name in ("cloud", "word")] == ["points", "text"]
    assert (columns["word"].what, columns["word"].suffixes) == ("file", ("txt",))
