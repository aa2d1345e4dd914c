"""Choose a recipe for a table whose rows are the steps of one long series.

It is a rule of thumb for series of some hundreds to some thousands of steps; nothing about it is
published. A fifth of the steps each is held out for validation and for testing, at the end. The
horizon is a season, and the window a few of them, as far as the parts are long enough.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..data.config import DataConfig
from ..data.label_columns import Labels, read_labels
from ..data.manifest import label_names, prefix_errors
from ..errors import listed
from ..modalities import ForecastConfig, SeriesConfig
from ..modalities.measures import counted
from ..modalities.series import describe_elements, window_config
from ..modalities.series.decode import Series, from_columns, steps_of
from ..modalities.series.seasons import find_season
from ..modalities.series.times import ROW, describe_times, find_time_column, increases, read_times
from ..modalities.table.columns import Columns, read_table
from ..models.config import PerceiverIOConfig
from ..recipes import get_recipe
from ..training.recipe import Recipe

HELD_OUT = 0.2  # of the steps, each for validation and for testing
STEPS = 1500  # training steps
MAX_WINDOWS = 5000  # windows of the training part, approximately
MAX_LENGTH = 512  # steps of a window
LABELLED = 128  # steps of a window that has a label
FITTABLE = 4  # windows for each of its steps from which a regression of it is fitted


@dataclass(frozen=True)
class Found:
    """A table whose rows are the steps of a series."""

    path: Path
    """Path of the table."""
    series: Series
    """The series, without the labels of its steps."""
    labels: Labels | None
    """The labels of the steps; None: the series is to be forecast."""


def find_series(path: Path, config: DataConfig) -> Found | None:
    """Read a table as a series, if it is one; None if each of its rows is an example.

    It is one if the options say so (`data.time`, or the task forecasting), or if it has a column of
    times that increase from row to row and no label.

    Args:
        path: path of the table.
        config: the options of the user.

    Raises:
        ValueError: the options say so, and the table cannot be read as a series.
    """
    said = config.time is not None or config.task == "forecasting"
    with prefix_errors(path):
        table = read_table(path, headless=said)
        cells = {name: x for name, x in steps_of(table).items() if name not in config.ignore}
        if not said and (config.label or _has_label(cells) or not _has_times(cells)):
            return None
        labels = None
        if config.task != "forecasting" and (config.label or _has_label(cells)):
            each = {name: cells.pop(name) for name in label_names(cells, config)}
            labels = read_labels(each, task=config.task, categorical=set(table.categorical))
        series = from_columns(cells, time=config.time)
        wanted = config.label if labels is None else ()
        if unknown := [name for name in wanted if name not in series.names]:
            raise ValueError(f"no column {unknown[0]!r} to forecast: {listed(series.names)}")
    return Found(path, series, labels)


def times_of(cells: Columns) -> str | None:
    """Return the column of times of a table if they increase from row to row; else None."""
    name = find_time_column(cells)
    return name if name is not None and increases(cells[name]) else None


def times_of_table(path: Path, config: DataConfig) -> str | None:
    """Return advice for a table of examples that may be a series; None if it may not.

    Args:
        path: path of the table.
        config: the options of the user.
    """
    columns = read_table(path).columns
    name = times_of({x: cells for x, cells in columns.items() if x not in config.ignore})
    if name is None or name in config.label:
        return None
    return (
        f"found: the times of column {name!r} increase from row to row; if the rows are the steps "
        f"of a series, whose windows are the examples: --data.time {name}, and to forecast it: "
        "--data.task forecasting"
    )


def _has_times(cells: Columns) -> bool:
    """Return whether a table without labels has a column of times.

    Raises:
        ValueError: it has one by its name, whose cells are no times or not in order.
    """
    name = find_time_column(cells)
    if name is None:
        return False
    try:
        read_times(name, cells[name])
    except ValueError as error:
        raise ValueError(
            f"{error}. To learn from each row instead, name the column to predict: "
            "--data.label NAME"
        ) from None
    return True


def _has_label(cells: Columns) -> bool:
    try:
        label_names(cells, DataConfig())
    except ValueError as error:
        return "several columns" in str(error)
    return True


def choose_series(found: Found, config: DataConfig) -> tuple[Recipe, tuple[str, ...]]:
    """Choose a recipe for a series, and describe the choice.

    Args:
        found: the series.
        config: the options of the user.
    """
    series = found.series
    part = int(HELD_OUT * len(series))  # steps of the shorter parts
    spare = max(1, part // 10)
    target = series.names.index(config.label[0]) if config.label and not found.labels else 0
    known = series.values[: len(series) - 2 * part, target]
    season, likeness = find_season(known) if found.labels is None else (1, 0.0)
    horizon, length = 0, min(LABELLED, part - spare)
    if found.labels is None:
        horizon, length = _sizes(season, part, spare)
        season = season if season <= length else 1
    if length < 2:
        raise ValueError(
            f"{found.path}: {counted(len(series), 'step')}; too few for windows in each of three "
            "parts: train, validation and test"
        )
    windows = len(series) - 2 * part - length - horizon + 1
    time = ROW if series.times.name is None else series.times.name
    output = ForecastConfig(
        season=season, base="linear" if windows >= FITTABLE * length else "naive"
    )
    recipe = _labelled(length, found) if found.labels else _forecast(length, horizon, output, found)
    recipe = _fitted(recipe, windows, config, time)
    lines = [
        f"found: {_describe(series)}{_season_words(season, likeness)}",
        f"reads: windows of {length:,} steps, {describe_elements(_input_of(recipe))}",
        _task_words(found, horizon, output, config),
        "splits: by time, the last fifth of the steps for test, the fifth before for validation",
        _training_words(recipe),
    ]
    return recipe, tuple(lines)


def _training_words(recipe: Recipe) -> str:
    trainer = recipe.trainer
    return (
        f"trains: {trainer.max_epochs} epochs in batches of {recipe.data.batch_size}, fewer if "
        f"{trainer.patience} in a row bring no better validation score"
    )


def _sizes(season: int, part: int, spare: int) -> tuple[int, int]:
    """Return the horizon and the length of the window for parts of so many steps."""
    horizon = max(1, min(season if season > 1 else part // 8, part // 3))
    length = min(MAX_LENGTH, max(3 * season, 4 * horizon, 16), part - horizon - spare)
    if length < season <= part - spare - 1:  # a shorter horizon for a whole season to read
        length, horizon = season, part - spare - season
    return horizon, length


def _forecast(length: int, horizon: int, output: ForecastConfig, found: Found) -> Recipe:
    recipe = get_recipe("co2")
    assert isinstance(recipe.model, PerceiverIOConfig)
    inputs = replace(_input_of(recipe), horizon=horizon)
    inputs = window_config(inputs, length, len(found.series.names))
    model = replace(recipe.model, input=inputs, output=output)
    return replace(recipe, model=model)


def _labelled(length: int, found: Found) -> Recipe:
    recipe = get_recipe("vowels")
    inputs = window_config(_input_of(recipe), length, len(found.series.names))
    data = replace(recipe.data, validation=HELD_OUT, test=HELD_OUT)
    assert found.labels is not None
    classes = found.labels.task == "classification"
    trainer = replace(
        recipe.trainer,
        label_smoothing=recipe.trainer.label_smoothing if classes else 0.0,
        monitor="auto",
    )
    return replace(recipe, model=replace(recipe.model, input=inputs), data=data, trainer=trainer)


def _fitted(recipe: Recipe, windows: int, config: DataConfig, time: str) -> Recipe:
    """Return the recipe with the number of epochs for so many windows, and the user's options."""
    stride = max(1, windows // MAX_WINDOWS)
    examples = max(1, windows // stride)
    batch_size = 32 if examples >= 400 else 16
    epochs = min(60, max(5, math.ceil(STEPS * batch_size / examples)))
    return replace(
        recipe,
        name="folder",
        model=replace(recipe.model, input=replace(_input_of(recipe), time=time)),
        data=replace(
            recipe.data,
            name="folder",
            batch_size=batch_size,
            stride=stride,
            label=config.label,
            ignore=config.ignore,
            task=config.task,
            time=time if config.time is not None else None,
        ),
        trainer=replace(recipe.trainer, max_epochs=epochs, patience=max(5, epochs // 4)),
    )


def _input_of(recipe: Recipe) -> SeriesConfig:
    inputs = recipe.model.input
    assert isinstance(inputs, SeriesConfig)
    return inputs


def _describe(series: Series) -> str:
    times = series.times
    missing = int(np.isnan(series.values).sum())
    words = "without times" if times.name is None else describe_times(times)
    return (
        f"a series of {len(series):,} steps of {counted(len(series.names), 'channel')} "
        f"({listed(series.names)}), {words}" + (f", {missing:,} values missing" if missing else "")
    )


def _season_words(season: int, likeness: float) -> str:
    if season == 1:
        return ""
    return f"; a season of {season} steps (correlation {likeness:.2f})"


def _task_words(found: Found, horizon: int, output: ForecastConfig, config: DataConfig) -> str:
    if found.labels is not None:
        names = found.labels.names
        what = listed(names) if found.labels.task == "regression" else f"{len(names)} classes"
        return f"predicts: {what}, the label of the last step of each window"
    base = f"the value {output.season} steps earlier" if output.season > 1 else "the last value"
    if output.base == "linear":
        base += " plus a linear regression of the window"
    what = f"{listed(config.label)}, " if config.label else ""
    line = f"forecasts: {what}the {counted(horizon, 'step')} that follow, as departures from {base}"
    if config.task != "forecasting":
        line += "; to learn from each row instead, name the column to predict: --data.label NAME"
    return line
