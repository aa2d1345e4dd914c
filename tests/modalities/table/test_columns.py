"""Reading of table files of every format, damaged ones included, and what their columns hold."""

import io
import json
import math
import sys

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest

from perceivers.modalities.table import kinds as column_kinds
from perceivers.modalities.table.columns import READERS, read_columns, read_table
from perceivers.modalities.table.config import TABLE_SUFFIXES
from perceivers.modalities.table.kinds import ColumnKind, infer_kinds, parse_numbers

TABLE = {
    "name": ["Ann", "Bob, junior", "Zoë"],
    "age": ["31", None, "2.50"],
    "note": ['says "hi"', "two\nlines", None],
}
CSV = 'name,age,note\nAnn,31,"says ""hi"""\n"Bob, junior",,"two\nlines"\nZoë,2.50,\n'


def parquet(**columns):
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


TABLES = {
    "plain.csv": CSV.encode(),
    "windows.CSV": b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode(),
    "loose.csv": b"\n name , age,note\n"
    + CSV.split("\n", 1)[1].replace("Ann,31", "  Ann , 31").encode()
    + b"\n\n",
    "semicolons.csv": CSV.replace('"Bob, junior"', "Bob| junior")
    .replace(",", ";").replace("|", ",").encode(),
    "tabs.csv": CSV.replace(", ", "|").replace(",", "\t").replace("|", ", ").encode(),
    "excel.csv": b"\xef\xbb\xbfsep=;\r\n" + CSV.replace('"Bob, junior"', "Bob| junior")
    .replace(",", ";").replace("|", ",").replace("\n", "\r\n").encode(),
    "bars.csv": CSV.replace('"Bob, junior"', "Bob- junior")
    .replace(",", "|").replace("-", ",").encode(),
    "table.tsv": CSV.replace(", ", "|").replace(",", "\t").replace("|", ", ").encode(),
    "table.jsonl": b'{"name": "Ann", "age": 31, "note": "says \\"hi\\""}\n\n'
    b'{"name": "Bob, junior", "age": null, "note": "two\\nlines"}\n'
    + '{"name": "Zoë", "age": 2.50}\n'.encode(),
    "table.parquet": parquet(**TABLE),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_files_of_every_format(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(TABLES[name])
    assert read_columns(path) == TABLE
    assert list(read_columns(path)) == list(TABLE)
    assert read_columns(TABLES[name], kind=path.suffix, required=["age"]) == TABLE


def test_a_table_in_utf16():
    """As Excel saves "Unicode text"."""
    raw = "naïve\tb\r\n1\té\r\n".encode("utf-16")
    assert read_columns(raw, kind="tsv") == {"naïve": ["1"], "b": ["é"]}


def test_values_that_are_not_text():
    lines = [{"a": True, "b": 1}, {"b": 1e-7, "c": ""}, {"a": False, "b": float("nan")}]
    raw = "\n".join(map(json.dumps, lines)).encode()
    assert read_columns(raw, kind="ndjson") == {
        "a": ["true", None, "false"], "b": ["1", "1e-07", None], "c": [None, None, None],
    }  # fmt: skip
    raw = parquet(a=[True, None], b=[1, 2**60], c=[0.1, math.nan])
    assert read_columns(raw, kind="parquet") == {
        "a": ["true", None], "b": ["1", str(2**60)], "c": ["0.1", None],
    }  # fmt: skip


def test_what_a_file_says_about_its_columns():
    """An unnamed first column of whole numbers is an index; parquet notes index and categories."""
    for name in ("", "Unnamed: 0"):
        table = read_table(f"{name},x\n7,a\n5,b\n".encode(), kind="csv")
        assert (table.index, list(table.columns)) == (("Unnamed: 0",), ["Unnamed: 0", "x"])
    assert read_table(b"id,x\n7,a\n5,b\n", kind="csv").index == ()
    frame = pandas.DataFrame({"k": pandas.Categorical([3, 1]), "x": [1, 2]}, index=[5, 7])
    table = read_table(frame.to_parquet(), kind="parquet")
    assert (table.index, table.categorical) == (("__index_level_0__",), ("k",))
    assert read_table(frame.reset_index(drop=True).to_parquet(), kind="parquet").index == ()


@pytest.mark.parametrize("notes", [b"{", b"[]", b"3", b'{"index_columns": 3, "columns": [1]}'])
def test_damaged_notes_of_pandas_are_ignored(notes):
    table = pyarrow.table({"a": [1]}).replace_schema_metadata({"pandas": notes})
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    assert read_columns(buffer.getvalue(), kind="parquet") == {"a": ["1"]}


def test_times_and_32_bit_floats_of_parquet():
    raw = parquet(
        t=pyarrow.array([2**62 + 1, 0], pyarrow.timestamp("ns")),
        d=pyarrow.array([2**40, 0], pyarrow.timestamp("s")),
        f=pyarrow.array([0.1, None], pyarrow.float32()),
    )
    columns = read_columns(raw, kind="parquet")
    assert columns["t"] == ["2116-02-20 23:53:38.427387905", "1970-01-01"]
    assert columns["d"][1] == "1970-01-01"
    assert columns["f"] == ["0.1", None]


def test_a_cell_may_be_a_long_text():
    long = "word " * 100_000
    assert read_columns(f"text\n{long}\n".encode(), kind="csv") == {"text": [long.strip()]}


@pytest.mark.parametrize(
    ("raw", "kind", "message"),
    [
        (b"", "csv", "the file is empty; expected named columns and rows"),
        (b"\xef\xbb\xbf\n", "csv", "the file is empty"),
        (b"\n", "jsonl", "the file is empty"),
        (b"{}\n", "jsonl", "the file is empty"),
        (b"a,b\n", "csv", "no rows below the columns a, b"),
        (parquet(a=[]), "parquet", "no rows below the columns a"),
        (b"a,b\n1,2\n\n3\n", "csv", "line 4 has 1 cells; expected 2, one for each of a, b"),
        (b'a,b\n1,"x\ny"\n1,2,3\n', "csv", "line 4 has 3 cells; .* quote cells that contain ','"),
        (b"a\tb\n1\t2\t3\n", "tsv", r"line 2 has 3 cells; .* contain '\\t'"),
        (b'a,b\n1,"x\n', "csv", "damaged table: line 2: unexpected end of data"),
        (b'a,b\n1,"x"y\n', "csv", "damaged table: line 2: ',' expected after '\"'"),
        (b"a,,b\n1,2,3\n", "csv", "column 2 of 3 has no name; .*index=False"),
        (b"a,b, a\n1,2,3\n", "csv", r"columns \['a'\] occur more than once"),
        (b'{"a": 1, "a": 2}\n', "jsonl", "line 1 repeats a name among a, a"),
        (b'{"a": 1}\n{"a": 1\n', "jsonl", "line 2 is not JSON"),
        (b'{"a": 1}\n\n[1]\n', "jsonl", "line 3 is a list; expected an object"),
        (b'{"a": 1}\n"b"\n', "jsonl", "line 2 is a str; expected an object"),
        (b'{"a": {"b": 1}}\n', "jsonl", "line 1, column 'a' holds a list, an object or bytes"),
        (b'{"a": [1]}\n', "jsonl", "line 1, column 'a' holds a list, an object or bytes"),
        (parquet(a=[[1]]), "parquet", "column 'a' holds a list"),
        (parquet(a=[b"\x89PNG"]), "parquet", "column 'a' holds .* bytes"),
        (parquet(a=[1])[:-9], "parquet", "damaged parquet file"),
        (b"", "parquet", "damaged parquet file"),
        (b"a,b\n1,2\n\xff,3\n", "csv", "not UTF-8: byte 8, in line 3"),
        ("a\n1\n".encode("utf-16")[:-1], "csv", "not UTF-16, .* byte 8 is damaged"),
        (b"a\n1\n", "xlsx", "unknown kind of table 'xlsx'; known: csv, jsonl"),
        (b"a\n1\n", None, "bytes have no suffix"),
    ],
)
def test_files_that_cannot_be_read(raw, kind, message):
    with pytest.raises(ValueError, match=message):
        read_columns(raw, kind=kind)


def test_columns_and_files_that_are_missing(tmp_path):
    with pytest.raises(ValueError, match="unknown column 'lable'; did you mean 'label'"):
        read_columns(b"image,label\na.png,3\n", kind="csv", required=["image", "lable"])
    with pytest.raises(ValueError, match="no such file"):
        read_columns(tmp_path / "none.csv")


def test_pyarrow_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert read_columns(TABLES["plain.csv"], kind="csv") == TABLE
    with pytest.raises(ImportError, match=r"pyarrow is not installed.*perceivers\[data\]"):
        read_columns(TABLES["table.parquet"], kind="parquet")


SUFFIXES = {"image": {".png", ".npy"}, "text": {".txt"}, "points": {".ply", ".txt", ".npy"}}


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([None, None], ColumnKind("empty")),
        (["a.png", None, "dir.x/b b.PNG"], ColumnKind("file", "image")),
        (["a.png"], ColumnKind("file", "image")),
        (["a.npy", "b.png"], ColumnKind("file", "image")),  # the first modality that has .npy
        (["a.txt"], ColumnKind("file", "text")),
        (["a.ply"], ColumnKind("file", "points")),
        (["1", "-2.5", "3e4", None], ColumnKind("numeric")),
        (["1", "NA", "?", "nan", "-", "None"], ColumnKind("numeric")),
        (["0", "1"] * 9, ColumnKind("numeric")),
        (["inf", "1"], ColumnKind("numeric")),  # parse_numbers refuses the "inf"
        (["red", "blue", "red", "red"], ColumnKind("categorical")),
        (["NA", "DE", "NA", "DE"], ColumnKind("categorical")),
        (["NA", "NA"], ColumnKind("categorical")),
        (["1_000", "1_000"], ColumnKind("categorical")),
        (["01067", "80331", "01067", "80331"], ColumnKind("categorical")),  # codes
        (["01067", "80331"], ColumnKind("numeric")),  # none occurs twice
        (["01067", "1234"] * 2, ColumnKind("numeric")),
        (["-1067", "01067"] * 2, ColumnKind("numeric")),
        (["1.2.24", "1.2.24"], ColumnKind("categorical")),
        (["a good film", "a bad one", None], ColumnKind("text")),
        (["red", "blue", "green", "red"], ColumnKind("text")),  # few rows
        (["ends in a.png", "does not", "nor this"], ColumnKind("text")),
        (["版本.", "好"], ColumnKind("text")),
    ],
)
def test_kinds(cells, kind):
    assert infer_kinds({"x": cells}, SUFFIXES) == {"x": kind}


def test_columns_of_too_many_categories_are_text(monkeypatch):
    monkeypatch.setattr(column_kinds, "MAX_CATEGORIES", 3)
    cells = [str(value) + "th" for value in range(3)] * 2
    assert infer_kinds({"x": cells}, {})["x"] == ColumnKind("categorical")
    assert infer_kinds({"x": [*cells, "4th", "4th"]}, {})["x"] == ColumnKind("text")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["a.png", None, "lost", "c.png"], "column 'x': row 3 holds 'lost', but other rows name"),
        (["a.png", "b.ply"], "row 2 holds 'b.ply', but other rows name image files"),
    ],
)
def test_files_and_other_cells_in_one_column(cells, message):
    with pytest.raises(ValueError, match=message):
        infer_kinds({"x": cells}, SUFFIXES)


def test_every_table_suffix_has_a_reader():
    assert {f".{kind}" for kind in READERS} == TABLE_SUFFIXES


def test_parse_numbers():
    got = parse_numbers(["1", None, "NaN", "n/a", "-2.5e3", "0"])
    np.testing.assert_array_equal(got, [1, np.nan, np.nan, np.nan, -2500, 0])


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e999", "1,5", "1_0", "x"])
def test_cells_that_are_not_finite_numbers(cell):
    with pytest.raises(ValueError, match=f"row 2: '{cell}' is not a finite number"):
        parse_numbers(["1", cell])
