"""A linear map of a window to the steps after it, fitted in closed form."""

from typing import NamedTuple

import torch
from torch import Tensor

# R rows: channels of windows · T length · H horizon

PENALTIES = tuple(10.0 ** (power / 2) for power in range(-6, 11))
FITTED = 0.7  # share of the rows, the earliest, that a penalty is judged with; the others judge it


class WindowRegression(NamedTuple):
    """Departures from another forecast as a linear map of the window: x @ weight + bias."""

    weight: Tensor
    """(T, H)."""
    bias: Tensor
    """(H,)."""
    penalty: float
    """Penalty of the squared weights; infinite: all weights and the bias are zero."""
    error: float
    """Mean absolute error on the later rows, fitted to the earlier ones."""
    error_of_none: float
    """The same without any departure."""


def fit_window(windows: Tensor, departures: Tensor) -> WindowRegression:
    """Fit a ridge regression from windows to departures from another forecast.

    The penalty is the one whose fit to the first 70% of the rows has the smallest absolute error on
    the others; an infinite one, no departure at all, is among them. The result is fitted to all
    rows. Rows with a missing departure are left out.

    Args:
        windows: values in the units of their window, (R, T), ordered in time.
        departures: (R, H), NaN where missing.
    """
    whole = ~departures.isnan().any(dim=1)
    x, y = windows[whole].double(), departures[whole].double()
    until = int(FITTED * len(x))
    later = x[until:], y[until:]
    best = none = float(later[1].abs().mean()) if len(x) - until else torch.inf
    penalty = torch.inf
    if until > 1:
        for candidate in PENALTIES:
            weight, bias = _ridge(x[:until], y[:until], candidate)
            error = float((later[0] @ weight + bias - later[1]).abs().mean())
            if error < best:
                best, penalty = error, candidate
    weight, bias = x.new_zeros(x.shape[1], y.shape[1]), x.new_zeros(y.shape[1])
    if penalty < torch.inf:
        weight, bias = _ridge(x, y, penalty)
    return WindowRegression(weight, bias, penalty, best, none)


def _ridge(x: Tensor, y: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Return weight (T, H) and bias (H,); the bias is not penalised."""
    mean_x, mean_y = x.mean(0), y.mean(0)
    centred = x - mean_x
    eye = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    weight = torch.linalg.solve(centred.T @ centred + penalty * eye, centred.T @ (y - mean_y))
    return weight, mean_y - mean_x @ weight
