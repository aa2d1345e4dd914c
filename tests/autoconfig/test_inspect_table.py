"""What is found in a table of examples, and said of it."""

import pytest

from perceivers.autoconfig.inspect_table import inspect_table
from perceivers.data.config import DataConfig


def look(path, **asked):
    return inspect_table(path / "manifest.csv", DataConfig(**asked))


def test_a_mix_is_told_in_a_sentence(mixed_table):
    found = look(mixed_table, ignore=("tags", "price [CHF]"))
    assert found.sentence() == (
        "160 rows: photo (png files, grey, 8 × 8 pixels), "
        "sound (wav files, 8 kHz mono, 0.08 s, 4 missing), note (text, median 20 bytes), "
        "age [years] (numeric, 4 missing), town (3 categories), label (3 classes)"
    )
    assert found.remarks() == []
    assert (found.classes, found.task) == (("both", "none", "one"), "classification")
    assert found.columns["town"].categories == ("Bern", "Oslo", "Rome")
    assert found.splits == {"train": 160}


@pytest.mark.parametrize(
    ("label", "said"),
    [("tags", "tags (any of 2 labels)"), ("price [CHF]", "price [CHF] (to predict)")],
)
def test_what_is_learnt_is_said(mixed_table, label, said):
    assert look(mixed_table, label=(label,)).sentence().endswith(said)


def test_remarks(tmp_path):
    lines = ["id,nr,gone,town,late,split,label"]
    for i in range(6):
        split, late = ("train", "") if i < 4 else ("test", "x")
        lines.append(f"k{i}7,{i + 3},,{'ab'[i % 2]}{i // 4},{late},{split},{'xy'[i % 2]}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    found = look(tmp_path)
    assert found.sentence().startswith("6 rows (2 for test): id (text, 3 bytes), nr (numeric)")
    assert found.remarks() == [
        "left out, being empty: gone, late",
        "another in each row, and read: id, nr; if they only name rows: --data.ignore id,nr",
    ]
    named = look(tmp_path, categorical=("town", "nr"))
    # Those of the training rows: of others nothing can be learnt, they are masked.
    assert named.columns["town"].categories == ("a0", "b0")
    assert named.columns["nr"].categories == ("3", "4", "5", "6")


def test_files_that_cannot_be_read(mixed_table, tmp_path):
    rows = [f"{mixed_table}/{i}.png,{'ab'[i % 2]}" for i in range(8)]
    (tmp_path / "bad.png").write_bytes(b"nonsense")
    (tmp_path / "manifest.csv").write_text("\n".join(["x,label", *rows, "bad.png,a", "no.png,b"]))
    (line,) = look(tmp_path).remarks()
    assert line.startswith("x: 2 of the 10 looked into cannot be read, their rows are skipped: ")
    assert "bad.png: not an image" in line
    assert "no.png: no such file" in line


def test_a_suffix_of_two_modalities_is_told_by_its_files(tmp_path):
    for index in range(4):
        (tmp_path / f"{index}.txt").write_text("1 2 3\n4 5 6\n7 8 9\n" * 5)
        (tmp_path / f"{index}w.txt").write_text("a word or two")
    rows = [f"{i}.txt,{i}w.txt,{'ab'[i % 2]}" for i in range(4)]
    (tmp_path / "manifest.csv").write_text("\n".join(["cloud,word,label", *rows]))
    columns = look(tmp_path).columns
    assert [columns[name].modality.name for name in ("cloud", "word")] == ["points", "text"]
    assert (columns["word"].what, columns["word"].suffixes) == ("file", ("txt",))
