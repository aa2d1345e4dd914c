"""The scale of windows of a series, and the forecast that repeats the last season."""

import torch
from torch import Tensor

# B batch · T steps · H horizon · C channels


def window_moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of each channel of each window, (B, 1, C).

    Missing values are left out. The deviation of a channel that does not vary is 1, and so is that
    of one without values, whose mean is 0.

    Args:
        values: (B, T, C), NaN where missing.
    """
    present = ~values.isnan()
    count = present.sum(1, keepdim=True).clamp(min=1)
    mean = values.masked_fill(~present, 0.0).sum(1, keepdim=True) / count
    centred = (values - mean).masked_fill(~present, 0.0)
    std = (centred.square().sum(1, keepdim=True) / count).sqrt()
    # A spread of the size of rounding errors counts as none.
    smallest = 16 * torch.finfo(values.dtype).eps * mean.abs()
    return mean, std.where(std > smallest, 1.0)


def standardised(values: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return (values - mean) / std, and 0 for missing values.

    Args:
        values: (B, T, C), NaN where missing.
        mean: broadcast to `values`.
        std: as `mean`.
    """
    return ((values - mean) / std).masked_fill(values.isnan(), 0.0)


def future_times(batch: Tensor, horizon: int) -> Tensor:
    """Return the times of the steps to forecast, (B, H)."""
    return batch[:, batch.shape[1] - horizon :, 0]


def seasonal_naive(values: Tensor, horizon: int, season: int) -> Tensor:
    """Return the forecast that repeats the last season, (B, H, C).

    Each step is forecast as the value one season earlier, or of as many seasons as lie between it
    and the window. A missing one is replaced by the last value that is there at the same time of an
    earlier season, else by the mean of the window.

    Args:
        values: windows (B, T, C), NaN where missing.
        horizon: H.
        season: steps of a season, at most T; 1: the last value is repeated.
    """
    mean, _ = window_moments(values)
    last = mean.expand(-1, season, -1)
    seasons = values.shape[1] // season
    for start in range(values.shape[1] - seasons * season, values.shape[1], season):
        part = values[:, start : start + season]
        last = torch.where(part.isnan(), last, part)
    repeats = -(-horizon // season)
    return last.repeat(1, repeats, 1)[:, :horizon]
