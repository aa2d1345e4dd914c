"""Forecasts of files of time series."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..files import write_atomically, write_csv
from ..modalities import SeriesConfig, build_reader
from ..modalities.drawing import new_figure, quiet_fonts
from ..modalities.files import PathOrBytes
from ..modalities.reader import collate
from ..modalities.series.decode import Series
from ..modalities.series.draw import draw_forecast
from ..modalities.series.reader import SeriesReader
from ..models.base import PerceiverModel
from .formatting import check_finite

# H horizon · K forecast channels

WIDTH, HEIGHT = 8.0, 2.4  # inches of a drawing, and of each channel in it


@dataclass(frozen=True)
class Forecast:
    """The forecast of a series."""

    names: tuple[str, ...]
    """Names of the K channels."""
    times: np.ndarray
    """The times of the H steps, float64; of dates the days since 1970-01-01."""
    values: np.ndarray
    """Float64 (H, K), in the units of the series."""
    series: Series
    """The series that it goes on from."""

    @property
    def moments(self) -> list[str]:
        """The times as text."""
        return [self.series.times.text(float(time)) for time in self.times]

    def rows(self) -> list[list[Any]]:
        """Return the rows of a table: names, then the time and the values of each step."""
        head = [self.series.times.name or "step", *self.names]
        pairs = zip(self.moments, self.values.tolist(), strict=True)
        return [head, *([moment, *values] for moment, values in pairs)]


@torch.inference_mode()
def forecast(model: PerceiverModel, source: PathOrBytes) -> Forecast:
    """Forecast the steps that follow a series.

    The model reads the last steps of the series, as many as it was trained on; what a shorter one
    lacks is missing. Times go on as they are: by months if they are months apart, else by their
    median distance.

    Args:
        model: a model that forecasts, such as perceivers.load("runs/co2-…").
        source: path or bytes of a file with the columns of the training.

    Raises:
        ValueError: the model has other outputs, the file cannot be read, or the forecast is not
            finite; the message does not name the file.
    """
    config = model.config.input
    if not isinstance(config, SeriesConfig) or model.config.task != "forecasting":
        raise ValueError(
            f"the model is for {model.config.task or 'no task'}; expected one that forecasts"
        )
    reader = build_reader(config)
    assert isinstance(reader, SeriesReader)
    series = reader.read(source)
    example = reader.window(series, len(series) - config.length)
    batch = reader.batch(collate([example])).to(next(model.parameters()).device)
    values: np.ndarray = model.eval()(batch)[0].double().cpu().numpy()
    check_finite(values.ravel().tolist())
    names = series.names[: values.shape[1]]
    return Forecast(names, series.times.after(config.horizon), values, series)


def write_forecast(found: Forecast, base: Path, length: int) -> list[Path]:
    """Write a forecast as BASE.csv, and a plot of it after the series as BASE.png.

    Args:
        found: the forecast.
        base: path without suffix; its folder exists.
        length: steps of the series that are drawn before the forecast.

    Raises:
        OSError: a file cannot be written.
    """
    table, plot = (base.with_name(f"{base.name}.{suffix}") for suffix in ("csv", "png"))

    def write_plot(part: Path) -> None:
        figure = new_figure(WIDTH, HEIGHT * len(found.names) + 0.4)
        run = slice(max(0, len(found.series) - length), None)
        draw_forecast(
            figure, found.names, found.series.times, found.series.times.values[run],
            found.series.values[run], found.times, said=found.values,
        )  # fmt: skip
        with quiet_fonts():
            figure.savefig(part, format="png", dpi=110)

    write_csv(table, found.rows())
    write_atomically(plot, write_plot)
    return [table, plot]


def summary(found: Forecast, most: int = 3) -> str:
    """Describe a forecast by its first and last step, such as "co2 371.4 … 372.9"."""
    parts: Sequence[str] = [
        f"{name} {values[0]:.5g} … {values[-1]:.5g}"
        for name, values in zip(found.names[:most], found.values.T, strict=False)
    ]
    more = ", …" if len(found.names) > most else ""
    return f"{', '.join(parts)}{more} ({found.moments[0]} to {found.moments[-1]})"
