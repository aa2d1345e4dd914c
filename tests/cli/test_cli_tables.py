"""The command line with a table of files and values."""

import json
import re

import pytest
from commands import run

IGNORED = "tags,price [CHF],note"
SMALL = ["--model.num_latents", "4", "--model.latent_dim", "16", "--model.num_self_heads", "2"]


def test_dry_run(capsys, mixed_table):
    status, out, _ = run(
        capsys, "train", "folder", "--data", mixed_table / "manifest.csv", "--dry-run",
        "--data.label", "price [CHF]", "--data.ignore", "tags,label", "--data.categorical=town",
    )  # fmt: skip
    assert status == 0
    assert out.startswith("found: 160 rows: photo (png files, grey, 8 × 8 pixels), sound (wav")
    assert "price [CHF] (to predict)" in out
    assert "changed: --data.label price [CHF] --data.ignore tags,label" in out
    assert "reads: age [years], town: one element per column" in out
    assert re.search(
        r"data: 144 train, 16 test; 1 number per example \(price \[CHF\]\): regression", out
    )


def test_train_eval_predict(capsys, mixed_table, tmp_path):
    status, out, err = run(
        capsys, "train", "folder", "--data", mixed_table, "--data.ignore", IGNORED,
        "--out", tmp_path / "run", "--trainer.max_epochs", "1", *SMALL,
        "--model.input.dropout", "", "--model.input.parts.photo.num_bands", "2",
        "--data.hold_gb", "0.5",
    )  # fmt: skip
    assert status == 0, err
    assert "found: 160 rows" in (tmp_path / "run" / "log.txt").read_text()
    config = json.loads((tmp_path / "run" / "config.json").read_text())["model"]["input"]
    assert (config["kind"], config["dropout"]) == ("rows", {})
    assert config["files"] == {"photo": "photo", "sound": "sound"}
    assert run(capsys, "eval", tmp_path / "run")[1].startswith("test top-1")
    status, _, err = run(capsys, "train", tmp_path / "run")
    assert (status, err.count("\n")) == (1, 1)
    assert (
        f"is a run, not a recipe; to continue it: perceivers train {tmp_path / 'run'} --resume"
        in err
    )

    table = mixed_table / "new.csv"
    table.write_text(
        "town,photo,age [years]\nBern,1.png,\n,none.png,3\nOslo,2.png,old\n,3.png,50\n"
    )
    status, out, err = run(capsys, "predict", tmp_path / "run", table, "--own-size")
    assert (status, out, err.count("leave own_size out")) == (1, "", 1)  # once, not for each row
    photo, missing = mixed_table / "0.png", tmp_path / "missing.png"
    status, out, err = run(capsys, "predict", tmp_path / "run", table, photo, missing, "--json")
    table.unlink()
    assert status == 1
    assert [entry["file"] for entry in json.loads(out) if "error" not in entry] == [
        f"{table} row 1", f"{table} row 4", str(photo),
    ]  # fmt: skip
    errors = [line for line in err.splitlines() if line.startswith("perceivers: ")]
    assert errors[0] == f"perceivers: {table} row 2: photo none.png: no such file; check the path"
    assert "row 3: age [years]: 'old' is not a finite number" in errors[1]
    assert "missing.png: no such file" in errors[2]
    assert f"{table} has no column sound; it is masked" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data.label", "prise"], "unknown column (--data.label) 'prise'; did you mean 'price"),
        (["--data.ignore", "label"], "is called label, labels or target; name the columns"),
        (["--data.mixup", "0.2"], "the cells of tables cannot be mixed; set --data.mixup 0"),
        (["--data.categorical", "twn"], "(--data.categorical) 'twn'; did you mean 'town'"),
        (["--data.task", "regression", "--data.label", "town"], "is not a finite number"),
        (["--data.task", "regresion"], "value: 'regresion'"),
    ],
)
def test_errors(capsys, mixed_table, options, message):
    ignored = [] if "--data.ignore" in options else ["--data.ignore", "note"]
    arguments = ["train", "folder", "--data", mixed_table, "--dry-run", *ignored, *options]
    status, out, err = run(capsys, *arguments)
    assert status in (1, 2)
    assert message in err.splitlines()[-1]
    assert not out


def test_errors_for_tables_that_cannot_be_predicted(capsys, mixed_table, tmp_path):
    assert run(
        capsys, "train", "folder", "--data", mixed_table, "--data.ignore", f"{IGNORED},photo,sound",
        "--out", tmp_path / "run", "--trainer.max_epochs", "1", *SMALL,
    )[0] == 0  # fmt: skip
    (tmp_path / "bad.csv").write_text("town,a\nBern\n")
    (tmp_path / "other.csv").write_text("x\n1\n")
    status, out, err = run(
        capsys, "predict", tmp_path / "run", tmp_path / "bad.csv", tmp_path / "other.csv"
    )
    assert (status, out) == (1, "")
    assert "bad.csv: line 2 has 1 cells; expected 2" in err
    assert "other.csv has columns x; the model reads age [years], town" in err
