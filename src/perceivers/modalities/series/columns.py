"""The columns and the step of the series of a training set."""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import listed
from ..table.dates import find_dates
from ..table.numbers import PLAIN, find_format
from .config import SeriesConfig
from .decode import Series, Window, decode, read_cells, unusual
from .times import ROW, describe_times, median_step


def measure_columns(config: SeriesConfig, sources: Sequence[Any]) -> tuple[SeriesConfig, list[str]]:
    """Complete an input by the names of the columns and the time of a step of training files.

    Args:
        config: the input of the model.
        sources: some of the training files: paths, bytes or windows. Unreadable ones are left out.

    Returns:
        The configuration, and a line that says what was found.

    Raises:
        ValueError: files have other columns than the first, or other times; or none can be read.
    """
    found: dict[str, Series] = {}
    problems = []
    for source in sources:
        if isinstance(source, Window):
            found["the table"] = source.series
            continue
        try:
            found[str(source)] = decode(source, time=config.time)
        except ValueError as error:  # it is skipped, and said, when it is read for training
            problems.append(f"{source}: {error}")
    if not found:
        if problems:
            raise ValueError(f"none of {len(problems)} series can be read; {problems[0]}")
        return config, []
    first, series = next(iter(found.items()))
    for name, other in found.items():
        if sorted(other.names) != sorted(series.names) or other.times.name != series.times.name:
            raise ValueError(
                f"{name} has {_describe(other)}, but {Path(first).name} has {_describe(series)}; "
                "expected the same columns in all series"
            )
    if len(series.names) != config.channels:
        raise ValueError(
            f"the series have {len(series.names)} channels ({listed(series.names)}), and the model "
            f"reads {config.channels}; set --model.input.channels {len(series.names)}"
        )
    step = median_step({name: each.times for name, each in found.items()})
    time = series.times.name
    formats = config.number_formats or _formats(sources, list(found.values()))
    measured = dataclasses.replace(
        config,
        columns=series.names,
        time=ROW if time is None else time,
        step=step,
        number_formats=formats,
    )
    written = [f"{name!r} is written like {example}" for name, example in formats.items()]
    times = "regular steps" if time is None else describe_times(series.times)
    line = "; ".join([f"series: channels {listed(series.names)}", times, *written])
    return measured, [line]


def _formats(sources: Sequence[Any], found: Sequence[Series]) -> dict[str, str]:
    """Return how numbers and times are written, as all cells of a column together show it."""
    names = {name: None for series in found for name in series.formats}
    if not names or isinstance(sources[0], Window):
        return dict(found[0].formats)
    cells: dict[str, list[str | None]] = {name: [] for name in names}
    for source in sources:
        with contextlib.suppress(ValueError):
            for name, each in read_cells(source).items():
                cells.get(name, []).extend(each)
    written = {}
    for name, each in cells.items():
        with contextlib.suppress(ValueError):  # the files differ: each is read as it shows itself
            written[name] = find_dates(each) or find_format(each) or PLAIN
    return unusual(written)


def _describe(series: Series) -> str:
    times = "no times" if series.times.name is None else f"times in {series.times.name!r}"
    return f"columns {listed(series.names)} and {times}"
