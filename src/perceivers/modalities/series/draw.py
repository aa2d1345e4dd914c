"""Draw a time series as curves, with a number for each element as shading."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..drawing import COLOURS, OPACITY, relative, shortened
from .config import SeriesConfig
from .times import Times

MAX_CURVES = 6  # channels that are drawn, each above the next
MAX_NAME = 14  # characters of a channel's name


def draw(figure: Any, example: np.ndarray, values: np.ndarray | None, config: SeriesConfig) -> None:
    """Draw the channels above each other over time.

    Args:
        figure: matplotlib figure or part of one.
        example: (length + horizon, 1 + channels), as the reader decodes it.
        values: a number for each element, not negative; None: the series alone.
        config: the input configuration of the model.
    """
    count = min(MAX_CURVES, config.channels)
    times, channels = example[: config.length, 0], example[: config.length, 1:]
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    names = config.columns or tuple(str(number) for number in range(1, config.channels + 1))
    for index, axes in enumerate(panels):
        axes.plot(times, channels[:, index], lw=0.8, c="0.1", marker=".", ms=2)
        axes.tick_params(labelsize=6)
        axes.set_ylabel(shortened(names[index], MAX_NAME), fontsize=6, parse_math=False)
        if values is not None:
            _shade(axes, times, relative(values[: config.length // config.patch_size]), config)
    more = f" (the first {count} of {config.channels} channels)" if count < config.channels else ""
    panels[-1].set_xlabel(f"steps{more}", fontsize=6, labelpad=1)


def _shade(axes: Any, times: np.ndarray, shares: np.ndarray, config: SeriesConfig) -> None:
    """Shade the time of each element by its share of the highest value."""
    from matplotlib import colormaps

    edges = times[:: config.patch_size]
    width = (times[-1] - times[0]) / max(1, len(times) - 1) * config.patch_size
    for index, (start, share) in enumerate(zip(edges, shares, strict=True)):
        stop = edges[index + 1] if index + 1 < len(edges) else start + width
        axes.axvspan(start, stop, color=colormaps[COLOURS](share), alpha=OPACITY * share, lw=0)


def aspect(config: SeriesConfig) -> float:
    """Return the height of a drawing as a multiple of its width."""
    return 0.2 + 0.2 * min(MAX_CURVES, config.channels)


def draw_forecast(
    figure: Any,
    names: Sequence[str],
    times: Times,
    before: np.ndarray,
    values: np.ndarray,
    after: np.ndarray,
    *,
    said: np.ndarray,
    interval: np.ndarray | None = None,
    truth: np.ndarray | None = None,
    naive: np.ndarray | None = None,
) -> None:
    """Draw a forecast after the series that it goes on from, each channel above the next.

    Args:
        figure: matplotlib figure or part of one.
        names: names of the K channels.
        times: the times of the series, which say whether they are dates.
        before: times of the steps before the forecast, (T,).
        values: their values, (T, K or more).
        after: times of the forecast, (H,).
        said: the forecast, (H, K).
        interval: lower and upper end of the values that are likely, (2, H, K); None: not known.
        truth: what came, (H, K); None: it is not known.
        naive: the seasonal-naive forecast, (H, K); None: it is not drawn.
    """
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for index, (name, axes) in enumerate(zip(names, panels, strict=True)):
        axes.plot(_shown(before, times), values[:, index], lw=0.9, c="0.2")
        later = _shown(after, times)
        if truth is not None:
            axes.plot(later, truth[:, index], lw=0.9, c="0.2", ls=":", label="what came")
        if naive is not None:
            axes.plot(later, naive[:, index], lw=0.8, c="#d1701f", label="one season earlier")
        if interval is not None:
            low, high = interval[..., index]
            band = {"color": "#1f5fae", "alpha": 0.2, "lw": 0}
            axes.fill_between(later, low, high, label="80% of continuations", **band)
        axes.plot(later, said[:, index], lw=1.2, c="#1f5fae", label="forecast")
        axes.axvline(later[0], lw=0.6, c="0.7")
        axes.set_ylabel(shortened(name, 2 * MAX_NAME), fontsize=7, parse_math=False)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize=7, loc="upper left")
    panels[-1].set_xlabel(times.name or "step", fontsize=7, parse_math=False)


def _shown(values: np.ndarray, times: Times) -> np.ndarray:
    """Return times for an axis: of dates as NumPy's own."""
    if not times.dated:
        return values
    return np.datetime64("1970-01-01") + (values * 86400e3).round().astype("timedelta64[ms]")
