"""Images to elements: pixels or patches, with Fourier or learned positions."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import FourierPosition, Inputs, LearnedPosition
from ..core.positions import Spacing


class ImageAdapter(nn.Module):
    """A raw batch of images (B, H, W, C) → `Inputs` of one element a patch.

    uint8 is scaled to [0, 1], floats are taken as they are; then each channel is normalised by the
    buffers `mean` and `std` (identity until `set_normalisation`), so that training, prediction and
    export cannot disagree. A patch is flattened row by row, channels last. Positions are those of
    the patch grid of the image as given, that is of the crop (paper §3.2).

    Args:
        image_size: height and width the model is made for, in pixels.
        channels: C.
        patch_size: side of a patch in pixels; 1: pixels.
        patch_stride: step from patch to patch; None: `patch_size`. A smaller step makes patches
            overlap; the border is then padded with the mean, (patch_size - patch_stride) / 2 wide.
        position: "fourier" works on any image size, "learned" only on `image_size`.
        num_bands: Fourier bands per axis.
        max_resolution: see `core.fourier_features`; None: that of the patch grid (Nyquist).
        spacing: of the Fourier bands.
        position_dim: channels of a learned position.

    Raises:
        ValueError: sizes that do not go together, here or in `forward`.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        image_size: int = 224,
        channels: int = 3,
        patch_size: int = 1,
        patch_stride: int | None = None,
        position: Literal["fourier", "learned"] = "fourier",
        num_bands: int = 64,
        max_resolution: float | None = None,
        spacing: Spacing = "linear",
        position_dim: int = 128,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.patch_size = patch_size
        self.stride = patch_size if patch_stride is None else patch_stride
        if not 1 <= self.stride <= patch_size or (patch_size - self.stride) % 2:
            raise ValueError(
                f"patch_stride={self.stride} does not go with patch_size={patch_size}; expected a "
                "stride of at most the size that differs from it by an even number"
            )
        self.image_size = image_size
        rows, columns = self.grid_size(image_size, image_size)
        self.position: FourierPosition | LearnedPosition
        if position == "fourier":
            resolution = float(rows) if max_resolution is None else max_resolution
            self.position = FourierPosition((resolution,) * 2, num_bands=num_bands, spacing=spacing)
        elif position == "learned":
            self.position = LearnedPosition(rows * columns, position_dim)
        else:
            raise ValueError(f"unknown position {position!r}; expected 'fourier' or 'learned'")
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    @property
    def dim(self) -> int:
        """C of the elements, positions included: the core's `input_dim`."""
        return self.patch_size**2 * self.channels + self.position.dim

    @property
    def num_inputs(self) -> int:
        """M, elements of an image of the size the model is made for."""
        rows, columns = self.grid_size(self.image_size, self.image_size)
        return rows * columns

    def grid_size(self, height: int, width: int) -> tuple[int, int]:
        """Patches down and across an image of this many pixels."""
        if height % self.stride or width % self.stride:
            raise ValueError(
                f"an image of {height}×{width} pixels does not divide into steps of {self.stride}; "
                f"resize it to {max(1, height // self.stride) * self.stride}×"
                f"{max(1, width // self.stride) * self.stride}"
            )
        return height // self.stride, width // self.stride

    def set_normalisation(self, mean: Tensor, std: Tensor) -> None:
        """Per-channel constants (C,) of images in [0, 1], measured on the training data."""
        self.mean.copy_(mean)
        self.std.copy_(std)

    def forward(self, images: Tensor) -> Inputs:
        """Images (B, H, W, C), uint8 or float → M = H/stride · W/stride elements."""
        if images.ndim != 4 or images.shape[-1] != self.channels:
            raise ValueError(
                f"images have shape {tuple(images.shape)}; expected (batch, height, width, "
                f"{self.channels}), channels last"
            )
        rows, columns = self.grid_size(images.shape[1], images.shape[2])
        if isinstance(self.position, FourierPosition):
            position = self.position.on_grid(rows, columns, device=images.device)
        else:
            position = self.position()
            if position.shape[1] != rows * columns:
                raise ValueError(
                    f"images are {images.shape[1]}×{images.shape[2]} pixels; this model learned "
                    f"the positions of {self.image_size}×{self.image_size}: resize them"
                )
        return Inputs(self.patches(self.normalise(images)), position)

    def normalise(self, images: Tensor) -> Tensor:
        """Scaled (uint8 only) and normalised, in the parameters' floating type."""
        dtype = self.mean.dtype
        x = images.to(dtype) / 255 if images.dtype == torch.uint8 else images.to(dtype)
        return (x - self.mean) / self.std

    def patches(self, x: Tensor) -> Tensor:
        """(B, H, W, C) → (B, M, patch_size² · C)."""
        size, stride = self.patch_size, self.stride
        border = (size - stride) // 2
        if border:
            x = F.pad(x, (0, 0, border, border, border, border))
        windows = x.unfold(1, size, stride).unfold(2, size, stride)  # B rows cols C size size
        return windows.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(1, 2)
