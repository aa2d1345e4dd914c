"""Find the season of a series: after how many steps it is most like itself."""

import numpy as np

LEAST = 0.3  # correlation of a series with itself one season earlier, at least
RISE = 0.1  # by which it is higher there than before
NEARLY = 0.9  # of two correlations that differ less, that of the shorter season is taken


def find_season(values: np.ndarray) -> tuple[int, float]:
    """Return the season of a series in steps, and the correlation one season apart.

    The trend, a parabola, is subtracted first. The season is the lag of the highest peak of the
    autocorrelation, or a shorter one whose peak is nearly as high.

    Args:
        values: (T,), NaN where missing.

    Returns:
        1 and 0 if there is no season.
    """
    steps = np.arange(len(values))
    known = ~np.isnan(values)
    if known.sum() < 8:
        return 1, 0.0
    filled = np.interp(steps, steps[known], values[known])
    place = np.linspace(-1, 1, len(filled))
    rest = filled - np.polyval(np.polyfit(place, filled, 2), place)
    if rest.std() <= 1e-9 * max(1.0, np.abs(filled).max()):
        return 1, 0.0
    lags = range(1, len(rest) // 3)
    correlation = np.array([1.0, *(np.corrcoef(rest[:-lag], rest[lag:])[0, 1] for lag in lags)])
    peaks = {}
    for lag in range(2, len(correlation) - 1):
        here = correlation[lag]
        is_peak = here >= correlation[lag - 1] and here > correlation[lag + 1]
        if is_peak and here >= LEAST and here >= correlation[:lag].min() + RISE:
            peaks[lag] = float(here)
    if not peaks:
        return 1, 0.0
    season = min(lag for lag, here in peaks.items() if here >= NEARLY * max(peaks.values()))
    return season, peaks[season]
