"""Adapter of pairs of frames, whose elements are the pixels of both frames together."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from ...core import FourierPosition, Inputs
from ...core.init import init_linear
from ..channels_last import ChannelsLastAdapter, channels_hint

# B batch · H, W pixels · C channels · S patch_size · E projection_dim


class FramePairAdapter(ChannelsLastAdapter):
    """Turns a raw batch of pairs of frames (B, 2, H, W, C) into `Inputs` with an element per pixel.

    The content of an element are the S×S patches around its pixel in both frames, projected
    linearly; its position is that of the pixel. The defaults are those of the published model
    (arXiv 2107.14795, §4.2): patches of 3×3 pixels, 54 numbers projected to 64 channels, and 2-D
    Fourier features. Pixels are scaled to [-1, 1], and those beyond the border are 0 (grey).

    Args:
        height: H that the model is configured for; frames of any size are taken.
        width: W that the model is configured for.
        channels: C.
        patch_size: S, odd.
        projection_dim: E.
        num_bands: Fourier bands per axis.

    Raises:
        ValueError: a size is below 1, or `patch_size` is even; in `elements`, the batch has another
            shape.
    """

    def __init__(
        self,
        *,
        height: int = 368,
        width: int = 496,
        channels: int = 3,
        patch_size: int = 3,
        projection_dim: int = 64,
        num_bands: int = 64,
    ) -> None:
        super().__init__(channels)
        sizes = {"height": height, "width": width, "projection_dim": projection_dim}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name}={size}; expected at least 1")
        if patch_size < 1 or patch_size % 2 == 0:
            raise ValueError(f"patch_size={patch_size}; expected an odd number")
        self.size = height, width
        self.patch_size = patch_size
        self.projection = nn.Linear(2 * patch_size**2 * channels, projection_dim)
        init_linear(self.projection)
        self.position = FourierPosition((float(height), float(width)), num_bands=num_bands)
        self.set_normalisation(torch.full((channels,), 0.5), torch.full((channels,), 0.5))

    @property
    @override
    def dim(self) -> int:
        return self.projection.out_features + self.position.dim

    @property
    @override
    def position_dim(self) -> int:
        return self.position.dim

    @property
    @override
    def num_inputs(self) -> int:
        return self.size[0] * self.size[1]

    @override
    def elements(self, frames: Tensor) -> Inputs:
        """Turn pairs of frames of one size into elements.

        Args:
            frames: (B, 2, H, W, C), uint8 or floats in [0, 1], the earlier frame first.
        """
        if frames.ndim != 5 or frames.shape[1] != 2 or frames.shape[-1] != self.channels:
            raise ValueError(
                f"batch of frame pairs has shape {tuple(frames.shape)}; expected (batch, 2, "
                f"height, width, {self.channels}), channels last{channels_hint(frames, 2)}"
            )
        height, width = frames.shape[2:4]
        x = self.normalise(frames).permute(0, 1, 4, 2, 3).flatten(1, 2)  # B 2·C H W
        # A linear map of the patches around all pixels is a convolution.
        size = self.patch_size
        weight = self.projection.weight.view(-1, 2, size, size, self.channels)
        weight = weight.permute(0, 1, 4, 2, 3).flatten(1, 2)  # E 2·C S S
        content = F.conv2d(x, weight, self.projection.bias, padding=size // 2)
        position = self.position.on_grid(height, width, device=frames.device)
        return Inputs(content.flatten(2).transpose(1, 2), position)

    def patches(self, frames: Tensor) -> Tensor:
        """Return the normalised patches around all pixels, (B, 2, H, W, S·S·C).

        The model itself never makes them; transformers' class takes them as input, channels first.

        Args:
            frames: as in `elements`.
        """
        size, border = self.patch_size, self.patch_size // 2
        x = F.pad(self.normalise(frames), (0, 0, border, border, border, border))
        x = x.unfold(2, size, 1).unfold(3, size, 1)  # B 2 H W C S S
        return x.permute(0, 1, 2, 3, 5, 6, 4).flatten(4)
