"""Video to elements: patches of a few frames, with positions in time and space."""

from collections.abc import Sequence
from typing import Unpack

from ..array.adapter import ArrayAdapter, ArrayOptions


class VideoAdapter(ArrayAdapter):
    """Video (B, T, H, W, C) → `Inputs` of one element a patch of frames, rows and columns.

    The defaults are the paper's (arXiv 2103.03206v2, §4.2): 32 frames of 224² pixels in 12,544
    patches of 2×8×8.

    Args:
        num_frames: T that the model is made for.
        image_size: height and width that it is made for, in pixels.
        channels: C.
        patch_frames: frames of a patch.
        patch_size: side of a patch in pixels.
        max_resolution: of time, height and width; None: those of the grid of patches (Nyquist).
        options: projection_dim, position, num_bands, spacing, position_dim, fusion; see
            `ArrayAdapter`.
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
        max_resolution: Sequence[float] | None = None,
        **options: Unpack[ArrayOptions],
    ) -> None:
        super().__init__(
            (num_frames, image_size, image_size),
            channels=channels,
            patch_size=(patch_frames, patch_size, patch_size),
            max_resolution=max_resolution,
            **options,
        )
