"""The adapter of point clouds: each point becomes an element at its own coordinates."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from ...core import FourierPosition, Inputs
from ..adapter import CHUNK_ELEMENTS
from ..channels_last import ChannelsLastAdapter, channels_hint
from ..files import as_tensor

# B batch · M points · C channels · P position channels

AXES = 3
# Standard deviations of a channel that its Fourier features map to 1, the end of their range.
MAX_DEVIATIONS = 3.0


class PointAdapter(ChannelsLastAdapter):
    """Turn point clouds (B, M, C) into `Inputs` with one element per point.

    The first three channels are the coordinates, in [-1, 1]. Further channels are measurements at
    the point, such as its colour. The content of an element is all its channels. Its position is
    the Fourier features of the coordinates as they are in the batch: `mean` and `std` normalise
    only the content.

    With `content_bands`, the content also has Fourier features of the further channels. Because the
    values of a cross-attend are linear in the content, without these features attention would keep
    only the weighted mean of each channel.

    Clouds may have any number of points; clouds of different sizes come as a list. Coordinates
    outside [-1, 1] are not checked, and a NaN gives NaN logits.

    Args:
        num_points: M that costs are computed for; it does not limit the size of a cloud.
        channels: C, at least 3.
        content_bands: number of Fourier frequencies for each normalised channel beyond the third.
            The lowest has a period of six standard deviations. 0: only the channel itself.
        num_bands: Fourier frequencies per axis of the positions (paper: 64).
        max_resolution: resolution of each axis whose Nyquist frequency is the highest Fourier
            frequency. The paper (arXiv 2103.03206v2, §4.3) gives a maximum frequency of 1120, ten
            times ImageNet's. If that means ten times ImageNet's highest band, 224 / 2 = 112, it is
            half of the resolution, hence the default of 2240. The wording also allows 1120 here.

    Raises:
        ValueError: fewer than 3 channels, or `content_bands` without channels beyond the third.
    """

    def __init__(
        self,
        *,
        num_points: int = 2048,
        channels: int = 3,
        content_bands: int = 0,
        num_bands: int = 64,
        max_resolution: float = 2240.0,
    ) -> None:
        super().__init__(channels)
        if channels < AXES:
            raise ValueError(f"channels={channels}; expected at least 3: x, y and z")
        if content_bands and channels == AXES:
            raise ValueError(
                f"content_bands={content_bands} with channels={channels}; expected 0, or channels "
                "beyond x, y and z"
            )
        self.num_points = num_points
        # Bands 1, 2, …, content_bands of a channel divided by MAX_DEVIATIONS.
        self.content_features = FourierPosition(
            (2.0 * content_bands,) * (channels - AXES), num_bands=content_bands
        )
        self.position = FourierPosition((max_resolution,) * AXES, num_bands=num_bands)

    @property
    @override
    def dim(self) -> int:
        num_features = 2 * self.content_features.num_bands * (self.channels - AXES)
        return self.channels + num_features + self.position.dim

    @property
    @override
    def position_dim(self) -> int:
        return self.position.dim

    @property
    @override
    def num_inputs(self) -> int:
        return self.num_points

    @override
    def elements(self, points: Tensor) -> Inputs:
        if points.ndim != 3 or points.shape[1] == 0 or points.shape[2] != self.channels:
            raise ValueError(
                f"points batch has shape {tuple(points.shape)}; expected (batch, points, "
                f"{self.channels}), channels last, with at least one point"
                f"{channels_hint(points, self.channels)}"
            )
        if not torch.is_floating_point(points):
            raise ValueError(
                f"points are {points.dtype}; expected floats with coordinates in [-1, 1]"
            )
        # Positions are made before a half-precision model rounds the coordinates.
        return Inputs(self.content(points), self.position(points[..., :AXES]))

    def content(self, points: Tensor) -> Tensor:
        """Return the content of the elements: normalised channels and their Fourier features.

        Args:
            points: (B, M, C).

        Returns:
            (B, M, `dim` - P).
        """
        content = self.normalise(points)
        if not self.content_features.num_bands:
            return content
        measurements = content[..., AXES:]
        features = self.content_features(measurements / MAX_DEVIATIONS)
        features = features[..., measurements.shape[-1] :]  # without the channels themselves
        return torch.cat([content, features.to(content.dtype)], dim=-1)

    @override
    def stream(self, example: Any, *, elements: int = CHUNK_ELEMENTS) -> Iterable[Inputs]:
        return _PointStream(self, example, elements)


@dataclass(frozen=True)
class _PointStream:
    """The elements of a large cloud in parts. Each pass reads the cloud again."""

    adapter: PointAdapter
    points: Any
    elements: int

    def __iter__(self) -> Iterator[Inputs]:
        for start in range(0, len(self.points), self.elements):
            part = as_tensor(self.points[start : start + self.elements])
            yield self.adapter(part[None].to(self.adapter.mean.device))
