"""Images to elements: pixels or patches, with Fourier or learned positions."""

from typing import Unpack

from ..array.adapter import ArrayAdapter, ArrayOptions


class ImageAdapter(ArrayAdapter):
    """A raw batch of images (B, H, W, C) → `Inputs` of one element a pixel or patch.

    Args:
        image_size: height and width the model is made for, in pixels.
        channels: C.
        patch_size: side of a patch in pixels; 1: pixels.
        patch_stride: step from patch to patch; None: `patch_size`, no overlap.
        max_resolution: of both axes; None: that of the patch grid (Nyquist).
        options: projection_dim, position, num_bands, spacing, position_dim, fusion; see
            `ArrayAdapter`.
    """

    noun = "image"

    def __init__(
        self,
        *,
        image_size: int = 224,
        channels: int = 3,
        patch_size: int = 1,
        patch_stride: int | None = None,
        max_resolution: float | None = None,
        **options: Unpack[ArrayOptions],
    ) -> None:
        super().__init__(
            (image_size, image_size),
            channels=channels,
            patch_size=(patch_size,) * 2,
            patch_stride=None if patch_stride is None else (patch_stride,) * 2,
            max_resolution=None if max_resolution is None else (max_resolution,) * 2,
            **options,
        )
