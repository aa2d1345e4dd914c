"""One long series as a data set: each of its windows is an example. Splits follow one another."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import listed
from ..modalities.series.decode import Series, Window, from_columns, steps_of
from ..modalities.series.reader import SeriesReader
from ..modalities.table.columns import Columns, read_table
from .config import DataConfig
from .file_examples import FileExamples, FileSplits, NamedSource
from .label_columns import read_labels
from .manifest import label_names, prefix_errors

log = logging.getLogger(__name__)

WINDOWS_AT_ONCE = 4096  # whose values are in memory together

# n windows · H horizon · K forecast channels


class SeriesWindows(Sequence[NamedSource]):
    """Windows of a series, each with its name for messages.

    Args:
        path: the table that holds the series.
        series: the series.
        starts: the first step of each window.
        steps: steps of a window, with those to forecast.
    """

    def __init__(self, path: Path, series: Series, starts: Sequence[int], steps: int) -> None:
        self.path, self.series, self.starts, self.steps = path, series, starts, steps

    @property
    def spans(self) -> Tensor:
        """The first step of each window, and the step after its last one, int64 (n, 2)."""
        starts = torch.tensor(list(self.starts), dtype=torch.int64)
        return torch.stack([starts, starts + self.steps], dim=1)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: Any) -> Any:
        window = Window(self.series, self.starts[index], self.starts[index] + self.steps)
        return f"{self.path} rows {window.start + 1}-{window.stop}", window


def read_series(
    path: Path, reader: SeriesReader, config: DataConfig
) -> tuple[FileSplits, tuple[str, ...]]:
    """Return the windows of a table whose rows are the steps of a series, and the label names.

    To forecast, the labels of a window are the means of the values that follow, of each column to
    forecast; the values themselves are part of the example. Otherwise they are those of its last
    row.

    Args:
        path: path of the table.
        reader: reader of windows.
        config: its `label`, `ignore`, `task` and `stride` are used.

    Returns:
        The windows in their order, as the split "train", and the names of the columns to forecast,
        or of the classes, labels or numbers.

    Raises:
        ValueError: the table is no series, has other columns than the model reads, or is too short.
    """
    with prefix_errors(path):
        table = read_table(path, headless=True)
        cells = {name: x for name, x in steps_of(table).items() if name not in config.ignore}
        labels: Columns = {}
        if not reader.horizon:
            labels = {name: cells.pop(name) for name in label_names(cells, config)}
        series = long_series(cells, reader, config)
        starts = _starts(series, reader, config.stride)
        if reader.horizon:
            names = tuple(config.label) or series.names
            values = _means_after(series, reader, starts, len(names))
            # A window without a value to read, or to be compared with, cannot be learnt from.
            kept = np.flatnonzero(np.isfinite(values).all(1) & _any_read(series, reader, starts))
            if not len(kept):
                raise ValueError(f"no window has values before and after: {listed(names)}")
            starts, targets = [starts[i] for i in kept], torch.from_numpy(values[kept])
        else:
            read = read_labels(labels, task=config.task, categorical=set(table.categorical))
            last = torch.tensor(starts) + reader.length - 1
            names, targets = read.names, read.values[last]
    files = SeriesWindows(path, series, starts, len(reader))
    rows = torch.arange(len(starts))
    return {"train": FileExamples(files, targets, rows, reader, config.strict)}, names


def long_series(cells: Columns, reader: SeriesReader, config: DataConfig) -> Series:
    """Return the series of a table, of which the columns to forecast come first.

    Args:
        cells: the columns of the table, without labels of windows.
        reader: its `columns` and `time` are used.
        config: its `label` names the columns to forecast.
    """
    formats = reader.formats
    series = from_columns(cells, time=reader.time, columns=reader.columns, formats=formats)
    wanted = config.label if reader.horizon else ()
    missing = [name for name in wanted if name not in series.names]
    if missing:
        raise ValueError(f"no column {missing[0]!r} to forecast; known: {listed(series.names)}")
    order = (*wanted, *(name for name in series.names if name not in wanted))
    if order != series.names:
        series = from_columns(cells, time=reader.time, columns=order, formats=formats)
    if len(order) != reader.channels:
        raise ValueError(
            f"the series has {len(order)} channels ({listed(order)}), and the model reads "
            f"{reader.channels}; leave columns out with --data.ignore, or set "
            f"--model.input.channels {len(order)}"
        )
    return series


def _starts(series: Series, reader: SeriesReader, stride: int) -> list[int]:
    spare = len(series) - len(reader)
    if spare < 0:
        ahead = f" and {reader.horizon} to forecast" if reader.horizon else ""
        raise ValueError(
            f"the series has {len(series):,} steps, and a window takes {reader.length:,}{ahead}; "
            "choose shorter ones: --model.input.length, --model.input.horizon"
        )
    return list(range(0, spare + 1, stride))


def _means_after(
    series: Series, reader: SeriesReader, starts: Sequence[int], targets: int
) -> np.ndarray:
    """Return the mean of the values after each window, float64 (n, K); NaN if there are none."""
    values = series.values[:, :targets]
    means = np.empty((len(starts), targets))
    # Sums up to each step would be shorter, but round each mean by what lies before its window.
    for block in range(0, len(starts), WINDOWS_AT_ONCE):
        first = np.array(starts[block : block + WINDOWS_AT_ONCE]) + reader.length
        after = values[first[:, None] + np.arange(reader.horizon)]  # n H K
        present = ~np.isnan(after)
        with np.errstate(invalid="ignore"):
            sums = np.where(present, after, 0).sum(1)
            means[block : block + len(first)] = sums / present.sum(1)
    return means


def _any_read(series: Series, reader: SeriesReader, starts: Sequence[int]) -> np.ndarray:
    """Return whether each window has any value, boolean (n,)."""
    present = (~np.isnan(series.values)).any(1)
    counts = np.concatenate([[0], np.cumsum(present)])
    first = np.array(starts)
    filled: np.ndarray = counts[first + reader.length] > counts[first]
    return filled
