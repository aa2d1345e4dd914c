"""Forecasts by drawn continuations: loss, scores, and whole runs."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import torch
from tests.tiny_recipes import tiny_path_recipe, write_seasonal_series

import perceivers
from perceivers.cli import main
from perceivers.data.splits import read_splits
from perceivers.files import read_json
from perceivers.modalities import build_reader
from perceivers.modalities.series.draw import draw_forecast
from perceivers.models.build import build
from perceivers.predict.series import forecast
from perceivers.training.engine import train
from perceivers.training.evaluation import evaluate
from perceivers.training.path_targets import PathTargets
from perceivers.training.recipe_data import fit_to_data, measure_files
from perceivers.training.targets import targets_of

NAN = float("nan")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Return a table of 120 days of two columns."""
    return write_seasonal_series(tmp_path_factory.mktemp("series") / "load.csv")


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    """Return the directory of a run of two epochs."""
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    train(tiny_path_recipe(table), run_dir)
    return run_dir


def test_loss_and_scores_equal_those_of_a_reference(table):
    recipe, _ = measure_files(tiny_path_recipe(table))
    splits = read_splits(recipe.data, build_reader(recipe.model.input))
    recipe = fit_to_data(recipe, splits)
    model = build(recipe.model, splits.labels).eval()
    targets = targets_of(model)
    assert isinstance(targets, PathTargets)
    targets.measure(splits.examples["train"])
    examples = splits.examples["validation"]
    batch, labels = examples.__getitems__(range(len(examples)))
    batch = batch.clone()
    batch[0, 13, 1] = NAN  # a value that is to be forecast, but missing
    truth = targets.truth(batch, labels)
    with torch.no_grad():
        outputs = model.respond(model.adapter(batch))
    loss = targets.loss(outputs, truth)
    collection = targets.collection()
    targets.update(collection, outputs, truth, loss)
    computed = collection.compute()

    levels = model.adapter.levels(batch).flatten(1).numpy()[:, -20:]
    centres = (np.arange(16) + 0.5) * 0.5 - 4.0
    weights = np.exp(-0.5 * ((np.clip(levels, -4, 4)[..., None] - centres) / 0.5) ** 2)
    weights /= weights.sum(-1, keepdims=True)
    logs = outputs["logits"].log_softmax(-1).numpy()[..., :16]
    assert float(loss) == pytest.approx(-np.nanmean((weights * logs).sum(-1)), rel=1e-5)

    paths, future = model.sample(batch).numpy(), batch[:, 12:, 1:].numpy()
    said = np.median(paths, axis=1)
    low, high = np.quantile(paths, [0.1, 0.9], axis=1)
    inside = np.where(np.isnan(future), NAN, (low <= future) & (future <= high))
    reference = {
        "mae": np.nanmean(np.abs(said - future), axis=(0, 1)),
        "mase": np.nanmean(np.abs(said - future), axis=(0, 1)) / model.output.mase_scale.numpy(),
        "coverage": np.nanmean(inside, axis=(0, 1)),
    }
    for name, expected in reference.items():
        np.testing.assert_allclose(computed[name], expected, rtol=1e-4, err_msg=name)


def test_while_training_scores_are_of_one_step_ahead(table):
    """A model that is sure of the next token is right up to half a bin."""
    recipe, _ = measure_files(tiny_path_recipe(table))
    splits = read_splits(recipe.data, build_reader(recipe.model.input))
    model = build(fit_to_data(recipe, splits).model, splits.labels)
    targets = targets_of(model)
    batch, labels = splits.examples["train"].__getitems__(range(8))
    truth = targets.truth(batch, labels)
    tokens = model.adapter(batch).content[:, -20:, 0]
    sure = {"logits": 50.0 * torch.nn.functional.one_hot(tokens, 17).float()}
    said, value = targets.metric_inputs("mae", sure, truth)
    errors = (said - value).abs() / truth["values"][..., 2]
    inside = model.adapter.levels(batch)[:, 12:].abs() < 4
    assert errors[inside].nan_to_num().max() <= model.adapter.width / 2 + 1e-6


def test_values_beyond_the_bins_are_said(table, caplog):
    recipe, _ = measure_files(tiny_path_recipe(table))
    splits = read_splits(recipe.data, build_reader(recipe.model.input))
    recipe = fit_to_data(recipe, splits)
    for limit, expected in ((1.0, True), (9.0, False)):
        inputs = dataclasses.replace(recipe.model.input, limit=limit)
        model = build(dataclasses.replace(recipe.model, input=inputs), splits.labels)
        caplog.clear()
        targets_of(model).measure(splits.examples["train"])
        assert ("are beyond 1 standard deviations" in caplog.text) == expected


def test_a_run_is_scored_with_its_coverage(run, capsys):
    metrics = read_json(run / "metrics.json")
    assert metrics["test"].keys() >= {"mase", "mae", "rmse", "coverage", "by_label", "baseline"}
    assert metrics["test"]["baseline"].keys() == {"mase", "mae", "rmse"}
    again = evaluate(run)
    for name in ("mase", "coverage", "loss"):
        assert again[name] == pytest.approx(metrics["test"][name])
    assert main(["eval", str(run)]) == 0
    assert "80% interval covers " in capsys.readouterr().out


def test_the_command_writes_the_interval(run, table, tmp_path, capsys):
    out = tmp_path / "forecasts"
    assert main(["predict", str(run), str(table), "--out", str(out)]) == 0
    with (out / "load-forecast.csv").open(newline="") as file:
        head, *rows = list(csv.reader(file))
    assert head == [
        "date", "load [MW]", "wind", "load [MW] 10%", "load [MW] 90%", "wind 10%", "wind 90%",
    ]  # fmt: skip
    numbers = np.array([[float(cell) for cell in row[1:]] for row in rows])
    assert (numbers[:, 2] <= numbers[:, 0]).all()
    assert (numbers[:, 0] <= numbers[:, 3]).all()
    assert (out / "load-forecast.png").read_bytes().startswith(b"\x89PNG")
    model = perceivers.load(run)
    found = forecast(model, table)
    np.testing.assert_allclose(found.values, numbers[:, :2])
    assert found.interval.shape == (2, 4, 2)
    capsys.readouterr()
    assert main(["predict", str(run), str(table), "--json", "--out", str(out)]) == 0
    [entry] = json.loads(capsys.readouterr().out)
    assert entry["forecast"][0].keys() == set(head)


def test_the_report_draws_the_interval(run, monkeypatch):
    drawn = []

    def recording(figure, *args, **options):
        drawn.append(options)
        draw_forecast(figure, *args, **options)

    monkeypatch.setattr("perceivers.report.forecasts.draw_forecast", recording)
    assert main(["eval", str(run)]) == 0
    assert drawn
    for options in drawn:
        low, high = options["interval"]
        assert low.shape == options["said"].shape == (4, 2)
        assert (low < high).all()
        assert (low <= options["said"]).all()
        assert (options["said"] <= high).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "RUN", "--prompt", "x"], "which does not continue texts"),
        (["export", "RUN", "--out", "m.onnx"], "keeps what it has read"),
        (["explain", "RUN", "FILE", "--out", "maps"], "explanations are of classes and numbers"),
    ],
)
def test_what_such_a_run_cannot_do_is_said_in_a_line(run, table, tmp_path, monkeypatch, capsys,
                                                     arguments, message):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    names = {"RUN": str(run), "FILE": str(table)}
    assert main([names.get(argument, argument) for argument in arguments]) != 0
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1


def test_series_that_cannot_be_forecast(tmp_path):
    path = tmp_path / "series.csv"
    path.write_text("time,x,y\n" + "".join(f"{i},5,{i % 7}\n" for i in range(90)))
    with pytest.raises(ValueError, match="column 'x' is constant in the training part"):
        train(tiny_path_recipe(path), tmp_path / "run")
