"""Training, evaluation and prediction on tables of files and values, with missing cells."""

import csv
import dataclasses
import json
import logging

import numpy as np
import pytest
import torch

import perceivers
from perceivers.autoconfig.choose import choose_for
from perceivers.data.config import DataConfig
from perceivers.modalities.reader import collate
from perceivers.training import engine
from perceivers.training.evaluation import evaluate


def recipe(table, epochs, **options):
    """Return the recipe that is chosen for a table, with a model of a few thousand weights."""
    chosen = choose_for(str(table), DataConfig(**options)).recipe
    sizes = {
        "num_latents": 8,
        "latent_dim": 32,
        "num_layers_per_block": 1,
        "cross_order": (0, 0),
        "block_order": (0, 0),
    }
    return dataclasses.replace(
        chosen,
        model=dataclasses.replace(chosen.model, **sizes),
        data=dataclasses.replace(chosen.data, path=str(table), batch_size=16, test=0.25),
        optimizer=dataclasses.replace(chosen.optimizer, warmup_epochs=0),
        trainer=dataclasses.replace(chosen.trainer, max_epochs=epochs, ema_decay=0.0),
    )


@pytest.fixture(scope="module")
def run(mixed_table, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "mix"
    engine.train(recipe(mixed_table, 6, ignore=("tags", "price [CHF]")), path)
    return path


@pytest.fixture(scope="module")
def rows(mixed_table):
    with (mixed_table / "manifest.csv").open() as file:
        return list(csv.DictReader(file))


def test_label_is_learnt_from_two_columns(run, mixed_table):
    """One column alone determines half of the labels; the commonest class is half of them too."""
    trained = json.loads((run / "metrics.json").read_text())
    assert trained["test"]["examples"] == 39
    assert trained["test"]["top1"] > 0.8
    assert trained["skipped_files"] == []
    assert evaluate(run)["top1"] == pytest.approx(trained["test"]["top1"])
    assert evaluate(run, str(mixed_table / "manifest.csv"))["examples"] == 160


def test_scored_rows_need_not_have_every_class(run, rows, mixed_table):
    """Their classes have the model's numbers, not those of their own order."""
    path = mixed_table / "two.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows([row for row in rows if row["label"] in ("none", "one")])
    try:
        assert evaluate(run, str(path))["top1"] > 0.8
        path.write_text(path.read_text().replace(",one\n", ",three\n"))
        with pytest.raises(
            ValueError, match=r"labels \['none', 'three'\], but the model was trained on"
        ):
            evaluate(run, str(path))
    finally:
        path.unlink()


def test_normalisation_ignores_missing_cells(run, rows):
    table = perceivers.load(run).adapter.parts["table"]
    ages = [float(row["age [years]"]) for row in rows if row["age [years]"]]
    assert table.mean.item() == pytest.approx(np.mean(ages), abs=2)
    assert table.std.item() == pytest.approx(np.std(ages), rel=0.2)


def test_predictions_do_not_depend_on_the_batch(run, rows, mixed_table, monkeypatch):
    monkeypatch.chdir(mixed_table)
    predictor = perceivers.Predictor(run)
    photo, sound = rows[0]["photo"], rows[1]["sound"]
    mix = [
        *rows[:10],
        {"photo": photo},
        {"sound": sound, "age [years]": 31, "town": "Atlantis"},
        {"note": "nothing but a note"},
        {"town": "Bern", "photo": None},
        photo,
    ]
    examples = [predictor.prepare(example) for example in mix]
    with torch.no_grad():
        batch = predictor.reader.batch(collate(examples))
        assert {name for name in batch if name.endswith(".present")} == {
            f"{name}.present" for name in ("photo", "sound", "note", "table")
        }
        together = predictor.model(batch)
        for example, logits in zip(examples, together, strict=True):
            single = collate([example])
            alone = predictor.model(predictor.reader.batch(single))[0]
            torch.testing.assert_close(alone, logits, atol=1e-5, rtol=0)
            present = {n: single[n] for n in predictor.reader.parts if single[f"{n}.present"]}
            only = predictor.model(predictor.reader.batch(present))[0]  # without the missing parts
            torch.testing.assert_close(only, logits, atol=1e-5, rtol=0)
    results = predictor(mix)
    assert dict(results[-1]) == pytest.approx(dict(results[10]), abs=1e-5)
    right = [row["label"] == result[0][0] for row, result in zip(rows, results, strict=False)]
    assert sum(right) >= 8


def test_missing_parts_are_logged(run, mixed_table, caplog):
    caplog.set_level(logging.INFO)
    perceivers.Predictor(run)([mixed_table / "0.png"])
    assert (
        "no sound in 1 of 1 examples, no note in 1 of 1 examples, no cell of the table in 1 of 1 "
        "examples; what is missing is masked"
    ) in caplog.text
    with pytest.raises(
        ValueError, match=r"row: found nothing to read in the columns photo, sound, note, age"
    ):
        perceivers.Predictor(run)([{"foto": "0.png"}])


def test_clips_of_the_sounds_in_a_table(run, mixed_table):
    scores = evaluate(run, str(mixed_table), clips=2)
    assert (scores["clips"], scores["examples"]) == (2, 160)
    with pytest.raises(ValueError, match="leave own_size out"):
        perceivers.Predictor(run, own_size=True)([mixed_table / "0.png"])


def test_regression_with_a_unit(mixed_table, tmp_path):
    ignored = ("tags", "label", "note", "town")
    chosen = recipe(mixed_table, 8, label=("price [CHF]",), ignore=ignored)
    scores = engine.train(chosen, tmp_path / "run")["test"]
    assert scores["r2"] > 0.5
    predictor = perceivers.Predictor(tmp_path / "run")
    assert predictor.as_text(predictor([mixed_table / "0.png"])[0]).endswith(" CHF")


def test_multilabel_column(mixed_table, tmp_path):
    chosen = recipe(mixed_table, 5, label=("tags",), ignore=("label", "price [CHF]", "note"))
    result = engine.train(chosen, tmp_path / "run")
    assert result["task"] == "multilabel"
    assert result["test"]["map"] > 0.8
    other = tmp_path / "other.csv"
    lines = ["photo,tags", *(f"{mixed_table}/{i}.png,dark|{'ab'[i % 2]}" for i in range(9))]
    other.write_text("\n".join(lines).replace("dark|a", "loud").replace("dark|b", "loud|bright"))
    assert set(evaluate(tmp_path / "run", str(other))["by_label"]) == {"bright", "loud"}


def test_table_without_files_decoded_batch_by_batch(mixed_table, tmp_path):
    ignored = ("photo", "sound", "note", "label", "price [CHF]")
    chosen = recipe(mixed_table, 1, label=("tags",), ignore=ignored)
    data = dataclasses.replace(chosen.data, hold_gb=0, workers=1)
    result = engine.train(dataclasses.replace(chosen, data=data), tmp_path / "run")
    assert list(perceivers.load(tmp_path / "run").adapter.parts) == ["table"]
    assert result["test"]["examples"] == 40
