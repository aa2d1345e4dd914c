"""Point clouds to elements: one a point, at the point's own coordinates."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...core import FourierPosition, Inputs
from ..adapter import CHUNK_ELEMENTS, ChannelsLastAdapter
from ..files import as_tensor

# B batch · M points · C channels · P position channels

AXES = 3
DEVIATIONS = 3.0  # of a normalised channel, from 0 to the end of its Fourier features' range


class PointAdapter(ChannelsLastAdapter):
    """Points (B, M, C) → `Inputs` of one element a point.

    The first three channels are the coordinates, in [-1, 1]; more channels are what was sensed
    there, such as colour. The content of an element is all its channels, its position the Fourier
    features of its coordinates as given: `mean` and `std` act on the content alone. What is sensed
    may be given as Fourier features too: a cross-attend's values are linear in the content, and so
    is what it averages of it, of which a mean alone would remain.

    Any number of points is taken, of clouds of different sizes a list. Values are not looked at:
    coordinates beyond [-1, 1] are taken as they are, and a NaN gives NaN logits.

    Args:
        num_points: M that costs are counted for.
        channels: C, 3 or more.
        content_bands: Fourier frequencies of each normalised channel beyond the third, the lowest
            of a period of six standard deviations, beside the channel itself; 0: none.
        num_bands: Fourier bands per axis (paper: 64).
        max_resolution: of each axis. The paper (arXiv 2103.03206v2, §4.3) gives a maximum frequency
            of 1120, ten times ImageNet's. Read as ten times ImageNet's highest band, 224 / 2 = 112,
            it is half of this resolution, hence 2240; the wording also allows 1120 here.
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
            raise ValueError(f"channels={channels}; expected at least 3, the coordinates")
        if content_bands and channels == AXES:
            raise ValueError(
                f"content_bands={content_bands} of no channels; expected 0, or channels beside the "
                "coordinates"
            )
        self.num_points = num_points
        # Bands 1, 2, …, of a coordinate that reaches from -1 to 1 within three deviations.
        self.sensed = FourierPosition(
            (2.0 * content_bands,) * (channels - AXES), num_bands=content_bands
        )
        self.position = FourierPosition((max_resolution,) * AXES, num_bands=num_bands)

    @property
    def dim(self) -> int:
        """C + P, and with `content_bands` the features of the channels."""
        sensed = 2 * self.sensed.num_bands * (self.channels - AXES)
        return self.channels + sensed + self.position.dim

    @property
    def num_inputs(self) -> int:
        """`num_points`."""
        return self.num_points

    def elements(self, points: Tensor) -> Inputs:
        """Points (B, M, C), floats → M elements; their positions are (B, M, P)."""
        if points.ndim != 3 or points.shape[1] == 0 or points.shape[2] != self.channels:
            raise ValueError(
                f"points batch has shape {tuple(points.shape)}; expected (batch, points, "
                f"{self.channels}), channels last, of at least one point"
            )
        if not torch.is_floating_point(points):
            raise ValueError(f"points are {points.dtype}; expected floats, coordinates in [-1, 1]")
        # Positions are made of the coordinates as given, before a half-precision model rounds them.
        return Inputs(self.content(points), self.position(points[..., :AXES]))

    def content(self, points: Tensor) -> Tensor:
        """What is sensed, points (B, M, C) → (B, M, `dim` - P)."""
        content = self.normalise(points)
        if not self.sensed.num_bands:
            return content
        sensed = self.sensed(content[..., AXES:] / DEVIATIONS)[..., self.channels - AXES :]
        return torch.cat([content, sensed.to(content.dtype)], dim=-1)

    def stream(self, example: Any, *, elements: int = CHUNK_ELEMENTS) -> Iterable[Inputs]:
        """See `Adapter`: runs of the points (M, C)."""
        return _Runs(self, example, elements)


@dataclass(frozen=True)
class _Runs:
    """Points read run by run; each pass reads them anew."""

    adapter: PointAdapter
    points: Any
    elements: int

    def __iter__(self) -> Iterator[Inputs]:
        for start in range(0, len(self.points), self.elements):
            run = as_tensor(self.points[start : start + self.elements])
            yield self.adapter(run[None].to(self.adapter.mean.device))
