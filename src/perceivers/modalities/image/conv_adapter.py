"""Adapter of images whose elements are the outputs of a small convolutional network."""

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from ...core import FourierPosition, Inputs
from ..channels_last import ChannelsLastAdapter, channels_hint

KERNEL, POOL = 7, 3  # pixels; both layers have a stride of 2

# B batch · H, W pixels · R, Q rows and columns of elements · C channels


class ConvImageAdapter(ChannelsLastAdapter):
    """Turns a raw batch of images (B, H, W, C) into `Inputs` with an element for 4×4 pixels.

    A 7×7 convolution of stride 2, a batch normalisation, a ReLU and 3×3 max pooling of stride 2
    precede the Fourier positions, as in DeepMind's model with convolutional preprocessing (arXiv
    2107.14795, Table 7: 56² elements). As in transformers' port of that model, the convolution pads
    3 pixels on all sides and the pooling none, so that images of 224² pixels give 55² elements.

    Args:
        image_size: height and width in pixels that the model is configured for.
        channels: C.
        conv_dim: channels of the convolution.
        num_bands: Fourier bands per axis.
        max_resolution: resolution of both axes; None: a quarter of `image_size`.

    Raises:
        ValueError: images are smaller than the network takes; in `elements`, the batch is.
    """

    def __init__(
        self,
        *,
        image_size: int = 224,
        channels: int = 3,
        conv_dim: int = 64,
        num_bands: int = 64,
        max_resolution: float | None = None,
    ) -> None:
        super().__init__(channels)
        self.image_size = image_size
        self.conv = nn.Conv2d(channels, conv_dim, KERNEL, 2, padding=KERNEL // 2, bias=False)
        self.norm = nn.BatchNorm2d(conv_dim)
        resolution = max_resolution or image_size / 4
        self.position = FourierPosition((resolution,) * 2, num_bands=num_bands)
        grid_size(image_size, image_size)  # raises an error if it is too small

    @property
    @override
    def dim(self) -> int:
        return self.conv.out_channels + self.position.dim

    @property
    @override
    def position_dim(self) -> int:
        return self.position.dim

    @property
    @override
    def num_inputs(self) -> int:
        rows, columns = grid_size(self.image_size, self.image_size)
        return rows * columns

    @override
    def elements(self, images: Tensor) -> Inputs:
        """Turn images of one size into elements.

        Args:
            images: (B, H, W, C), uint8 or float, of any size that is large enough.
        """
        if images.ndim != 4 or images.shape[-1] != self.channels:
            raise ValueError(
                f"image batch has shape {tuple(images.shape)}; expected (batch, height, width, "
                f"{self.channels}), channels last{channels_hint(images, self.channels)}"
            )
        rows, columns = grid_size(*images.shape[1:3])
        x = self.normalise(images).movedim(-1, 1)
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), POOL, 2)  # B C R Q
        position = self.position.on_grid(rows, columns, device=images.device)
        return Inputs(x.flatten(2).transpose(1, 2), position)

    def extra_repr(self) -> str:
        """Return the size of the images for `repr`."""
        return f"image_size={self.image_size}"


def grid_size(height: int, width: int) -> tuple[int, int]:
    """Return the numbers of rows and columns of elements of an image.

    Args:
        height: height of the image in pixels.
        width: width of the image in pixels.

    Raises:
        ValueError: the image is too small.
    """
    least = 2 * POOL - 1
    if min(height, width) < least:
        raise ValueError(
            f"image of {height}×{width} pixels; the convolution and the pooling of this model need "
            f"at least {least}×{least}: resize it"
        )
    rows, columns = ((-(-side // 2) - POOL) // 2 + 1 for side in (height, width))
    return rows, columns
