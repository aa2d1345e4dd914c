"""The same rows in csv, tsv, jsonl, parquet and Python: the same training and the same scores."""

import csv
import datetime
import logging
import shutil

import numpy as np
import pandas as pd
import pytest
from commands import run

import perceivers
from perceivers.training.evaluation import evaluate

SMALL = {"num_latents": 4, "latent_dim": 16, "num_layers_per_block": 1, "num_self_heads": 2}
ROWS = 120


def frame():
    """Return a table whose label is one of its columns, spelled as the format likes."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "member": rng.integers(0, 2, ROWS).astype(bool),
            "rooms": rng.integers(1, 3, ROWS).astype(float),  # as an int column with NaN becomes
            "rate": rng.choice([0.1, 0.25], ROWS).astype(np.float32),
            "day": pd.to_datetime(rng.choice(["2020-01-01", "2021-06-30"], ROWS)),
            "code": rng.choice(["007", "7"], ROWS),
        }
    )
    table.loc[5, "rooms"] = np.nan
    table["label"] = table["member"]
    return table


def write(table, path):
    """Write a table as pandas does, in the format of the suffix."""
    writers = {
        ".csv": lambda: table.to_csv(path, index=False),
        ".tsv": lambda: table.to_csv(path, index=False, sep="\t"),
        ".jsonl": lambda: table.to_json(path, orient="records", lines=True, date_format="iso"),
        ".parquet": lambda: table.to_parquet(path),
    }
    writers[path.suffix]()
    return path


SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


@pytest.fixture(scope="module", params=[".csv", ".parquet"])
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    path = write(frame(), folder / f"train{request.param}")
    return perceivers.train(
        "folder", str(path), out=folder / "run", model=SMALL, trainer={"max_epochs": 8},
        data={"categorical": ("rooms", "rate", "code", "day"), "batch_size": 24},
        optimizer={"lr": 0.02},
    )  # fmt: skip


def test_every_format_scores_the_same(trained, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    scores = [
        evaluate(trained.directory, str(write(frame(), tmp_path / f"t{suffix}")))
        for suffix in SUFFIXES
    ]
    assert scores[0]["top1"] > 0.9
    assert len({(each["top1"], round(each["loss"], 5)) for each in scores}) == 1
    assert "not seen in training" not in caplog.text


def test_every_format_and_python_predict_the_same(trained, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    table = frame()[:8]
    predictor = perceivers.Predictor(trained.directory)
    expected = predictor(table.to_dict("records"))
    assert {label for label, _ in expected[0]} == {"false", "true"}
    typed = table.astype({"member": object, "rate": object}).assign(
        member=[np.bool_(x) for x in table["member"]],
        day=[x.date() for x in table["day"]],
    )
    texts = list(csv.DictReader(write(table, tmp_path / "t.csv").read_text().splitlines()))
    assert predictor(typed.to_dict("records")) == expected
    assert predictor(texts) == expected
    assert predictor([row for _, row in table.iterrows()]) == expected
    with pytest.raises(ValueError, match=r"got one DataFrame; .* predictor\(table.to_dict"):
        predictor(table)
    for suffix in SUFFIXES:
        path = write(table, tmp_path / f"t{suffix}")
        assert [result for _, result in predictor.predict_files([path])] == expected
    assert not caplog.text


def test_codes_are_not_numbers(trained):
    table = trained.model.config.input.parts["table"]
    categories = dict(zip(table.categorical, table.categories, strict=True))
    assert categories["code"] == ("007", "7")
    assert categories["rooms"] == ("1", "2")
    assert categories["rate"] == ("0.1", "0.25")
    assert categories["member"] == ("false", "true")
    assert categories["day"] == ("2020-01-01", "2021-06-30")


def test_categories_that_were_not_seen_are_counted(trained, tmp_path, capsys):
    table = frame().astype({"code": object})
    table.loc[:2, "code"] = ["8", "9", "8"]
    table["day"] = datetime.date(1999, 1, 1)
    path = write(table, tmp_path / "t.csv")
    for command in (["eval", trained.directory, "--data"], ["predict", trained.directory]):
        status, _, err = run(capsys, *command, path)
        assert status == 0
        assert (
            f"{path}: column 'code': 3 of 120 cells hold categories not seen in training and are "
            "masked: '8' (row 1), '9' (row 2)\n"
        ) in err
        assert (
            f"{path}: column 'day': none of its 120 cells holds a category seen in training (such "
            "as '2020-01-01', '2021-06-30'); all are masked, so the model does without this column"
        ) in err


def test_an_unknown_category_of_a_row_is_said_once(trained, caplog):
    predictor = perceivers.Predictor(trained.directory)
    predictor([{"code": "8", "member": True}] * 3)
    assert caplog.text.count("column 'code': '8' was not in the training data; it is masked") == 1


def test_models_of_older_versions_keep_their_categories(trained, tmp_path):
    """Their lists hold the spelling of csv: "False", "1.0"."""
    shutil.copytree(trained.directory, tmp_path / "old")
    old = tmp_path / "old" / "config.json"
    config = old.read_text()
    for new, previous in (('"false"', '"False"'), ('"true"', '"True"'), ('"1"', '"1.0"')):
        config = config.replace(new, previous)
    old.write_text(config.replace('"number_formats": {}', '"num_bands": 8'))
    evaluate_old = evaluate(tmp_path / "old", str(write(frame(), tmp_path / "t.parquet")))
    assert evaluate_old["top1"] > 0.9
