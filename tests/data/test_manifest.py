"""Tables of examples as data sets, and the errors of tables that cannot be used."""

import io
import json
import logging

import pyarrow
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from perceivers.autoconfig.inspect_table import inspect_table
from perceivers.data.config import DataConfig
from perceivers.data.layout import find_manifest
from perceivers.data.manifest import RowFiles, read_manifest, read_table
from perceivers.data.splits import read_splits
from perceivers.modalities.fusion.rows import CellReader, RowReader
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.text.reader import TextReader

READER = RowReader(
    {"photo": ImageReader(4, 1), "note": TextReader(20), "table": CellReader(("age",), (), ())},
    {"photo": "photo"},
    {"note": "note"},
)
HEAD = "photo,note,age,label\n"


@pytest.fixture
def table(tmp_path):
    """Return a function that writes a table next to images 0.png to 9.png and returns its path."""

    def write(text, name="manifest.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    for index in range(10):
        Image.new("L", (4, 4), index).save(tmp_path / f"{index}.png")
    return write


def rows(count=10, label=lambda i: "ab"[i % 2]):
    return "".join(f"{i % 10}.png,note {i},{i}.5,{label(i)}\n" for i in range(count))


def read(path, **changes):
    hold_out = changes.pop("hold_out", False)
    return read_splits(DataConfig(path=str(path), **changes), READER, hold_out=hold_out)


def test_path_of_a_table_or_of_its_folder(table):
    path = table(HEAD + rows())
    for source in (path, path.parent):
        splits = read(source, hold_out=True, validation=0.2, test=0.2)
        assert (splits.labels, splits.task) == (("a", "b"), "classification")
        counts = {name: len(examples) for name, examples in splits.examples.items()}
        assert counts == {"train": 6, "validation": 2, "test": 2}
    batch, labels = read(path).examples["train"].__getitems__([3, 0])
    assert batch["photo"].flatten(1)[:, 0].tolist() == [3, 0]
    assert batch["table"].flatten().tolist() == [3.5, 0.5]
    assert labels.tolist() == [1, 0]


def test_every_kind_of_table(table, tmp_path):
    expected = read(table(HEAD + rows())).examples["train"].examples
    columns = {"photo": [f"{i}.png" for i in range(10)], "note": [f"note {i}" for i in range(10)]}
    columns |= {"age": [i + 0.5 for i in range(10)], "label": ["ab"[i % 2] for i in range(10)]}
    lines = [
        json.dumps(dict(zip(columns, cells, strict=False)))
        for cells in zip(*columns.values(), strict=False)
    ]
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    (tmp_path / "x.parquet").write_bytes(buffer.getvalue())
    tsv = (HEAD + rows()).replace(",", "\t")
    for path in (table("\n".join(lines), "x.jsonl"), table(tsv, "x.tsv"), tmp_path / "x.parquet"):
        got = read(path).examples["train"].examples
        assert set(got) == set(expected)
        for name, x in expected.items():
            assert torch.equal(got[name], x), (path, name)


def test_the_only_parquet_file_of_a_folder_is_its_table(tmp_path, image_folder):
    """Unless it holds images, as data sets on the hub do."""
    path = tmp_path / "rows" / "data.parquet"
    path.parent.mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2], "label": ["x", "y"]}), path)
    assert find_manifest(str(path.parent)) == path
    image = {"bytes": next(image_folder.rglob("*.png")).read_bytes(), "path": "a.png"}
    pyarrow.parquet.write_table(pyarrow.table({"image": [image], "label": [0]}), path)
    assert find_manifest(str(path.parent)) is None
    path.write_bytes(b"damaged")
    assert find_manifest(str(path.parent)) is None


def test_find_manifest(table, tmp_path):
    assert find_manifest(str(tmp_path)) is None
    path = table("a,label\n1,2\n", "Other.CSV")
    assert find_manifest(str(path)) == path
    assert find_manifest(str(tmp_path)) == path  # the only table
    table("", "manifest.txt")
    table("", ".hidden.csv")
    (tmp_path / "images").mkdir()
    assert find_manifest(str(tmp_path)) == path
    (tmp_path / "more").mkdir()
    assert find_manifest(str(tmp_path)) is None  # the sub-folders could be classes
    (tmp_path / "more").rmdir()
    table("a,label\n1,2\n", "test.csv")
    with pytest.raises(ValueError, match=r"Other.CSV and test.csv; point at one of them: --data"):
        find_manifest(str(tmp_path))
    one = table("", "manifest.jsonl")
    assert find_manifest(str(tmp_path)) == one
    table("", "manifest.csv")
    with pytest.raises(ValueError, match=r"manifest.csv and manifest.jsonl; point at one"):
        find_manifest(str(tmp_path))


@pytest.mark.parametrize(
    ("head", "label", "expected"),
    [
        ("a,label", (), ["label"]),
        ("a,Labels", (), ["Labels"]),
        ("a,Target [kg]", (), ["Target [kg]"]),
        ("label,price", ("price",), ["price"]),
        ("label,price,age", ("age", "price"), ["age", "price"]),
    ],
)
def test_label_columns(table, head, label, expected):
    width = head.count(",") + 1
    path = table(f"{head}\n{','.join('1' * width)}\n{','.join('2' * width)}\n")
    manifest = read_manifest(path, DataConfig(label=label))
    assert list(manifest.labels) == expected
    inputs = [name for name in head.split(",") if name not in expected]
    assert list(manifest.columns) == inputs


def test_ignored_columns(table):
    path = table("a,b,label\n1,2,x\n1,2,y\n")
    assert list(read_manifest(path, DataConfig(ignore=("b", "gone"))).columns) == ["a"]


def test_split_column(table):
    names = ["train", "Training", "val", "dev", "TEST"]
    lines = "".join(f"{i}.png,{i % 5},{'ab'[i % 2]},{names[i % 5]}\n" for i in range(10))
    path = table("photo,age,label,Split\n" + lines)
    splits = read(path, hold_out=True)
    ages = {
        name: examples.examples["table"].flatten().tolist()
        for name, examples in splits.examples.items()
    }
    assert ages == {"train": [0, 1, 0, 1], "validation": [2, 3, 2, 3], "test": [4, 4]}
    plain = read_manifest(table("split,label\nleg,a\nhair,b\n"), DataConfig())
    assert (list(plain.columns), list(plain.splits)) == (["split"], ["train"])
    with pytest.raises(ValueError, match=r"'Split', row 2 holds 'nowhere'; .*ignore Split"):
        read(table("photo,label,Split\n0.png,a,test\n1.png,b,nowhere\n"))
    with pytest.raises(ValueError, match="row 1 is empty; expected the name of a split"):
        read(table("photo,label,Split\n0.png,a,\n1.png,b,test\n"))


@pytest.mark.parametrize(
    ("label", "task", "names"),
    [
        (lambda i: "abc"[i % 3], "classification", ("a", "b", "c")),
        (lambda i: ["a|b", "b", "|"][i % 3], "multilabel", ("a", "b")),
        (lambda i: i / 7, "regression", ("label",)),
    ],
)
def test_the_task_follows_from_the_labels(table, label, task, names):
    splits = read(table(HEAD + rows(20, label=label)), hold_out=True)
    assert (splits.task, splits.labels) == (task, names)


def test_missing_files_are_skipped_and_counted(table, caplog):
    path = table(HEAD + rows() + "no.png,hello,3,a\nbad.png,,,b\n")
    (path.parent / "bad.png").write_bytes(b"nonsense")
    splits = read(path)
    assert splits.skipped == (f"{path} row 11", f"{path} row 12")
    assert len(splits.examples["train"]) == 10
    assert f"skipped {path} row 11: photo no.png: no such file; check the path" in caplog.text
    with pytest.raises(ValueError, match=r"row 11: photo no.png: no such file.* without --strict"):
        read(path, strict=True)


def test_missing_columns_are_logged_and_masked(table, caplog):
    caplog.set_level(logging.INFO)
    path = table("photo,label\n0.png,a\n1.png,b\n")
    examples = read(path).examples["train"].examples
    assert not examples["note.present"].any()
    assert f"{path} has no column note, age; it is masked" in caplog.text
    said = "no note in 2 of 2 examples, no cell of the table in 2 of 2 examples; what is missing"
    assert said in caplog.text
    with pytest.raises(ValueError, match="has columns x, label; the model reads photo, note, age"):
        RowFiles.read(table("x,label\n1,2\n"), READER)


ONE_ROW = HEAD + "0.png,x,1,a\n"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "photo,age\n0.png,1\n",
            {},
            "none of the columns photo, age is called label, labels or target; .*--data.label NAME",
        ),
        ("label,target,a\n1,2,3\n", {}, "several columns could be the label: label, target; name"),
        (ONE_ROW, {"label": ("aged",)}, r"\(--data.label\) 'aged'; did you mean 'age'"),
        (ONE_ROW, {"label": ("age", "age")}, "names a column twice: age, age"),
        (ONE_ROW, {"ignore": ("agee",)}, r"\(--data.ignore\) 'agee'; did you mean 'age'"),
        (
            ONE_ROW + "0.png,x,1,b\n",
            {"categorical": ("ag",)},
            r"categorical\) 'ag'; did you mean 'age'",
        ),
        (ONE_ROW + "0.png,x,1,b\n", {"task": "regression"}, "'a' is not a finite number"),
        (ONE_ROW, {}, "has only one class, 'a'"),
        (ONE_ROW + "1.png,y,2,\n", {}, "1 of 2 labels are missing, the first in row 2"),
        (ONE_ROW + "1.png,y,b\n", {}, "line 3 has 3 cells; expected 4"),
        ("", {}, "the file is empty"),
        (HEAD, {}, "no rows below the columns photo, note, age, label"),
        ("a,a,label\n1,2,3\n", {}, r"columns \['a'\] occur more than once"),
        ("label\nx\ny\n", {}, "no columns besides label; expected at least one"),
        ("a,label\n,x\n,y\n", {}, "all columns except label are empty"),
        ("a,label\n1,x\ninf,y\n", {}, "column 'a', row 2: 'inf' is not a finite number"),
        ("a,label\n0.png,x\n1.wav,y\n", {}, "row 2 holds '1.wav', but other rows name image"),
        ("a,label\nn.png,x\nm.png,y\n", {}, "'a': none of 2 images can be read; .*no such file"),
    ],
)
def test_unusable_tables(table, text, options, message):
    path = table(text)
    with pytest.raises(ValueError, match=f"(?s){path}: .*{message}"):
        inspect_table(path, DataConfig(**options))


def test_reader_that_does_not_fit_the_data(table, tmp_path, image_folder):
    path = table(HEAD + rows())
    with pytest.raises(ValueError, match="is a table, and the model reads images"):
        read_splits(DataConfig(path=str(path)), ImageReader(8, 3))
    with pytest.raises(ValueError, match="is not a table .*csv.* nor a folder"):
        read(image_folder)
    with pytest.raises(ValueError, match="or leave out the options label"):
        read_splits(DataConfig(path=str(image_folder), label=("x",)), ImageReader(8, 3))
    (image_folder / "manifest.csv").write_text("of another program\n")
    assert read_splits(DataConfig(path=str(image_folder)), ImageReader(8, 3)).labels == (
        "bright", "dark",
    )  # fmt: skip


def test_a_model_that_was_trained_on_an_index_still_reads_it(tmp_path):
    """Runs of older versions did: to leave the column out would change their scores unsaid."""
    path = tmp_path / "t.csv"
    path.write_text(",x,label\n" + "".join(f"{i},{i % 3},{'ab'[i % 2]}\n" for i in range(8)))
    cells = CellReader(("Unnamed: 0", "x"), (), ())
    splits, _ = read_table(path, RowReader({"table": cells}, {}, {}), DataConfig())
    assert [row.cells["Unnamed: 0"] for _, row in splits["train"].files][:3] == ["0", "1", "2"]
    assert read_manifest(path, DataConfig()).index == ("Unnamed: 0",)
    assert read_manifest(path, DataConfig(label=("Unnamed: 0",))).index == ()
