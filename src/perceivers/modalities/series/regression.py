"""A linear map of a window to the steps after it, fitted in closed form."""

import math
from itertools import product
from typing import Literal, NamedTuple

import torch
from torch import Tensor

# R rows: channels of windows · T length · H horizon

PENALTIES = tuple(10.0 ** (power / 2) for power in range(-6, 11))
FITTED = 0.7  # share of the rows, the earliest, that a penalty is judged with; the others judge it


class WindowRegression(NamedTuple):
    """Departures from the naive forecast as a linear map of the window: x @ weight + bias."""

    weight: Tensor
    """(T, H)."""
    bias: Tensor
    """(H,)."""
    penalty: float
    """Penalty of the squared weights; infinite: all weights and the bias are zero."""
    towards: Literal["naive", "mean"]
    """What a larger penalty draws to: the naive forecast, or the mean of the window."""
    error: float
    """Mean absolute error on the later rows, fitted to the earlier ones."""
    error_of_none: float
    """The same without any departure."""


def fit_window(windows: Tensor, departures: Tensor, season: int) -> WindowRegression:
    """Fit a ridge regression from windows to departures from the naive forecast.

    The weights are drawn to zero, which is the naive forecast, or to -1 for the step that it
    repeats, which leaves the mean of the window. Which of the two, and the penalty, are those whose
    fit to the first 70% of the rows has the smallest absolute error on the others; no departure at
    all is among the candidates. The result is fitted to all rows. Rows with a missing departure are
    left out.

    Args:
        windows: values in the units of their window, (R, T), ordered in time.
        departures: (R, H), NaN where missing.
        season: steps of a season of the naive forecast, at most T.
    """
    whole = ~departures.isnan().any(dim=1)
    x, y = windows[whole].double(), departures[whole].double()
    until = int(FITTED * len(x))
    nothing = x.new_zeros(x.shape[1], y.shape[1])
    centres: dict[Literal["naive", "mean"], Tensor] = {
        "naive": nothing,
        "mean": _without_last_season(nothing, season),
    }
    none = float(y[until:].abs().mean()) if len(x) - until else math.inf
    best = WindowRegression(nothing, nothing[0], math.inf, "naive", none, none)
    candidates = product(centres, PENALTIES) if until > 1 else ()
    for towards, penalty in candidates:
        weight, bias = _ridge(x[:until], y[:until], penalty, centres[towards])
        error = float((x[until:] @ weight + bias - y[until:]).abs().mean())
        if error < best.error:
            best = best._replace(penalty=penalty, towards=towards, error=error)
    if best.penalty == math.inf:
        return best
    weight, bias = _ridge(x, y, best.penalty, centres[best.towards])
    return best._replace(weight=weight, bias=bias)


def _without_last_season(weight: Tensor, season: int) -> Tensor:
    """Return the weights (T, H) that take away what the naive forecast repeats."""
    length, horizon = weight.shape
    steps = torch.arange(horizon, device=weight.device)
    return weight.index_put((length - season + steps % season, steps), weight.new_tensor(-1.0))


def _ridge(x: Tensor, y: Tensor, penalty: float, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight (T, H) and bias (H,); the penalty is on the distance of weight and centre."""
    mean_x, mean_y = x.mean(0), y.mean(0)
    centred = x - mean_x
    eye = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    rest = centred.T @ (y - mean_y - centred @ centre)
    weight = centre + torch.linalg.solve(centred.T @ centred + penalty * eye, rest)
    return weight, mean_y - mean_x @ weight
