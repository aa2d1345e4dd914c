"""The adapter of time series: each run of steps becomes an element at its time."""

import torch
from torch import Tensor
from typing_extensions import override

from ...core import FourierPosition, Inputs
from ..channels_last import ChannelsLastAdapter
from .scaling import future_times, standardised, window_moments

# B batch · T length · H horizon · C channels · S patch_size · P position channels


class SeriesAdapter(ChannelsLastAdapter):
    """Turn windows of time series into `Inputs` with one element for each run of steps.

    A window (B, T + H, 1 + C) holds the time of each step, then its channels; NaN is a missing
    value. The content of an element is the S·C normalised values of its steps, 0 where they are
    missing, and S·C numbers that say which are there (1) and which are missing (0). Elements
    without any value are masked. The position is the Fourier features of the mean time of the
    steps, so that steps need not be evenly spaced: times from 0 to T + H - 1 become [-1, 1].

    The last H steps are those to forecast. Each is a masked element of its own, whose position
    says when it is; its values are not read.

    Args:
        length: T, steps of a window.
        horizon: H.
        channels: C.
        patch_size: S, which divides T.
        normalise: "training": by `mean` and `std` of each channel, which are the identity until
            `set_normalisation`; "window": by the mean and the standard deviation of the values that
            are there, of each channel of each window (a channel that does not vary is divided by
            1). Both are subtracted in the precision of the batch.
        num_bands: Fourier frequencies of the position; the highest is the Nyquist frequency of
            steps.

    Raises:
        ValueError: `patch_size` does not divide `length`, or `normalise` is unknown.
    """

    def __init__(
        self,
        *,
        length: int = 128,
        horizon: int = 0,
        channels: int = 1,
        patch_size: int = 1,
        normalise: str = "training",
        num_bands: int = 16,
    ) -> None:
        super().__init__(channels)
        if length % patch_size:
            raise ValueError(
                f"patch_size={patch_size} does not divide length={length}; choose a length that is "
                f"a multiple, such as {-(-length // patch_size) * patch_size}"
            )
        if normalise not in ("training", "window"):
            raise ValueError(f"normalise={normalise!r}; expected 'training' or 'window'")
        self.length, self.horizon, self.patch_size = length, horizon, patch_size
        self.normalise_by = normalise
        self.position = FourierPosition((length + horizon,), num_bands=num_bands)

    @property
    @override
    def dim(self) -> int:
        return 2 * self.patch_size * self.channels + self.position.dim

    @property
    @override
    def position_dim(self) -> int:
        return self.position.dim

    @property
    @override
    def num_inputs(self) -> int:
        return self.length // self.patch_size + self.horizon

    @property
    @override
    def least_inputs(self) -> int:
        return self.num_inputs

    @override
    def set_normalisation(self, mean: Tensor, std: Tensor) -> None:
        if self.normalise_by == "training":
            super().set_normalisation(mean, std)

    @override
    def values_to_normalise(self, batch: Tensor) -> Tensor | None:  # type: ignore[override]
        return batch[:, : self.length, 1:] if self.normalise_by == "training" else None

    @override
    def elements(self, batch: Tensor) -> Inputs:
        check_windows(batch, self.length + self.horizon, self.channels)
        values, present = self.values_and_presence(batch)
        content = torch.cat([values, present.to(values.dtype)], dim=-1)  # B T 2C
        content = content.unflatten(1, (-1, self.patch_size)).flatten(2)
        mask = present.any(-1).unflatten(1, (-1, self.patch_size)).any(-1)
        times = batch[:, : self.length, 0].unflatten(1, (-1, self.patch_size)).mean(-1)
        times = torch.cat([times, future_times(batch, self.horizon)], dim=1)
        if self.horizon:
            unknown = content.new_zeros(batch.shape[0], self.horizon, content.shape[2])
            content = torch.cat([content, unknown], dim=1)
            mask = torch.cat([mask, mask.new_zeros(batch.shape[0], self.horizon)], dim=1)
        return Inputs(content, self.position(self.coordinates(times)), mask)

    def values_and_presence(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normalised values of windows, 0 where missing, and which are there, (B, T, C).

        Args:
            batch: windows (B, T + H, 1 + C).
        """
        values = batch[:, : self.length, 1:]
        present = ~values.isnan()
        if self.normalise_by == "window":
            mean, std = window_moments(values)
        else:
            mean, std = self.mean.to(values.dtype), self.std.to(values.dtype)
        return standardised(values, mean, std).to(self.mean.dtype), present

    def coordinates(self, times: Tensor) -> Tensor:
        """Return times (B, M), counted in steps, as coordinates (B, M, 1)."""
        last = max(1, self.length + self.horizon - 1)
        return (2 * times / last - 1)[..., None]


def check_windows(batch: Tensor, steps: int, channels: int) -> None:
    """Raise a ValueError unless a batch holds windows of floats, (B, steps, 1 + channels)."""
    if batch.ndim != 3 or batch.shape[1:] != (steps, 1 + channels):
        raise ValueError(
            f"series batch has shape {tuple(batch.shape)}; expected (batch, {steps}, "
            f"{1 + channels}): the time of each step, then {channels} channels, with "
            "NaN for a missing value"
        )
    if not batch.is_floating_point():
        raise ValueError(f"series are {batch.dtype}; expected floats")
