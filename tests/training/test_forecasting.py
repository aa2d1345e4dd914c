"""Forecasts: their truth, loss and scores, splits by time, and whole runs."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import torch
from tiny_recipes import tiny_forecast_recipe, write_seasonal_series

import perceivers
from perceivers.cli import main
from perceivers.data.config import DataConfig
from perceivers.data.hold_out import by_time
from perceivers.data.saved_splits import SavedSplits
from perceivers.data.splits import read_splits
from perceivers.files import read_json
from perceivers.modalities import build_reader
from perceivers.models.build import build
from perceivers.predict.series import forecast
from perceivers.report.write import write
from perceivers.training.engine import train
from perceivers.training.evaluation import evaluate
from perceivers.training.forecast_targets import MeanErrors, forecasts
from perceivers.training.recipe_data import fit_to_data, measure_files
from perceivers.training.targets import targets_of

NAN = float("nan")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Return a table of 120 days of two columns."""
    return write_seasonal_series(tmp_path_factory.mktemp("series") / "load.csv")


def fitted(recipe):
    """Return the recipe, completed by its data, the splits and a new model with random outputs."""
    recipe, _ = measure_files(recipe)
    splits = read_splits(recipe.data, build_reader(recipe.model.input))
    recipe = fit_to_data(recipe, splits)
    torch.manual_seed(0)
    model = build(recipe.model, splits.labels)
    torch.nn.init.normal_(model.output.head.weight)
    return recipe, splits, model.eval()


@pytest.mark.parametrize("base", ["naive", "linear"])
def test_scores_equal_those_of_a_reference(table, base):
    output = {"base": base}
    recipe = tiny_forecast_recipe(table, inputs={"channels": 2}, output=output)
    _, splits, model = fitted(recipe)
    targets = targets_of(model)
    targets.measure(splits.examples["train"])
    test = splits.examples["validation"]
    batch, labels = test.__getitems__(range(len(test)))
    batch = batch.clone()
    batch[0, 13, 1] = NAN  # a value that is to be forecast, but missing
    with torch.no_grad():
        outputs, said = model.respond(model.adapter(batch)), model(batch)
    truth = targets.truth(batch, labels)
    torch.testing.assert_close(forecasts(outputs.double(), truth), said)

    values = batch.numpy()[..., 1:]
    known, future = values[:, :12], values[:, 12:]
    std = np.nanstd(known, axis=1, keepdims=True)
    naive = known[:, 6:10]  # one season of 6 steps before each of the 4
    np.testing.assert_allclose(truth[..., 3], naive)
    assert np.allclose(truth[..., 1], naive) == (base == "naive")
    errors = said.numpy() - future
    windows, _ = splits.examples["train"].__getitems__(range(len(splits.examples["train"])))
    windows = windows.numpy()[..., 1:]
    scale = np.nanmean(np.abs(windows[:, 6:] - windows[:, :-6]), axis=(0, 1))
    collection = targets.collection()
    loss = targets.loss(outputs, truth)
    assert float(loss) == pytest.approx(np.nanmean(np.abs(errors) / std), rel=1e-5)
    targets.update(collection, outputs, truth, loss)
    computed = collection.compute()
    reference = {
        "mae": np.nanmean(np.abs(errors), axis=(0, 1)),
        "rmse": np.sqrt(np.nanmean(errors**2, axis=(0, 1))),
        "mase": np.nanmean(np.abs(errors), axis=(0, 1)) / scale,
        "baseline_mae": np.nanmean(np.abs(naive - future), axis=(0, 1)),
        "baseline_mase": np.nanmean(np.abs(naive - future), axis=(0, 1)) / scale,
    }
    for name, expected in reference.items():
        np.testing.assert_allclose(computed[name], expected, rtol=1e-5, err_msg=name)


def test_errors_add_up_over_batches():
    whole, parts = (MeanErrors(2, squared=True) for _ in range(2))
    said, truth = torch.randn(6, 3, 2), torch.randn(6, 3, 2)
    truth[0, 0, 0] = NAN
    whole.update(said, truth)
    for part in (slice(0, 2), slice(2, 6)):
        parts.update(said[part], truth[part])
    torch.testing.assert_close(whole.compute(), parts.compute())
    empty = MeanErrors(2, squared=False)
    empty.update(torch.zeros(1, 2), torch.tensor([[1.0, NAN]]))
    assert empty.compute().tolist() == [1, pytest.approx(NAN, nan_ok=True)]


def test_an_untrained_model_gives_the_naive_forecast(table):
    recipe, _ = measure_files(tiny_forecast_recipe(table, inputs={"channels": 2}))
    model = build(recipe.model, ("load [MW]", "wind"))
    batch = torch.randn(3, 16, 3)
    batch[..., 0] = torch.arange(16.0)
    naive, _ = model.output.naive_and_scale(batch)
    torch.testing.assert_close(model(batch), naive)


@pytest.mark.parametrize("length", [10, 37, 400])
def test_windows_of_the_splits_do_not_overlap(length):
    steps = 5
    starts = torch.arange(0, length - steps + 1)
    spans = torch.stack([starts, starts + steps], dim=1)
    config = DataConfig(validation=0.25, test=0.25)
    if length == 10:
        with pytest.raises(ValueError, match="validation part of the series has 3 steps.*takes 5"):
            by_time(spans, config)
        return
    splits = by_time(spans, config)
    ends = [int(spans[splits[name][1]][:, 1].max()) for name in ("train", "validation", "test")]
    begins = [int(spans[splits[name][1]][:, 0].min()) for name in ("train", "validation", "test")]
    assert begins[0] == 0
    assert ends[0] <= begins[1]
    assert ends[1] <= begins[2]
    assert ends[2] == length


def test_windows_begin_a_stride_apart(table):
    every = tiny_forecast_recipe(table, inputs={"channels": 2})
    third = dataclasses.replace(every, data=dataclasses.replace(every.data, stride=3))
    recipe, _ = measure_files(every)
    reader = build_reader(recipe.model.input)
    counts = [
        sum(len(part) for part in read_splits(each.data, reader).examples.values())
        for each in (every, third)
    ]
    assert counts[0] > 2 * counts[1] > 0


def test_one_column_is_forecast_from_all(table):
    recipe = tiny_forecast_recipe(table, inputs={"channels": 2}, label=("wind",))
    recipe, splits, model = fitted(recipe)
    assert splits.labels == ("wind",)
    assert recipe.model.input.columns == ("wind", "load [MW]")
    assert recipe.model.output.targets == 1
    batch, _ = splits.examples["train"].__getitems__([0, 1])
    assert model(batch).shape == (2, 4, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,x\n" + "".join(f"{i},{i % 6}\n" for i in range(90)), "repeats itself every 6 steps"),
        ("time,x\n" + "".join(f"{i},5\n" for i in range(90)), "column 'x' is constant in the"),
        ("time,x\n1,2\n2,3\n", "the series has 2 steps, and a window takes 12 and 4 to forecast"),
        ("time,x\n1,2\n", "1 step; a series has at least 2"),
        ("time,x\n3,2\n2,3\n", "run backwards"),
        ("time,x\n2,2\n2,3\n", "has 2 in rows 1 and 2"),
        ("time,x\n1,a\n2,b\n", "column 'x' holds text"),
        ("time,x\n1,\n2,\n", "all 2 values of x are missing"),
        ("time,x,y\n1,2,3\n2,3,4\n", "the series has 2 channels .x, y., and the model reads 1"),
    ],
)
def test_series_that_cannot_be_forecast(tmp_path, text, message):
    path = tmp_path / "series.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        train(tiny_forecast_recipe(path), tmp_path / "run")
    assert "\n" not in str(error.value)


def test_options_that_do_not_fit_are_refused(table, tmp_path):
    recipe = tiny_forecast_recipe(table, inputs={"channels": 2})
    wrong = dataclasses.replace(recipe.data, task="regression")
    with pytest.raises(ValueError, match="task=regression, but the model forecasts 4 steps"):
        read_splits(wrong, build_reader(recipe.model.input))
    still = dataclasses.replace(recipe.model.input, horizon=0)
    forecasting = dataclasses.replace(recipe.data, task="forecasting", label=("wind",))
    with pytest.raises(ValueError, match="2 channels|without a horizon"):
        read_splits(forecasting, build_reader(dataclasses.replace(still, channels=1)))
    (tmp_path / "a").mkdir()
    folder = dataclasses.replace(recipe.data, path=str(tmp_path))
    with pytest.raises(ValueError, match="forecasts are learnt from one whose rows are the"):
        read_splits(folder, build_reader(recipe.model.input))
    with pytest.raises(ValueError, match="season=13 with windows of 12 steps"):
        build(dataclasses.replace(
            recipe.model, output=dataclasses.replace(recipe.model.output, season=13)
        ))  # fmt: skip
    with pytest.raises(ValueError, match="set --model.input.normalise window"):
        build(dataclasses.replace(
            recipe.model, input=dataclasses.replace(recipe.model.input, normalise="training")
        ))  # fmt: skip


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    """Return the directory of a run of two epochs."""
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    train(tiny_forecast_recipe(table, inputs={"channels": 2}), run_dir)
    return run_dir


def test_a_run_is_scored_beside_the_naive_forecast(run):
    metrics = read_json(run / "metrics.json")
    assert metrics["test"].keys() >= {"mase", "mae", "rmse", "by_label", "baseline"}
    assert metrics["test"]["baseline"].keys() == {"mase", "mae", "rmse"}
    assert metrics["test"]["by_label"].keys() == {"load [MW]", "wind"}
    assert SavedSplits.read(run).own == ("train",)
    again = evaluate(run)
    assert again["mase"] == pytest.approx(metrics["test"]["mase"])


def test_rows_that_were_added_since_are_new_and_change_no_split(run, table, tmp_path, caplog):
    longer = write_seasonal_series(tmp_path / "load.csv", rows=130)
    recipe = tiny_forecast_recipe(longer, inputs={"channels": 2})
    recipe, _ = measure_files(recipe)
    saved = SavedSplits.read(run)
    caplog.clear()
    splits = read_splits(recipe.data, build_reader(recipe.model.input), saved=saved)
    assert {name: len(x) for name, x in splits.examples.items()} == {
        name: len(x) for name, x in saved.examples.items()
    }
    said = [record.getMessage() for record in caplog.records if "in no split" in record.msg]
    assert said == [] or "10 examples of the data" in said[0]
    new = [m for m in map(str, (r.getMessage() for r in caplog.records)) if "in no split of" in m]
    assert len(new) == 1
    assert new[0].startswith("10 examples of the data")


def test_labels_of_windows_do_not_depend_on_what_lies_before(run, table, tmp_path, caplog):
    """Windows of a series whose beginning was cut off were said to be labelled otherwise."""
    first, *rows = table.read_text().splitlines()
    values = [
        f"{row.split(',')[0]},{1e6 / 3 if i < 30 else 0.1 * (i % 7)},{i % 11}"
        for i, row in enumerate(rows)
    ]
    labels = []
    for name, kept in (("whole", values), ("cut", values[30:])):
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join([first, *kept]))
        recipe, _ = measure_files(tiny_forecast_recipe(path, inputs={"channels": 2}))
        splits = read_splits(recipe.data, build_reader(recipe.model.input), hold_out=False)
        labels.append(splits.examples["train"].labels)
    assert torch.equal(labels[0][30:], labels[1])


def test_the_forecast_of_a_file(run, table, tmp_path):
    model = perceivers.load(run)
    found = forecast(model, table)
    assert found.names == ("load [MW]", "wind")
    assert found.moments == ["2001-05-01", "2001-05-02", "2001-05-03", "2001-05-04"]
    assert found.values.shape == (4, 2)
    rows = table.read_text().splitlines()
    shorter = tmp_path / "shorter.csv"
    shorter.write_text("\n".join([rows[0], *rows[-5:]]))  # less than a window
    assert np.isfinite(forecast(model, shorter).values).all()
    with pytest.raises(ValueError, match="unknown column 'load"):
        forecast(model, b"date,other\n2001-01-01,1\n2001-01-02,2\n")


def test_the_report_of_forecasts(run, monkeypatch):
    from perceivers.report import forecasts as sections
    from perceivers.training.recipe_data import read_recipe, read_recipe_splits, read_saved_splits
    from perceivers.training.scoring import score

    recipe, model = read_recipe(run), perceivers.load(run)
    monkeypatch.setattr(sections, "SHOWN", 1)  # figures take longer than all else here
    splits = read_recipe_splits(recipe, saved=read_saved_splits(run), scored=True)
    scored = score(model, recipe, splits)
    files = write(run, model, recipe, scored, out=run / "report")
    assert [file.name for file in files] == ["predictions.csv", "report.html"]
    page = files[1].read_text()
    assert "seasonal naive" in page
    assert "Not drawn" not in page
    assert "forecast of " in page
    with files[0].open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:5] == ["window", "step", "truth load [MW]", "forecast load [MW]",
                           "naive load [MW]"]  # fmt: skip
    assert len(rows) == 1 + 4 * len(scored.indices)


def test_the_command_writes_a_table_and_a_plot(run, table, tmp_path, capsys):
    out = tmp_path / "forecasts"
    assert main(["predict", str(run), str(table), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{table}: load [MW] ")
    assert "(2001-05-01 to 2001-05-04); wrote " in said
    rows = (out / "load-forecast.csv").read_text().splitlines()
    assert rows[0] == "date,load [MW],wind"
    assert [row.split(",")[0] for row in rows[1:]] == [f"2001-05-0{day}" for day in range(1, 5)]
    assert (out / "load-forecast.png").read_bytes().startswith(b"\x89PNG")
    bad = tmp_path / "bad.csv"
    bad.write_text("date,load [MW],wind\n2001-01-02,1,2\n2001-01-01,1,2\n")
    assert main(["predict", str(run), str(bad), str(table), "--json", "--out", str(out)]) == 1
    captured = capsys.readouterr()
    assert "run backwards" in captured.err
    entries = json.loads(captured.out)
    assert "run backwards" in entries[0]["error"]
    assert entries[1]["forecast"][0]["date"] == "2001-05-01"
    assert main(["predict", str(run), str(table), str(table), "--out", str(out)]) == 1
    assert "several files are called load" in capsys.readouterr().err
