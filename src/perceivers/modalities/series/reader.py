"""The reader of time series: it decodes files to windows of the shape that a model takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from typing_extensions import override

from ...errors import listed
from ..files import PathOrBytes
from ..notices import notice
from ..reader import ArrayReader
from . import decode as series
from .decode import Series, Window
from .times import Times

# T steps · C channels · K clips


SAME_RATIO = 2.0  # of the steps of a series to those of the training
MAX_RATIO = 500.0  # more than days to minutes


@dataclass(frozen=True)
class SeriesReader(ArrayReader):
    """Decode time series to windows, float64 (length + horizon, 1 + C): times, then channels.

    Times are those since the first step of the window, in units of `step`. NaN is a missing value.
    Of a longer series the middle is read; what a shorter one lacks at its end is missing. With
    `at_end`, the end is read, and what is missing is at the beginning. Clips are evenly spread over
    a series.

    With a horizon, the window is the end of the series, and what a shorter one lacks is missing at
    the beginning. The steps to forecast follow the window: their times, and NaN. Those of a window
    inside a series have their values too, which training compares forecasts with; the adapter does
    not read them.

    Args:
        length: T, steps of a window.
        channels: C.
        horizon: steps after the window.
        columns: names of the channels in tables; empty: all columns but that of the times.
        time: see `SeriesConfig.time`.
        step: time from one step to the next, in the unit of the files.
        formats: how numbers and times are written; see `SeriesConfig.number_formats`.
        at_end: whether the end of a longer series is read, instead of the middle.
    """

    length: int
    channels: int
    horizon: int = 0
    columns: tuple[str, ...] = ()
    time: str | None = None
    step: float = 1.0
    formats: Mapping[str, str] = field(default_factory=dict)
    at_end: bool = False

    noun: ClassVar[str] = "time series"
    suffixes: ClassVar[frozenset[str]] = series.SERIES_SUFFIXES
    dtype: ClassVar[type] = np.float64

    @property
    @override
    def shape(self) -> tuple[int, ...]:
        return len(self), 1 + self.channels

    def __len__(self) -> int:
        """Return the number of steps of an example: those of a window and its horizon."""
        return self.length + self.horizon

    @property
    @override
    def has_clips(self) -> bool:
        return not (self.horizon or self.at_end)

    @override
    def is_constant(self, example: np.ndarray) -> bool:
        values = example[: self.length, 1:]
        with np.errstate(invalid="ignore"):
            spread = np.fmax.reduce(values, axis=0) - np.fmin.reduce(values, axis=0)
        return not (spread > 0).any()

    @override
    def decode(self, source: PathOrBytes | Window) -> np.ndarray:
        if isinstance(source, Window):
            return self.window(source.series, source.start)
        whole = self.read(source)
        spare = len(whole) - self.length
        if spare > 0 and not self.horizon:
            which = "the last ones" if self.at_end else "those in the middle"
            notice(f"has more than {self.length:,} steps, of which only {which} are read")
        return self.window(whole, spare if self.horizon or self.at_end else max(0, spare) // 2)

    @override
    def clips(self, source: PathOrBytes | Window, count: int) -> np.ndarray:
        if self.horizon:
            raise ValueError("a forecast goes on from the end of a series, which has no clips")
        if self.at_end:
            raise ValueError("each row has its own label, so windows are not averaged")
        if isinstance(source, Window):
            return np.stack([self.decode(source)] * count)
        whole = self.read(source)
        spare = max(0, len(whole) - self.length)
        starts = np.linspace(0, spare, count).astype(int) if count > 1 else [spare // 2]
        return np.stack([self.window(whole, int(start)) for start in starts])

    @override
    def decode_whole(self, source: PathOrBytes) -> np.ndarray:
        raise ValueError(
            "series are read in windows of the length that the model was trained on; leave "
            "own_size out, or average several windows with clips"
        )

    def read(self, source: PathOrBytes) -> Series:
        """Read all of a file with the channels of the model.

        Raises:
            ValueError: it cannot be read, or has another number of channels.
        """
        whole = series.decode(source, time=self.time, columns=self.columns, formats=self.formats)
        if len(whole.names) != self.channels:
            raise ValueError(
                f"the series has {len(whole.names)} channels ({listed(whole.names)}); the model "
                f"reads {self.channels}"
            )
        self._check_step(whole.times)
        return whole

    def _check_step(self, times: Times) -> None:
        """Say that the steps of a series are unlike those of the training; refuse another unit."""
        ratio = times.step / self.step
        if not 1 / MAX_RATIO < ratio < MAX_RATIO:
            raise ValueError(
                f"its times are {times.step_text} apart, {ratio:.3g} times as far as those of the "
                "training; expected times in the same unit"
            )
        if not 1 / SAME_RATIO < ratio < SAME_RATIO:
            notice(
                "has steps that are more than twice as long or as short as those of the training, "
                "so that the model reads it in a way that it has not learned"
            )

    def window(self, whole: Series, start: int) -> np.ndarray:
        """Return an example of a series.

        Args:
            whole: the series.
            start: number of its step that the window begins with; if it is negative, the first
                steps of the window are missing.
        """
        first, last = max(0, start), min(len(whole), start + len(self))
        times = self._times(whole.times, start)
        example = np.full(self.shape, np.nan)
        example[:, 0] = (times - times[0]) / self.step
        example[first - start : last - start, 1:] = whole.values[first:last]
        return example

    def _times(self, times: Times, start: int) -> np.ndarray:
        """Return the times of the steps of an example, also before and after the series."""
        stop = start + len(self)
        before = times.values[0] + times.step * np.arange(min(start, 0), 0)
        missing = max(0, stop - len(times.values))
        after = times.after(missing) if missing else times.values[:0]
        return np.concatenate([before, times.values[max(0, start) : stop], after])
