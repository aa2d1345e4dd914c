"""The recipe chosen for folders of time series, and for tables that hold one."""

import dataclasses

import numpy as np
import pytest
from tiny_recipes import write_seasonal_series

from perceivers.autoconfig.choose import choose_for
from perceivers.data.config import DataConfig
from perceivers.modalities.series.seasons import find_season
from perceivers.training.recipe_data import read_recipe_splits


def write_series_folder(root, rows=12, header="time,x,y"):
    """Write two classes, rising and falling, of series with times."""
    for name, sign in (("falls", -1), ("rises", 1)):
        (root / name).mkdir(parents=True)
        for number in range(6):
            lines = [f"{2 * i},{sign * i + number},{i % 3}" for i in range(rows + number)]
            (root / name / f"{number}.csv").write_text("\n".join([header, *lines]) + "\n")
    return root


def test_a_folder_of_series_with_times(tmp_path):
    choice = choose_for(str(write_series_folder(tmp_path)))
    found, reads = choice.lines[:2]
    assert found == (
        "found: 12 csv files in 2 classes, median 14 steps of 2 channels, a column of times"
    )
    assert reads.startswith("reads: up to 17 steps of each series (the longest), one element for")
    config = choice.recipe.model.input
    assert (config.length, config.channels, config.time) == (17, 2, None)


def test_numbers_that_may_be_points_are_series_if_that_is_said(tmp_path):
    folder = str(write_series_folder(tmp_path, header="p,q,r"))
    assert choose_for(folder).recipe.model.input.kind == "points"
    config = choose_for(folder, DataConfig(time="row")).recipe.model.input
    assert (config.kind, config.channels, config.time) == ("series", 3, "row")
    for path in (tmp_path / "falls").iterdir():
        path.rename(path.with_suffix(".wav"))
    (tmp_path / "rises" / "0.csv").rename(tmp_path / "rises" / "0.wav")
    for path in (tmp_path / "rises").glob("*.csv"):
        path.unlink()
    with pytest.raises(ValueError, match=r"holds 7 wav files; expected time series \(.csv, .jsonl"):
        choose_for(folder, DataConfig(time="row"))


def test_a_table_with_times_and_no_label_is_forecast(tmp_path):
    table = write_seasonal_series(tmp_path / "load.csv", rows=200)
    choice = choose_for(str(table))
    found, reads, task, splits, trains = choice.lines
    assert found == (
        "found: a series of 200 steps of 2 channels (load [MW], wind), times in 'date', 1 day a "
        "step, 1 values missing; a season of 6 steps (correlation 0.99)"
    )
    assert reads == "reads: windows of 24 steps, one element for each step"
    assert task.startswith("forecasts: the 6 steps that follow, as departures from the value 6 ste")
    assert "by time" in splits
    assert trains.startswith("trains: 60 epochs in batches of 16")
    model = choice.recipe.model
    assert (model.input.length, model.input.horizon, model.output.season) == (24, 6, 6)
    assert (model.input.channels, model.input.time) == (2, "date")
    one = choose_for(str(table), DataConfig(task="forecasting", label=("wind",)))
    assert "forecasts: wind, the " in one.lines[2]
    assert "--data.label NAME" in task
    assert "--data.label NAME" not in one.lines[2]
    with pytest.raises(ValueError, match="no column 'sun' to forecast"):
        choose_for(str(table), DataConfig(task="forecasting", label=("sun",)))


@pytest.mark.parametrize(("rows", "base"), [(200, "naive"), (400, "linear")])
def test_a_regression_needs_four_windows_for_each_of_its_steps(tmp_path, rows, base):
    choice = choose_for(str(write_seasonal_series(tmp_path / "load.csv", rows=rows)))
    assert choice.recipe.model.output.base == base
    assert ("plus a linear regression of the window" in choice.lines[2]) == (base == "linear")


def test_a_table_with_times_and_a_label_keeps_its_rows_and_names_the_option(tmp_path):
    rows = ["date,x,label"]
    rows += [f"2001-01-{day:02},{day % 7},{'ab'[day % 2]}" for day in range(1, 32)]
    rows += [f"2001-03-{day:02},{day % 7},{'ab'[day % 3 == 0]}" for day in range(1, 32)]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    choice = choose_for(str(tmp_path / "t.csv"))
    assert choice.recipe.model.input.kind == "rows"
    assert any("--data.time date" in line for line in choice.lines)
    windows = choose_for(str(tmp_path / "t.csv"), DataConfig(time="date"))
    assert windows.recipe.model.input.kind == "series"
    assert (windows.recipe.model.input.length, windows.recipe.model.input.channels) == (11, 1)
    assert windows.lines[2] == "predicts: 2 classes, the label of the last step of each window"
    data = dataclasses.replace(windows.recipe.data, path=str(tmp_path / "t.csv"))
    splits = read_recipe_splits(dataclasses.replace(windows.recipe, data=data), decode=False)
    assert splits.labels == ("a", "b")
    first = splits.examples["train"]
    assert first.names([0]) == [f"{tmp_path / 't.csv'} rows 1-11"]
    assert first.labels[0] == 1  # of row 11, the last one


def test_times_that_cannot_be_used_are_the_reason_given(tmp_path):
    (tmp_path / "t.csv").write_text("date,x\n2001-01-01,2\n2001-01-01,3\n2001-01-02,5\n")
    with pytest.raises(ValueError, match=r"'date' has 2001-01-01 in rows 1 and 2.*--data.label"):
        choose_for(str(tmp_path / "t.csv"))


def test_series_too_short_for_three_parts(tmp_path):
    (tmp_path / "t.csv").write_text("time,x\n1,2\n2,3\n3,5\n")
    with pytest.raises(ValueError, match="3 steps; too few for windows in each of three parts"):
        choose_for(str(tmp_path / "t.csv"))


@pytest.mark.parametrize("season", [1, 7, 12])
def test_seasons_are_found(season):
    rng = np.random.default_rng(0)
    steps = np.arange(200)
    values = 0.03 * steps + rng.normal(0, 0.3, len(steps))
    if season > 1:
        values += 2 * np.sin(2 * np.pi * steps / season) + (steps % season == 0)
    values[5] = np.nan
    assert find_season(values)[0] == season
    assert find_season(np.full(50, 3.0)) == (1, 0.0)
