"""Inspection of tables of examples, and the sentences that describe them."""

import numpy as np
import pandas as pd
import pytest
from commands import run

from perceivers.autoconfig.inspect_table import inspect_table
from perceivers.data.config import DataConfig
from perceivers.modalities.table.doubts import describe_unread, doubts
from perceivers.modalities.table.numbers import find_format


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


@pytest.mark.parametrize(
    ("names", "suffix"), [("img/{}.xyz9", ".xyz9"), ("{}.heic", ".heic"), ("{}.a.B7", ".b7")]
)
def test_a_column_of_files_that_cannot_be_read_is_refused(tmp_path, names, suffix):
    (tmp_path / "img").mkdir()
    rows = []
    for i in range(12):
        file = tmp_path / names.format(i)
        file.write_bytes(b"x")
        rows.append(f"{names.format(i)},{'ab'[i % 2]}")
    (tmp_path / "manifest.csv").write_text("\n".join(["photo,label", *rows]))
    with pytest.raises(
        ValueError,
        match=rf"column 'photo' names {suffix} files such as .*; convert them and correct the names"
        ".*--data.ignore photo",
    ):
        inspect(tmp_path)


@pytest.mark.parametrize(
    "text", ["user{}@mail.com", "www.site{}.org", "src/file{}.py", "ends in {}.", "v{}.x", "3.{}"]
)
def test_texts_that_only_look_like_names_of_files_are_learnt(tmp_path, text):
    rows = [f"{text.format(i)},{'ab'[i % 2]}" for i in range(12)]
    (tmp_path / "manifest.csv").write_text("\n".join(["x,label", *rows]))
    assert inspect(tmp_path).columns["x"].what in ("text", "numeric")


def test_a_wide_table_is_described_in_a_few_lines(tmp_path, capsys):
    rng = np.random.default_rng(0)
    table = {f"pixel{i}": rng.integers(0, 256, 40) for i in range(784)}
    table |= {f"kind{i}": rng.choice(["a", "b"], 40) for i in range(15)}
    table |= {"label": rng.choice(["x", "y", "z"], 40)}
    pd.DataFrame(table).to_csv(tmp_path / "manifest.csv", index=False)
    arguments = ["train", "folder", "--data", tmp_path, "--dry-run"]
    status, out, err = run(capsys, *arguments)
    assert status == 0
    assert out.startswith(
        "found: 40 rows: 784 × numeric: pixel0, pixel1, pixel2, pixel3, … (784 in all) · 15 × "
        "categories: kind0, kind1, kind2, kind3, … (15 in all), label (3 classes)\n"
    )
    assert len(out) + len(err) < 2000
    for options in (["--data.label", "foo"], ["--data.ignore", "foo"]):
        assert len(run(capsys, *arguments, *options)[2]) < 600
    help_text = run(capsys, "train", "folder", "--data", tmp_path, "--help")[1]
    assert "(784 in all)" in help_text
    assert "pixel400" not in help_text


def test_a_folder_with_one_table_uses_it(tmp_path, capsys):
    rows = [f"{i % 7}.5,{'ab'[i % 2]}" for i in range(20)]
    (tmp_path / "animals.csv").write_text("\n".join(["x,label", *rows]))
    arguments = ["train", "folder", "--data", tmp_path, "--dry-run"]
    status, out, _ = run(capsys, *arguments)
    assert status == 0
    assert out.startswith(
        f"found: the table {tmp_path / 'animals.csv'}\nfound: 20 rows: x (numeric)"
    )
    (tmp_path / "more.csv").write_text("x,label\n1,a\n")
    status, _, err = run(capsys, *arguments)
    assert status == 1
    assert f"animals.csv and more.csv; point at one of them: --data {tmp_path}/animals.csv" in err


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["<0.1", "0.3"], "'<0.1', but are read as text"),
        (["300 g", "0.4 kg"], "but are read as text"),
        (["1.234", "12.345", "2.000", "7", "12", "980"], "separates thousands, write 1234"),
        (["01234", "98765"], "'01234' begins with a zero and is read as a number"),
        (["03.12.2024", "14.01.2025"], ""),
        (["1.5", "2.25"], ""),
        (["a12", "b13"], ""),
    ],
)
def test_numbers_in_unusual_forms_are_said(cells, said):
    """A column that is read as text, or whose numbers may mean something else."""
    kind = find_format(cells)
    found = [describe_unread(cells)] if kind is None else list(doubts(cells, kind))
    assert said in " ".join(found)
    assert bool(said) == any(found)
