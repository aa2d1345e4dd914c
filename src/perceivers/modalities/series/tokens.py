"""Time series as tokens, for a model that continues them."""

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from ...core import Inputs
from ..adapter import Adapter
from .adapter import check_windows
from .scaling import seasonal_naive, window_moments

# B batch · T length · H horizon · C channels · S = (T + H)·C tokens · P paths

TARGET_WIDTH = 1.0  # bins; standard deviation of the shares that a value gives to bins


class SeriesTokens(Adapter):
    """Turn windows of time series into tokens, (B, S, 1), the channels of a step one by one.

    The level of a value is its distance from the mean of the window, or from the value
    `difference` steps earlier, in standard deviations of the window; only the first T steps tell
    mean and deviation. Levels from -`limit` to `limit` fall into bins of equal width, and those
    beyond into the outermost ones. The last token stands for a missing value. The first
    `difference` steps have no earlier value: their levels are distances from the mean.

    Args:
        length: T, steps of a window.
        horizon: H, steps after it.
        channels: C.
        bins: number of bins.
        limit: largest level that has a bin of its own.
        difference: steps back to the value that is subtracted; 0: the mean of the window is.

    Raises:
        ValueError: there is no horizon, or `difference` is larger than `length`.
    """

    def __init__(
        self,
        *,
        length: int = 128,
        horizon: int = 12,
        channels: int = 1,
        bins: int = 64,
        limit: float = 4.0,
        difference: int = 0,
    ) -> None:
        super().__init__()
        if horizon < 1:
            raise ValueError(
                f"horizon={horizon}; tokens are for forecasts: set --model.input.horizon"
            )
        if difference > length:
            raise ValueError(
                f"difference={difference} with windows of {length} steps; expected at most "
                f"{length}: choose a longer window, --model.input.length"
            )
        self.length, self.horizon, self.channels = length, horizon, channels
        self.bins, self.limit, self.difference = bins, limit, difference

    @property
    @override
    def dim(self) -> int:
        """1: the content of an element is its token."""
        return 1

    @property
    @override
    def num_inputs(self) -> int:
        return (self.length + self.horizon) * self.channels

    @property
    @override
    def least_inputs(self) -> int:
        return self.num_inputs

    @property
    def num_tokens(self) -> int:
        """Number of different tokens: the bins, and the one of a missing value."""
        return self.bins + 1

    @property
    def width(self) -> float:
        """Width of a bin, in standard deviations of the window."""
        return 2 * self.limit / self.bins

    @override
    def elements(self, batch: Tensor) -> Inputs:
        """Return tokens as elements without positions, (B, S, 1), int64.

        Args:
            batch: windows (B, T + H, 1 + C), as of `SeriesAdapter`; what is not known yet is NaN.

        Raises:
            ValueError: another shape or dtype.
        """
        check_windows(batch, self.length + self.horizon, self.channels)
        return Inputs(self.tokens(self.levels(batch)).flatten(1)[..., None])

    def tokens(self, levels: Tensor) -> Tensor:
        """Return the tokens of levels; those of NaN are `bins`."""
        places = ((levels + self.limit) / self.width).nan_to_num().floor()
        return places.clamp(0, self.bins - 1).long().masked_fill(levels.isnan(), self.bins)

    def levels(self, batch: Tensor) -> Tensor:
        """Return the levels of all steps, (B, T + H, C), NaN where a value is missing.

        Args:
            batch: windows (B, T + H, 1 + C).
        """
        values = batch[..., 1:]
        mean, scale = window_moments(values[:, : self.length])
        if not self.difference:
            return (values - mean) / scale
        first, later = values[:, : self.difference], values[:, self.difference :]
        changes = later - values[:, : -self.difference]
        return torch.cat([first - mean, changes], dim=1) / scale

    def shares(self, levels: Tensor) -> Tensor:
        """Return how a level is shared among the tokens, (…, tokens): a normal distribution.

        Neighbouring bins get a part, so that a model learns that they are alike. All shares of NaN
        are 0.
        """
        centres = torch.arange(self.bins, device=levels.device, dtype=levels.dtype)
        centres = (centres + 0.5) * self.width - self.limit
        away = (levels.clamp(-self.limit, self.limit)[..., None] - centres) / self.width
        shares = (-0.5 * (away / TARGET_WIDTH).square()).softmax(-1)
        return F.pad(shares.nan_to_num(), (0, 1))

    def future(self, levels: Tensor, batch: Tensor) -> Tensor:
        """Return values of the steps to forecast, (B, P, H, C), for levels of several paths.

        Args:
            levels: (B, P, H, C).
            batch: the windows, (B, T + H, 1 + C), of whose first T steps the values are read.
        """
        known = batch[:, : self.length, 1:]
        mean, scale = window_moments(known)
        changes = scale[:, None] * levels.to(known.dtype)
        if not self.difference:
            return mean[:, None] + changes
        # What is missing in the last steps of the window is taken from the steps before them.
        values = seasonal_naive(known, min(self.difference, self.horizon), self.difference)
        before = values[:, None].expand(-1, levels.shape[1], -1, -1)
        steps: list[Tensor] = []
        for step in range(self.horizon):
            earlier = step - self.difference
            base = before[:, :, step] if earlier < 0 else steps[earlier]
            steps.append(base + changes[:, :, step])
        return torch.stack(steps, dim=2)
