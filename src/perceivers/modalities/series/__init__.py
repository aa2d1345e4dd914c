"""Time series: raw batches are floats (B, T, 1 + C), the time of each step and its channels.

NaN is a missing value. Windows of a longer series are examples too.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ...errors import listed
from ..file_modality import FileModality, InputChoice
from ..measures import Measures, counted, median_of
from .config import ForecastConfig, SeriesConfig, SeriesTokensConfig

if TYPE_CHECKING:
    from ..adapter import Adapter
    from .adapter import SeriesAdapter
    from .decode import Series
    from .output import ForecastOutput
    from .reader import SeriesReader
    from .tokens import SeriesTokens

MAX_LENGTH = 2048  # steps that `choose` reads of each file at most
MAX_ELEMENTS = 256  # elements of an example, unless that takes patches of more than 16 steps
CLOUD = 3  # columns from which on numbers without names of series may be points


class TimeSeries(FileModality):
    """Time series.

    Args:
        sure: whether files are known to be series. Otherwise `probe` refuses those that may be
            clouds of points.
    """

    name = "series"
    recipe = "vowels"
    configs = (SeriesConfig, SeriesTokensConfig)
    outputs = (ForecastConfig,)
    measured_whole = True

    def __init__(self, *, sure: bool = False) -> None:
        self.sure = sure

    @override
    def adapter(self, config: Any) -> "SeriesAdapter | SeriesTokens":
        if isinstance(config, SeriesTokensConfig):
            from .tokens import SeriesTokens

            return SeriesTokens(**config.adapter_options())
        from .adapter import SeriesAdapter

        return SeriesAdapter(**config.adapter_options())

    @override
    def output(self, config: Any, adapter: "Adapter") -> "ForecastOutput":
        from .output import ForecastOutput

        return ForecastOutput(adapter, **config.options())

    @override
    def reader_class(self) -> "type[SeriesReader]":
        from .reader import SeriesReader

        return SeriesReader

    @override
    def reader(self, config: Any) -> "SeriesReader":
        return self.reader_class()(
            config.length,
            config.channels,
            config.horizon,
            config.columns,
            config.time,
            config.step,
            config.number_formats,
            config.part == "end",
        )

    @override
    def measure(self, config: Any, sources: Callable[[], Sequence[Any]]) -> tuple[Any, list[str]]:
        """Take the names of the columns and the time of a step from training files.

        Where the examples are windows of one series, each has the label of its last step, and so
        predictions are made of the end of a series.
        """
        if config.columns:
            return config, []
        from .columns import measure_columns
        from .decode import Window

        if not config.horizon and any(isinstance(source, Window) for source in sources()[:1]):
            config = replace(config, part="end")
        return measure_columns(config, sources())

    @override
    def preparation(self, config: Any) -> str:
        channels = listed(config.columns) or f"{config.channels} channels"
        steps, cut = f"{config.length} steps", "the middle; a shorter one ends in NaN"
        if config.part == "end":
            steps, cut = f"the last {config.length} steps", "the end; a shorter one begins with NaN"
        if config.horizon:
            steps = f"the last {config.length} steps and {config.horizon} more"
            cut = (
                f"the end; a shorter one begins with NaN. Of the {config.horizon} steps to "
                "forecast the times are given, and their values are not read"
            )
        return (
            f"{steps}, float64 (steps, {1 + config.channels}): the time since the first step, "
            f"where {config.step:g} of the file is 1, then {channels}; NaN where a value is "
            f"missing. Of a longer series {cut}"
        )

    @override
    def draw(self, figure: Any, example: Any, values: Any, config: Any) -> None:
        from .draw import draw

        draw(figure, example, values, config)

    @override
    def shading(self, config: Any) -> str:
        return "Strips: bright and opaque, much of a map at these steps; clear: little."

    @override
    def aspect(self, example: Any, config: Any) -> float:
        from .draw import aspect

        return aspect(config)

    @override
    def unmixable(self, config: Any) -> str:
        return "missing values of series" if config.horizon else ""

    @override
    def probe(self, path: Path) -> dict[str, float]:
        """Measure a series.

        Raises:
            ValueError: as `decode`; or, unless `sure`, the file may be a cloud of points.
        """
        from .decode import decode

        series = decode(path)
        if not self.sure and _may_be_points(series):
            raise ValueError(
                f"columns {listed(series.names)} without times may be points; if the rows are "
                "steps of a series: --data.time row"
            )
        return {
            "steps": len(series),
            "channels": len(series.names),
            "timed": float(series.times.name is not None),
        }

    @override
    def describe(self, measures: Measures) -> str:
        low, high = measures["channels"].low, measures["channels"].high
        channels = counted(high, "channel") if low == high else f"{low:.0f} to {high:.0f} channels"
        times = {0.0: "regular steps", 1.0: "a column of times"}.get(
            measures["timed"].mean, "a column of times in some"
        )
        return f"{median_of(measures['steps'], 'steps')} of {channels}, {times}"

    @override
    def choose(self, measures: Measures, base: Any) -> InputChoice:
        steps, channels = measures["steps"], measures["channels"]
        if channels.low != channels.high:
            raise ValueError(
                f"some series have {channels.low:.0f} channels and others {channels.high:.0f}; "
                "expected the same columns in all files"
            )
        most = int(min(MAX_LENGTH, steps.high if steps.high < 1.5 * steps.most else steps.most))
        config = window_config(base, most, int(channels.low))
        if config.length >= steps.high:
            cut = "the longest"
        else:
            cut = "longer series are cut to their middle"
        line = f"up to {config.length:,} steps of each series ({cut})"
        return InputChoice(config, (f"{line}, {describe_elements(config)}",))


def window_config(base: SeriesConfig, steps: int, channels: int) -> SeriesConfig:
    """Return the input for windows of so many steps, or a few more, in at most 256 elements.

    Args:
        base: the configuration whose other fields are kept.
        steps: steps of a window.
        channels: channels of a step.
    """
    patch = 1
    while steps > MAX_ELEMENTS * patch and patch < 16:
        patch *= 2
    return replace(
        base,
        length=-(-steps // patch) * patch,
        channels=channels,
        columns=(),
        time=None,
        number_formats={},
        patch_size=patch,
    )


def describe_elements(config: SeriesConfig) -> str:
    """Describe the elements of windows, such as "one element for each 4 steps"."""
    steps = "step" if config.patch_size == 1 else f"{config.patch_size} steps"
    return f"one element for each {steps}"


def _may_be_points(series: "Series") -> bool:
    """Return whether a file without times may be a cloud of points, which are read from it too."""
    return series.times.name is None and len(series.names) >= CLOUD
