"""Adapter of videos, whose elements are patches of a few frames."""

from collections.abc import Sequence
from typing import Unpack

from ..array.adapter import ArrayAdapter, ArrayOptions


class VideoAdapter(ArrayAdapter):
    """Turns a raw batch of videos (B, T, H, W, C) into `Inputs` with one element per patch.

    A patch spans frames, rows and columns; positions are in time and space. The defaults are the
    paper's (arXiv 2103.03206v2, §4.2): 32 frames of 224² pixels in 12,544 patches of 2×8×8.

    Args:
        num_frames: T that the model is configured for.
        image_size: height and width in pixels that the model is configured for.
        channels: C.
        patch_frames: number of frames of a patch.
        patch_size: height and width of a patch in pixels.
        frame_stride: frames from one patch to the next; None: `patch_frames`, no overlap.
        patch_stride: pixels from one patch to the next; None: `patch_size`, no overlap.
        max_resolution: resolution of time, height and width; None: the number of patches along the
            axis (Nyquist).
        **options: projection_dim, projection_activation, position, num_bands, spacing, position_dim
            and fusion of `ArrayAdapter`.
    """

    noun = "video"

    def __init__(
        self,
        *,
        num_frames: int = 32,
        image_size: int = 224,
        channels: int = 3,
        patch_frames: int = 2,
        patch_size: int = 8,
        frame_stride: int | None = None,
        patch_stride: int | None = None,
        max_resolution: Sequence[float] | None = None,
        **options: Unpack[ArrayOptions],
    ) -> None:
        frames = patch_frames if frame_stride is None else frame_stride
        pixels = patch_size if patch_stride is None else patch_stride
        super().__init__(
            (num_frames, image_size, image_size),
            channels=channels,
            patch_size=(patch_frames, patch_size, patch_size),
            patch_stride=(frames, pixels, pixels),
            max_resolution=max_resolution,
            **options,
        )
