"""Tables of files and values: trained, evaluated, predicted; what is missing is masked."""

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


def recipe(table, epochs, **asked):
    """As it is chosen, but for a model of a few thousand weights."""
    chosen = choose_for(str(table), DataConfig(**asked)).recipe
    sizes = {"num_latents": 8, "latent_dim": 32, "num_layers_per_block": 1}
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


def test_it_learns_what_two_columns_tell_together(run, mixed_table):
    """One column alone tells half of the rows; so does the commonest class."""
    trained = json.loads((run / "metrics.json").read_text())
    assert trained["test"]["examples"] == 39
    assert trained["test"]["top1"] > 0.8
    assert trained["skipped_files"] == []
    assert engine.evaluate(run)["top1"] == pytest.approx(trained["test"]["top1"])
    assert engine.evaluate(run, str(mixed_table / "manifest.csv"))["examples"] == 160


def test_other_rows_need_not_have_every_class(run, rows, mixed_table):
    """Their classes are numbered as the model's, not by their own order."""
    path = mixed_table / "two.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows([row for row in rows if row["label"] in ("none", "one")])
    try:
        assert engine.evaluate(run, str(path))["top1"] > 0.8
        path.write_text(path.read_text().replace(",one\n", ",three\n"))
        with pytest.raises(ValueError, match=r"labels \['none', 'three'\], the model knows"):
            engine.evaluate(run, str(path))
    finally:
        path.unlink()


def test_constants_are_of_the_rows_that_have_them(run, rows):
    table = perceivers.load(run).adapter.parts["table"]
    ages = [float(row["age [years]"]) for row in rows if row["age [years]"]]
    assert table.mean.item() == pytest.approx(np.mean(ages), abs=2)
    assert table.std.item() == pytest.approx(np.std(ages), rel=0.2)


def test_a_row_gives_the_same_alone_and_among_others(run, rows, mixed_table, monkeypatch):
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
            held = collate([example])
            alone = predictor.model(predictor.reader.batch(held))[0]
            torch.testing.assert_close(alone, logits, atol=1e-5, rtol=0)
            there = {n: held[n] for n in predictor.reader.parts if held[f"{n}.present"]}
            only = predictor.model(predictor.reader.batch(there))[0]  # the rest is not even given
            torch.testing.assert_close(only, logits, atol=1e-5, rtol=0)
    results = predictor(mix)
    assert dict(results[-1]) == pytest.approx(dict(results[10]), abs=1e-5)
    right = [row["label"] == result[0][0] for row, result in zip(rows, results, strict=False)]
    assert sum(right) >= 8


def test_what_is_missing_is_said(run, mixed_table, caplog):
    caplog.set_level(logging.INFO)
    perceivers.Predictor(run)([mixed_table / "0.png"])
    assert "1 of 1 have no sound, 1 of 1 have no note, 1 of 1 have no table" in caplog.text
    with pytest.raises(
        ValueError, match=r"row: found nothing to read in the columns photo, sound, note, age"
    ):
        perceivers.Predictor(run)([{"foto": "0.png"}])


def test_clips_of_the_sound_in_a_row(run, mixed_table):
    scores = engine.evaluate(run, str(mixed_table), clips=2)
    assert (scores["clips"], scores["examples"]) == (2, 160)
    with pytest.raises(ValueError, match="leave own_size out"):
        perceivers.Predictor(run, own_size=True)([mixed_table / "0.png"])


def test_numbers_with_their_unit(mixed_table, tmp_path):
    ignored = ("tags", "label", "note", "town")
    asked = recipe(mixed_table, 8, label=("price [CHF]",), ignore=ignored)
    scores = engine.train(asked, tmp_path / "run")["test"]
    assert scores["r2"] > 0.5
    predictor = perceivers.Predictor(tmp_path / "run")
    assert predictor.as_text(predictor([mixed_table / "0.png"])[0]).endswith(" CHF")


def test_any_of_several_labels(mixed_table, tmp_path):
    asked = recipe(mixed_table, 5, label=("tags",), ignore=("label", "price [CHF]", "note"))
    result = engine.train(asked, tmp_path / "run")
    assert result["task"] == "multilabel"
    assert result["test"]["map"] > 0.8
    other = tmp_path / "other.csv"
    lines = ["photo,tags", *(f"{mixed_table}/{i}.png,dark|{'ab'[i % 2]}" for i in range(9))]
    other.write_text("\n".join(lines).replace("dark|a", "loud").replace("dark|b", "loud|bright"))
    assert set(engine.evaluate(tmp_path / "run", str(other))["by_label"]) == {"bright", "loud"}


def test_only_numbers_and_categories_decoded_when_asked_for(mixed_table, tmp_path):
    ignored = ("photo", "sound", "note", "label", "price [CHF]")
    asked = recipe(mixed_table, 1, label=("tags",), ignore=ignored)
    data = dataclasses.replace(asked.data, hold_gb=0, workers=1)
    result = engine.train(dataclasses.replace(asked, data=data), tmp_path / "run")
    assert list(perceivers.load(tmp_path / "run").adapter.parts) == ["table"]
    assert result["test"]["examples"] == 40
