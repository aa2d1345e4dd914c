"""Training on numbers that are written in many ways, or that float32 cannot tell apart."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from commands import run
from torch.utils.data import TensorDataset

import perceivers
from perceivers.training.evaluation import evaluate

SMALL = {"num_latents": 4, "latent_dim": 16, "num_layers_per_block": 1, "num_self_heads": 2}


def train(path, out, epochs=1, **data):
    return perceivers.train(
        "folder", str(path), out=out, model=SMALL, data=data, trainer={"max_epochs": epochs},
        optimizer={"lr": 0.01},
    )  # fmt: skip


def test_written_numbers_train_evaluate_and_predict(tmp_path, capsys):
    rng = np.random.default_rng(0)
    plain = pd.DataFrame({"price": 1000 * rng.normal(size=80), "weight": rng.integers(5, 99, 80)})
    plain["price"] = plain["price"].round(2)
    plain["label"] = np.where(plain["price"] > 0, "dear", "cheap")
    german = plain.assign(
        price=[f"{x:,.2f}".translate(str.maketrans(",.", ".,")) for x in plain["price"]],
        weight=[f"{x} kg" for x in plain["weight"]],
    )
    german.to_csv(tmp_path / "german.csv", index=False, sep=";")
    plain.to_parquet(tmp_path / "plain.parquet")
    _, out, _ = run(capsys, "train", "folder", "--data", tmp_path / "german.csv", "--dry-run")
    assert "price (numeric), weight (numeric)" in out
    assert "found: column 'price': read '" in out
    assert "found: column 'weight': read '" in out
    trained = train(tmp_path / "german.csv", tmp_path / "run")
    table = trained.model.config.input.parts["table"]
    assert table.number_formats == {"price": "1.234,5", "weight": "1.5 kg"}
    assert trained.model.adapter.parts["table"].mean[0] == pytest.approx(
        plain["price"].mean(), abs=200
    )
    scores = [
        evaluate(trained.directory, str(tmp_path / x)) for x in ("german.csv", "plain.parquet")
    ]
    assert scores[0]["loss"] == pytest.approx(scores[1]["loss"], rel=1e-6)
    predictor = perceivers.Predictor(trained.directory)
    a, b = predictor([german.iloc[3][:2].to_dict(), plain.iloc[3][:2].to_dict()])
    assert a == b
    with pytest.raises(ValueError, match="weight: '5 lb' is not a finite number, written like"):
        predictor([{"weight": "5 lb"}])


def test_a_few_words_among_numbers_are_masked_and_said(tmp_path, caplog):
    x = [str(i / 2) for i in range(60)]
    x[6], x[7] = "unknown", "inf"
    table = pd.DataFrame({"x": x, "z": [0.5, 3.25] * 30, "label": ["a", "b"] * 30})
    table.to_csv(tmp_path / "t.csv", index=False)
    trained = train(tmp_path / "t.csv", tmp_path / "run")
    assert trained.metrics["skipped_files"] == []
    words = "column 'x': 2 of 60 cells are not numbers and are masked: 'unknown' (row 7), 'inf'"
    assert words in caplog.text
    assert words in (tmp_path / "run" / "log.txt").read_text()
    assert trained.model.config.input.parts["table"].numeric == ("x", "z")


def test_a_word_among_the_numbers_to_predict_is_refused(tmp_path, capsys):
    y = [str(i / 2) for i in range(60)]
    y[6] = "unknown"
    pd.DataFrame({"x": range(60), "label": y}).to_csv(tmp_path / "t.csv", index=False)
    status, _, err = run(capsys, "train", "folder", "--data", tmp_path / "t.csv", "--dry-run")
    assert status == 1
    assert "label column 'label', row 7: 'unknown' is not a finite number" in err


def test_large_targets_keep_their_digits(tmp_path):
    """In float32, 1700000001 … 1700000060 are one number."""
    x = np.arange(60)
    pd.DataFrame({"x": x, "y": 1_700_000_001 + x}).to_csv(tmp_path / "t.csv", index=False)
    trained = train(tmp_path / "t.csv", tmp_path / "run", epochs=60, label=("y",))
    scale = trained.model.target_scale
    assert scale.mean.dtype == torch.float64
    assert scale.mean.item() == pytest.approx(1_700_000_030.5, abs=9)
    assert trained.metrics["test"]["r2"] > 0.9
    assert trained.metrics["test"]["mae"] < 6
    predictor = perceivers.Predictor(trained.directory)
    numbers = [value for [(_, value)] in predictor([{"x": 5}, {"x": 50}])]
    assert numbers == pytest.approx([1_700_000_006, 1_700_000_051], abs=12)
    assert predictor.as_text([("y", 1_700_000_006.25)]) == "y 1700000006.25"
    assert predictor.as_text([("y", 12.0)]) == "y 12"


def test_large_targets_and_inputs_of_a_dataset_keep_their_digits(tmp_path):
    y = 1_700_000_001 + torch.arange(40, dtype=torch.float64)
    data = TensorDataset(torch.rand(40, 8, 8, 1), y)
    trained = perceivers.train(
        "digits", data, out=tmp_path / "run", trainer={"max_epochs": 1, "monitor": "val_loss"},
        optimizer={"warmup_epochs": 0}, model=SMALL, data={"mixup": 0.2},
    )  # fmt: skip
    assert trained.model.target_scale.mean.item() == pytest.approx(1_700_000_020.5, abs=5)


def test_large_features_are_centred_in_float64(tmp_path):
    x = 1_700_000_001 + np.arange(60)
    label = np.where(np.arange(60) % 2, "a", "b")
    pd.DataFrame({"x": np.random.default_rng(0).permutation(x), "label": label}).to_parquet(
        tmp_path / "t.parquet"
    )
    table = train(tmp_path / "t.parquet", tmp_path / "run").model.adapter.parts["table"]
    assert table.mean.item() == pytest.approx(1_700_000_030.5, abs=9)
    rows = torch.tensor([[1_700_000_001.0], [1_700_000_060.0]], dtype=torch.float64)
    assert not torch.equal(*table(rows).content)


def test_whole_numbers_as_labels_are_said_to_be_numbers(tmp_path, capsys):
    pd.DataFrame({"x": range(60), "label": [i % 30 for i in range(60)]}).to_csv(
        tmp_path / "t.csv", index=False
    )
    status, _, err = run(capsys, "train", "folder", "--data", tmp_path / "t.csv", "--dry-run")
    assert status == 0
    assert "holds 30 different whole numbers, treated as numbers to predict (regression)" in err
    assert "set --data.task classification" in err


@pytest.mark.parametrize(
    "label",
    [
        pd.Categorical([3, 10, 3] * 20),
        pd.Categorical(["10", "3", "3"] * 20),
        [True, False, True] * 20,
        [1.5, 1.5, 2.5] * 20,
    ],
    ids=["ints", "texts", "booleans", "declared"],
)
def test_categorical_labels_are_classes(tmp_path, label):
    table = pd.DataFrame({"x": range(60), "label": label})
    if isinstance(label, list) and label[0] == 1.5:
        table["label"] = table["label"].astype("category")
    table.to_parquet(tmp_path / "t.parquet")
    trained = train(tmp_path / "t.parquet", tmp_path / "run")
    assert trained.metrics["task"] == "classification"
    assert len(trained.model.labels) == 2
    assert evaluate(trained.directory)["examples"] == 6
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["recipe"]["data"]["task"] == "classification"


def test_a_categorical_feature_of_whole_numbers_is_one_of_categories(tmp_path):
    table = pd.DataFrame({"x": pd.Categorical([3, 1, 2] * 20), "label": ["a", "b"] * 30})
    table.to_parquet(tmp_path / "t.parquet")
    config = train(tmp_path / "t.parquet", tmp_path / "run").model.config.input.parts["table"]
    assert (config.numeric, config.categorical, config.categories) == (
        (),
        ("x",),
        (("1", "2", "3"),),
    )
