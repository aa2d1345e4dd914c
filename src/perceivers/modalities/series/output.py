"""Forecasts: one query for each step after a window, at its time."""

from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from ...core import Inputs, Queries
from ...core.init import trunc_normal
from ..adapter import Adapter
from ..output import Output
from .adapter import SeriesAdapter
from .config import Base
from .regression import WindowRegression, fit_window
from .scaling import seasonal_naive, standardised, window_moments
from .tokens import SeriesTokens

# B batch · T length · H horizon · C channels · K forecast channels · P position channels

LEARNED_DIM = 32  # channels of the learned part of a query
MAX_SEASONS = 3  # earlier seasons that a query holds the values of


class ForecastUnits(nn.Module):
    """What is forecast of windows, and in which units: the first K channels of the H steps after.

    Args:
        adapter: the adapter of the windows.
        season: steps of a season, at most T; 1: the naive forecast repeats the last value.
        targets: K; 0: all channels.

    Raises:
        ValueError: `season` or `targets` are too large.
    """

    mase_scale: Tensor

    def __init__(
        self, adapter: SeriesAdapter | SeriesTokens, *, season: int = 1, targets: int = 0
    ) -> None:
        super().__init__()
        if not 1 <= season <= adapter.length:
            raise ValueError(
                f"season={season} with windows of {adapter.length} steps; expected 1 (none) to "
                f"{adapter.length}: choose a longer window, --model.input.length"
            )
        if targets > adapter.channels:
            raise ValueError(f"targets={targets}; the series have {adapter.channels} channels")
        self.season, self.horizon, self.length = season, adapter.horizon, adapter.length
        self.channels, self.targets = adapter.channels, targets or adapter.channels
        # What MASE divides by: set from the training part of a series.
        self.register_buffer("mase_scale", torch.ones(self.targets, dtype=torch.float64))

    def naive_and_scale(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Return the naive forecast (B, H, K) of windows, and their standard deviations (B, 1, K).

        Args:
            batch: the windows, (B, T + H, 1 + C).
        """
        values = batch[:, : self.length, 1 : 1 + self.targets]
        _, scale = window_moments(values)
        return seasonal_naive(values, self.horizon, self.season), scale

    def base_and_scale(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Return what forecasts depart from, (B, H, K), and the unit of departures, (B, 1, K).

        It is the naive forecast and the standard deviation of the window.

        Args:
            batch: the windows, (B, T + H, 1 + C).
        """
        return self.naive_and_scale(batch)

    def future(self, batch: Tensor) -> Tensor:
        """Return the values that follow windows of training, (B, H, K); NaN where missing."""
        return batch[:, self.length :, 1 : 1 + self.targets]


class ForecastOutput(ForecastUnits, Output):
    """Forecast the first K channels of a series at the H steps after a window, (B, H, K).

    A query is the position of its time, the values of the same time in up to `MAX_SEASONS` earlier
    seasons in the units of the window, and a learned vector that all queries share. What is decoded
    is the departure from the base, in standard deviations of the window. The base is the naive
    forecast, which repeats the last season, or in addition a linear regression of the window, the
    same for all channels, which `fit_base` fits before the training. The last linear map begins at
    zero, so that an untrained model gives the base.

    Args:
        adapter: the adapter of the windows, whose normalisation is that of each window.
        season: steps of a season, at most T; 1: the naive forecast repeats the last value.
        targets: K; 0: all channels.
        base: "naive" or "linear".

    Raises:
        ValueError: the adapter has no horizon or other normalisation, or `season` or `targets` are
            too large.
    """

    name = "forecast"
    base_weight: Tensor
    base_bias: Tensor

    def __init__(
        self, adapter: Adapter, *, season: int = 1, targets: int = 0, base: Base = "naive"
    ) -> None:
        if not isinstance(adapter, SeriesAdapter) or not adapter.horizon:
            raise ValueError("a forecast needs series as inputs, with a horizon of at least 1")
        if adapter.normalise_by != "window":
            raise ValueError(
                "forecasts are made in the units of each window; set --model.input.normalise window"
            )
        super().__init__(adapter, season=season, targets=targets)
        self.base = base
        if base == "linear":
            zeros = torch.zeros(self.length + 1, self.horizon, dtype=torch.float64)
            self.register_buffer("base_weight", zeros[1:])
            self.register_buffer("base_bias", zeros[0].clone())
        self.patch_size = adapter.patch_size
        self.learned = nn.Parameter(torch.empty(LEARNED_DIM))
        trunc_normal(self.learned, 0.02)
        self.seasons = min(MAX_SEASONS, self.length // season)
        known = self.seasons * self.targets
        self.head = nn.Linear(known + LEARNED_DIM + adapter.position_dim, self.targets)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def fit_base(self, batch: Tensor) -> WindowRegression:
        """Fit the linear regression of windows to what follows them, and keep it.

        Args:
            batch: the windows of the training, (B, T + H, 1 + C), ordered in time.
        """
        naive, scale = self.naive_and_scale(batch)
        departures = ((self.future(batch) - naive) / scale).mT.flatten(0, 1)
        windows = self._standardised(batch).mT.flatten(0, 1)
        fitted = fit_window(windows, departures, self.season)
        self.base_weight.copy_(fitted.weight)
        self.base_bias.copy_(fitted.bias)
        return fitted

    def _standardised(self, batch: Tensor) -> Tensor:
        """Return the values to forecast inside windows, in the units of each, (B, T, K)."""
        values = batch[:, : self.length, 1 : 1 + self.targets]
        return standardised(values, *window_moments(values))

    @override
    def base_and_scale(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Return the base (B, H, K) and the standard deviation of the window (B, 1, K)."""
        naive, scale = self.naive_and_scale(batch)
        if self.base == "naive":
            return naive, scale
        weight, bias = self.base_weight.to(batch.dtype), self.base_bias.to(batch.dtype)
        departure = (self._standardised(batch).mT @ weight + bias).mT
        return naive + scale * departure, scale

    @property
    @override
    def meaning(self) -> str:
        return f"the values of the {self.horizon} steps after the window, in the data's units"

    @property
    @override
    def query_dim(self) -> int:
        return self.head.in_features

    @property
    @override
    def num_channels(self) -> int:
        return self.targets

    @property
    @override
    def decoded_dim(self) -> int | None:
        return None

    @override
    def queries(self, inputs: Inputs | None) -> Queries:
        if inputs is None:
            raise ValueError("a forecast depends on the window; pass its elements")
        position = inputs.dense_position
        assert position is not None
        earlier = self._earlier(inputs.content)
        learned = self.learned.to(earlier.dtype).expand(*earlier.shape[:2], -1)
        content = torch.cat([earlier, learned], dim=-1)
        return Queries(content, position[:, position.shape[1] - self.horizon :])

    def _earlier(self, content: Tensor) -> Tensor:
        """Return the values of the same times in earlier seasons, (B, H, seasons · K).

        Args:
            content: content of the elements, in the units of their window.
        """
        steps = content[:, : self.length // self.patch_size]
        steps = steps.unflatten(2, (self.patch_size, -1)).flatten(1, 2)  # B T 2C
        values = steps[..., : self.targets]
        present = steps[..., self.channels : self.channels + self.targets] > 0
        known = values.masked_fill(~present, torch.nan)
        each = [
            seasonal_naive(known[:, : self.length - back * self.season], self.horizon, self.season)
            for back in range(self.seasons)
        ]
        return torch.cat(each, dim=-1)

    @override
    def forward(self, decoded: Tensor, adapter: Adapter, part: str = "") -> Tensor:
        outputs: Tensor = self.head(decoded)
        return outputs

    @override
    def arrange(self, values: Tensor, batch: Any) -> Tensor:
        """Return the forecast in the units of the series, in the precision of the batch.

        Args:
            values: what was decoded, (B, H, K).
            batch: the windows, (B, T + H, 1 + C).
        """
        base, scale = self.base_and_scale(batch)
        return base + scale * values.to(base.dtype)
