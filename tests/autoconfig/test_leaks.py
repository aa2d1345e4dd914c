"""Columns that alone tell the label, or nothing."""

import numpy as np
import pandas as pd
import pytest
from commands import run

from perceivers.autoconfig.inspect_table import inspect_table
from perceivers.autoconfig.leaks import counts_rows
from perceivers.data.config import DataConfig

ROWS = 200


def noise(**columns):
    """Return a table of noise, sorted by its label, with further columns."""
    rng = np.random.default_rng(0)
    table = {"x": rng.normal(size=ROWS), "town": rng.choice(["Bern", "Oslo"], ROWS)}
    return pd.DataFrame({**table, "label": np.repeat(["a", "b"], ROWS // 2), **columns})


def inspect(path, **options):
    return inspect_table(path, DataConfig(**options))


def shuffled(table):
    return table.sample(frac=1, random_state=0)


def test_the_index_of_a_shuffled_frame_is_left_out(tmp_path, capsys):
    shuffled(noise()).to_parquet(tmp_path / "t.parquet")
    shuffled(noise()).to_csv(tmp_path / "t.csv")
    pd.read_csv(tmp_path / "t.csv").to_csv(tmp_path / "again.csv", index=False)
    for file, name in (
        ("t.parquet", "__index_level_0__"), ("t.csv", "Unnamed: 0"), ("again.csv", "Unnamed: 0"),
    ):  # fmt: skip
        contents = inspect(tmp_path / file)
        assert list(contents.columns) == ["x", "town"]
        assert contents.index == (name,)
        assert contents.leaks == ()
        assert contents.remarks()[0].startswith(
            f"index of a DataFrame, which is ignored: {name}; it may tell the label"
        )
        status, out, _ = run(capsys, "train", "folder", "--data", tmp_path / file, "--dry-run")
        assert status == 0
        assert f"found: index of a DataFrame, which is ignored: {name}" in out
    noise().set_index("town").to_parquet(tmp_path / "named.parquet")
    assert inspect(tmp_path / "named.parquet").index == ("town",)
    shuffled(noise()).to_parquet(tmp_path / "none.parquet", index=False)
    assert inspect(tmp_path / "none.parquet").index == ()


def test_an_unnamed_column_of_words_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text(",label\nx,a\ny,b\n")
    with pytest.raises(ValueError, match="column 1 of 2 has no name"):
        inspect(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "columns",
    [
        {"leak": np.arange(ROWS)},  # reset_index()
        {"leak": np.repeat([1.5, 2.5], ROWS // 2)},
        {"leak": np.repeat(["yes", "no"], ROWS // 2)},
        {"leak": [f"{i // 100}-{i % 7}" for i in range(ROWS)]},
        {"leak": np.arange(ROWS), "label": np.tile(np.repeat(["a", "b"], 25), 4)},
    ],
)
def test_a_column_that_alone_tells_the_label(tmp_path, capsys, columns):
    shuffled(noise(**columns)).to_csv(tmp_path / "t.csv", index=False)
    contents = inspect(tmp_path / "t.csv")
    assert contents.leaks == ("leak",)
    assert contents.remarks()[-1] == (
        "WARNING: leak alone tells the label of every training row; if it is not known for new "
        "examples, leave it out: --data.ignore leak"
    )
    _, out, _ = run(capsys, "train", "folder", "--data", tmp_path / "t.csv", "--dry-run")
    assert "WARNING: leak alone tells" in out


def test_a_copy_of_the_number_to_predict(tmp_path):
    y = np.random.default_rng(1).normal(size=ROWS)
    noise(label=y, cents=np.round(100 * y, 9), half=y + np.arange(ROWS) % 3).to_csv(
        tmp_path / "t.csv", index=False
    )
    assert inspect(tmp_path / "t.csv").leaks == ("cents",)


def test_only_training_rows_count(tmp_path):
    leak = np.repeat(["yes", "no"], ROWS // 2)
    split = np.where(np.arange(ROWS) % 5, "train", "test")
    leak = np.where(split == "test", "yes", leak)
    noise(leak=leak, split=split).to_csv(tmp_path / "t.csv", index=False)
    assert inspect(tmp_path / "t.csv").leaks == ("leak",)


@pytest.mark.parametrize(
    "table",
    [
        noise(),
        noise(x=np.repeat([0.0, 2.0], ROWS // 2) + np.random.default_rng(0).normal(size=ROWS)),
        noise().iloc[::25].assign(x=range(8)),  # too few rows to say
        noise(name=[f"name {i} of them" for i in range(ROWS)]),  # every row has its own text
        noise(seldom=[f"v{i // 2}" if i < 20 else None for i in range(ROWS)]),
        noise(constant=1),
    ],
)
def test_healthy_columns_raise_no_alarm(tmp_path, table):
    shuffled(table).to_csv(tmp_path / "t.csv", index=False)
    assert inspect(tmp_path / "t.csv").leaks == ()


def test_columns_that_are_the_same_in_each_training_row_are_said(tmp_path):
    """They tell a model nothing; a column with missing cells tells which they are."""
    held_out = np.where(np.arange(ROWS) % 5, "train", "test")
    columns = {
        "unit": "cm",
        "zero": np.where(np.arange(ROWS) % 2, "0.0", "0"),
        "yes": np.where(held_out == "test", "no", "yes"),
        "known": np.where(np.arange(ROWS) % 3, "x", ""),
    }
    noise(**columns, split=held_out).to_csv(tmp_path / "t.csv", index=False)
    contents = inspect(tmp_path / "t.csv")
    assert contents.constant == ("unit", "zero", "yes")
    assert (
        "columns that are the same in every training row, so that they tell a model nothing: "
        "unit, zero, yes"
    ) in contents.remarks()
    assert inspect_constant_alone(tmp_path).startswith("WARNING: all columns are the same in every")


def inspect_constant_alone(folder):
    """Return the remark about a table without anything to learn from."""
    labels = ["ab"[i % 2] for i in range(ROWS)]
    pd.DataFrame({"unit": "cm", "label": labels}).to_csv(folder / "u.csv", index=False)
    return inspect(folder / "u.csv").remarks()[0]


def test_columns_that_count_the_rows():
    rng = np.random.default_rng(0)
    for values in (np.arange(5.0), rng.permutation(50) + 7.0, np.cumsum(rng.integers(1, 9, 30))):
        assert counts_rows(values.astype(float))
    for values in ([1.0, 3, 2], rng.normal(size=50), np.sort(rng.normal(size=50)), [1.0, 1, 2]):
        assert not counts_rows(np.array(values))
