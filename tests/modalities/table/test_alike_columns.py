"""Names of columns that differ in case or spaces alone, and numbers that are too large."""

import json

import pytest

from perceivers.autoconfig.inspect_table import inspect_table
from perceivers.data.config import DataConfig
from perceivers.data.label_columns import read_labels
from perceivers.data.manifest import RowFiles, read_manifest
from perceivers.modalities import RowsConfig, TabularConfig, build_reader
from perceivers.modalities.table.columns import read_columns

ROWS = build_reader(RowsConfig(parts={"cells": TabularConfig(numeric=("age", "x"))}))


def test_names_that_differ_in_case_or_spaces_are_said(tmp_path, caplog):
    path = tmp_path / "t.csv"
    rows = [f"{i % 7},{i % 5},{i % 3},{'ab'[i % 2]}" for i in range(30)]
    path.write_text("\n".join(["Age,age ,shoe size,label", *rows]))
    inspect_table(path, DataConfig())
    assert "the columns 'Age' and 'age' differ in case or spaces alone" in caplog.text
    caplog.clear()
    path.write_text("\n".join(["Age,aged,ages,label", *rows]))
    inspect_table(path, DataConfig())
    assert not caplog.text


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_name_twice_is_refused(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    path.write_text("age,age ,label\n1,2,a" if suffix == "csv" else '{"age": 1, "age ": 2}')
    with pytest.raises(ValueError, match=r"columns \['age'\] occur more than once, apart from sp"):
        read_columns(path)


def test_a_column_in_another_case_is_told_from_a_missing_one(tmp_path, caplog):
    RowFiles(tmp_path, {"Age": ["1"], "x": ["2"]}, ROWS)
    assert "column 'Age' is not read as 'age', which differs in case" in caplog.text
    with pytest.raises(ValueError, match="the row has 'AGE ', but the column is called 'age'"):
        ROWS.decode({"AGE ": 3, "x": 2})
    assert ROWS.decode({"x": 2, "other": 1})["cells"][1] == 2


@pytest.mark.parametrize("option", ["label", "ignore", "categorical"])
def test_an_option_in_another_case_gets_a_suggestion(tmp_path, option):
    path = tmp_path / "t.csv"
    path.write_text("x,y,Class\n" + "\n".join(f"{i % 4},{i},{'ab'[i % 2]}" for i in range(20)))
    config = DataConfig(**{"label": ("Class",), option: ("CLASS" if option == "label" else "Y",)})
    wanted = "'Class'" if option == "label" else "'y'"
    with pytest.raises(ValueError, match=f"did you mean {wanted}"):
        inspect_table(path, config)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_whole_numbers_that_are_rounded_are_said(tmp_path, suffix, caplog):
    import pandas as pd

    path = tmp_path / f"t.{suffix}"
    frame = pd.DataFrame(
        {
            "id": [2**53 + 1 + i for i in range(30)],
            "exact": [2**53 - 1 - i for i in range(30)],
            "label": ["ab"[i % 3 == 0] for i in range(30)],
        }
    )
    if suffix == "csv":
        frame.to_csv(path, index=False)
    elif suffix == "jsonl":
        path.write_text("\n".join(map(json.dumps, frame.to_dict("records"))))
    else:
        frame.to_parquet(path, index=False)
    remarks = [x for x in inspect_table(path, DataConfig()).remarks() if "2^53" in x]
    assert len(remarks) == 1
    assert remarks[0].startswith("column 'id': 15 different whole numbers are larger than 2^53")
    assert "'9007199254740993' to 9007199254740992" in remarks[0]
    assert remarks[0].endswith("--data.ignore id or --data.categorical id")


def test_rounded_numbers_to_predict_are_said(caplog):
    caplog.set_level("INFO")
    read_labels({"n": [str(2**53 + 1), "5", "7"]}, task="regression")
    assert "label column 'n': 1 different whole numbers are larger than 2^53" in caplog.text


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_codes_keep_their_zeros(tmp_path, suffix):
    """Labels and categories such as 01234 and 1234 stay different, in every format."""
    import pandas as pd

    path = tmp_path / f"t.{suffix}"
    frame = pd.DataFrame(
        {
            "zip": ["01234", "1234", "00777"] * 10,
            "x": range(30),
            "label": ["01234", "1234"] * 15,
        }
    )
    if suffix == "csv":
        frame.to_csv(path, index=False)
    elif suffix == "jsonl":
        path.write_text("\n".join(map(json.dumps, frame.to_dict("records"))))
    else:
        frame.to_parquet(path, index=False)
    contents = inspect_table(path, DataConfig(categorical=("zip",)))
    assert contents.classes == ("01234", "1234")
    assert contents.columns["zip"].categories == ("00777", "01234", "1234")
    frame["zip"] = frame["zip"].str.zfill(5)
    if suffix == "csv":  # undeclared: codes of one length are categories, others are numbers
        frame.to_csv(tmp_path / "codes.csv", index=False)
        contents = inspect_table(tmp_path / "codes.csv", DataConfig())
        assert contents.columns["zip"].categories == ("00777", "01234")
        remarks = " ".join(contents.remarks())
        assert "column 'zip': codes such as '01234' are categories, not numbers" in remarks
    said = " ".join(inspect_table(path, DataConfig()).remarks())
    assert (
        "column 'zip': '01234' begins with a zero and is read as a number; it may be a code" in said
    )
    manifest = read_manifest(path, DataConfig())
    labels = manifest.read_labels(DataConfig())
    assert labels.values.tolist() == [0, 1] * 15
    reader = build_reader(
        RowsConfig(
            parts={"c": TabularConfig(categorical=("zip",), categories=(("01234", "1234"),))}
        )
    )
    for cell, index in (("01234", 0), ("1234", 1), (1234, 1)):
        assert reader.decode({"zip": cell})["c"].tolist() == [index]
