"""Forecasts of files of time series."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from typing_extensions import override

from ..exported import device_of
from ..modalities import SeriesConfig, build_reader
from ..modalities.drawing import new_figure, quiet_fonts
from ..modalities.files import PathOrBytes
from ..modalities.reader import collate
from ..modalities.series.decode import Series
from ..modalities.series.draw import draw_forecast
from ..modalities.series.reader import SeriesReader
from ..models.perceiver_ar_forecast import PerceiverARForecaster, interval_of
from ..printing import formatted
from .answers import Answer, Answerer, Model
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
    interval: np.ndarray | None = None
    """The 10th and the 90th percentile of the continuations, (2, H, K); None: none were drawn."""

    @property
    def moments(self) -> list[str]:
        """The times as text."""
        return [self.series.times.text(float(time)) for time in self.times]

    def rows(self) -> list[list[Any]]:
        """Return the rows of a table: names, then the time and the values of each step."""
        names, values = list(self.names), self.values
        if self.interval is not None:
            names += [f"{name} {end}" for name in self.names for end in ("10%", "90%")]
            ends = np.moveaxis(self.interval, 0, -1).reshape(len(values), -1)
            values = np.concatenate([values, ends], axis=1)
        pairs = zip(self.moments, values.tolist(), strict=True)
        return [
            [self.series.times.name or "step", *names],
            *([moment, *numbers] for moment, numbers in pairs),
        ]

    def table(self) -> bytes:
        """Return the rows as the content of a csv file."""
        file = io.StringIO(newline="")
        csv.writer(file).writerows(self.rows())
        return file.getvalue().encode()

    def plot(self, length: int) -> bytes:
        """Return a plot of the forecast after the last `length` steps of the series, as png."""
        figure = new_figure(WIDTH, HEIGHT * len(self.names) + 0.4)
        run = slice(max(0, len(self.series) - length), None)
        draw_forecast(
            figure, self.names, self.series.times, self.series.times.values[run],
            self.series.values[run], self.times, said=self.values, interval=self.interval,
        )  # fmt: skip
        file = io.BytesIO()
        with quiet_fonts():
            figure.savefig(file, format="png", dpi=110)
        return file.getvalue()


class ForecastAnswerer(Answerer):
    """Forecasts the steps that follow a series: a table of them, and a plot."""

    @override
    def check(self) -> None:
        series_reader(self.model)

    @override
    def read(self, source: PathOrBytes) -> Series:
        return series_reader(self.model).read(source)

    @override
    def answer(self, example: Series) -> Answer:
        found = forecast_series(self.model, example)
        head, *rows = found.rows()
        steps = [dict(zip(head, row, strict=True)) for row in rows]
        length = 2 * series_reader(self.model).length
        files = {"-forecast.csv": found.table(), "-forecast.png": found.plot(length)}
        return Answer(summary(found), {"forecast": steps}, files)


def series_reader(model: Model) -> SeriesReader:
    """Return the reader of a model that forecasts.

    Raises:
        ValueError: the model has other outputs.
    """
    config = model.config.input
    if not isinstance(config, SeriesConfig) or model.config.task != "forecasting":
        raise ValueError(
            f"the model is for {model.config.task or 'no task'}; expected one that forecasts"
        )
    reader = build_reader(config)
    assert isinstance(reader, SeriesReader)
    return reader


def forecast(model: Model, source: PathOrBytes) -> Forecast:
    """Forecast the steps that follow a series.

    The model reads the last steps of the series, as many as it was trained on; what a shorter one
    lacks is missing. Times go on as they are: by months if they are months apart, else by their
    median distance.

    Args:
        model: a model that forecasts, such as perceivers.load("runs/co2-…"), or what it was
            exported to.
        source: path or bytes of a file with the columns of the training.

    Raises:
        ValueError: the model has other outputs, the file cannot be read, or the forecast is not
            finite; the message does not name the file.
    """
    return forecast_series(model, series_reader(model).read(source))


@torch.inference_mode()
def forecast_series(model: Model, series: Series) -> Forecast:
    """Forecast the steps that follow a series that its reader has read; see `forecast`."""
    reader = series_reader(model)
    example = reader.window(series, len(series) - reader.length)
    batch = reader.batch(collate([example])).to(device_of(model))
    model, interval = model.eval(), None
    if isinstance(model, PerceiverARForecaster):
        paths = model.sample(batch)[0].double()
        values = paths.quantile(0.5, dim=0).cpu().numpy()
        interval = interval_of(paths, dim=0).cpu().numpy()
    else:
        values = model(batch)[0].double().cpu().numpy()
    check_finite(values.ravel().tolist())
    names = series.names[: values.shape[1]]
    return Forecast(names, series.times.after(reader.horizon), values, series, interval)


def summary(found: Forecast, most: int = 3) -> str:
    """Describe a forecast by its first and last step, such as "co2 371.4 … 372.9"."""
    parts: Sequence[str] = [
        f"{name} {formatted(values[0], '.5g')} … {formatted(values[-1], '.5g')}"
        for name, values in zip(found.names[:most], found.values.T, strict=False)
    ]
    more = ", …" if len(found.names) > most else ""
    return f"{', '.join(parts)}{more} ({found.moments[0]} to {found.moments[-1]})"
