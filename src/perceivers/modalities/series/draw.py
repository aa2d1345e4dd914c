"""Draw a time series as curves, with a number for each element as shading."""

from typing import Any

import numpy as np

from ..drawing import COLOURS, OPACITY, relative, shortened
from .config import SeriesConfig

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
