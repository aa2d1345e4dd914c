"""Adapter of images, whose elements are pixels or patches."""

from typing import Unpack

from ..array.adapter import ArrayAdapter, ArrayOptions


class ImageAdapter(ArrayAdapter):
    """Turns a raw batch of images (B, H, W, C) into `Inputs` with one element per pixel or patch.

    Args:
        image_size: height and width in pixels that the model is configured for.
        channels: C.
        patch_size: height and width of a patch in pixels; 1: every pixel is an element.
        patch_stride: pixels from one patch to the next; None: `patch_size`, no overlap.
        max_resolution: resolution of both axes; None: the number of patches along the axis
            (Nyquist).
        **options: projection_dim, projection_activation, position, num_bands, spacing, position_dim
            and fusion of `ArrayAdapter`.
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
