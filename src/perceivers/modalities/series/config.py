"""Configuration of time series, as plain data."""

from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal, Self

from typing_extensions import override

from ..config import Bands, Count, InputConfig, OutputConfig, Range, Task


@dataclass(frozen=True, kw_only=True)
class SeriesConfig(InputConfig):
    """How time series become elements; see `perceivers.modalities.series.adapter.SeriesAdapter`."""

    kind: ClassVar[str] = "series"
    reader_fields: ClassVar[frozenset[str]] = frozenset(
        {"columns", "time", "step", "number_formats", "part"}
    )

    length: Count = 128
    """Steps of an example: a window of a longer series. What a shorter one lacks is missing."""
    horizon: int = 0
    """Steps after the window whose values are to be forecast; 0: none."""
    channels: Count = 1
    """Channels of a step."""
    columns: tuple[str, ...] = ()
    """Names of the columns of the channels; empty: all columns but that of the times, and training
    takes their names from its files."""
    time: str | None = None
    """Name of the column of times; row: there is none, and steps are regular; none: the column that
    is called time, date or the like, or holds dates."""
    step: Annotated[float, Range(1e-12, 1e30)] = 1.0
    """Time from one step to the next, in the unit of the files (dates: days), which is 1 to the
    model; training measures it as the median of its files."""
    number_formats: dict[str, str] = field(default_factory=dict)
    """How the numbers of a column are written, by its name, as in tables (1.234,5 or 1,5 kg), or
    its times (31.12.2001, 12/31/2001); training takes it from its files. Files that cannot be read
    so, and columns that are not named, are read as their own cells show."""
    part: Literal["middle", "end"] = "middle"
    """What is read of a longer series; training on the rows of one series sets it to the end, so
    that predictions are of the last row. Forecasts always go on from the end."""
    patch_size: Count = 1
    """Steps in an element. It divides the length."""
    normalise: Literal["training", "window"] = "training"
    """What the values of a channel are normalised by: its mean and standard deviation in the
    training files, or those of each window itself."""
    num_bands: Bands = 16
    """Fourier frequencies of the positions, which are times."""


@dataclass(frozen=True, kw_only=True)
class SeriesTokensConfig(SeriesConfig):
    """How time series become tokens; see `perceivers.modalities.series.tokens.SeriesTokens`."""

    kind: ClassVar[str] = "series-tokens"

    horizon: Count = 12
    """Steps after the window whose values are to be forecast."""
    bins: Annotated[int, Range(2, 2**14)] = 64
    """Tokens for values; a further one stands for a missing value."""
    limit: Annotated[float, Range(0.1, 1e6)] = 4.0
    """Standard deviations of the window from the lowest token to 0, and from 0 to the highest;
    values beyond them have the nearest token."""
    difference: Annotated[int, Range(0, 2**31 - 1)] = 0
    """Steps back from a value to the one that is subtracted from it; 0: the mean of the window
    is."""

    patch_size: ClassVar[int] = 1  # type: ignore[misc]
    normalise: ClassVar[Literal["training", "window"]] = "window"  # type: ignore[misc]
    num_bands: ClassVar[int] = 0  # type: ignore[misc]


Base = Literal["naive", "linear"]


@dataclass(frozen=True, kw_only=True)
class ForecastConfig(OutputConfig):
    """Forecasts; see `perceivers.modalities.series.output.ForecastOutput`."""

    kind: ClassVar[str] = "forecast"
    task: ClassVar[Task | None] = "forecasting"

    season: Count = 1
    """Steps of a season: a step is forecast as the value one season earlier, plus what the model
    gives. 1: there is none, and the last value is repeated."""
    base: Base = "naive"
    """What the model gives the departure from; naive: the value one season earlier; linear: that
    plus a linear regression of the window, fitted to the training part before the training."""
    targets: int = 0
    """Channels to forecast, the first of each step; training takes it from the data. 0: all."""

    @override
    def for_labels(self, count: int) -> Self:
        return replace(self, targets=count)
