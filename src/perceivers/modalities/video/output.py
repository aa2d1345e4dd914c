"""The output of video: frames, pixel by pixel."""

from collections.abc import Sequence

from typing_extensions import override

from ..array.output import GridOutput


class FramesOutput(GridOutput):
    """Frames (B, T, H, W, C), rebuilt from one query for each pixel.

    Args:
        num_frames: T.
        image_size: H and W.
        channels: C.
        num_bands: Fourier bands of the queries per axis.
        max_resolution: resolution of time, height and width; None: T, H and W.

    Raises:
        ValueError: a size is below 1.
    """

    def __init__(
        self,
        *,
        num_frames: int = 16,
        image_size: int = 224,
        channels: int = 3,
        num_bands: int = 32,
        max_resolution: Sequence[float] | None = None,
    ) -> None:
        shape = (num_frames, image_size, image_size)
        super().__init__(
            shape,
            num_channels=channels,
            num_bands=num_bands,
            max_resolution=max_resolution or tuple(map(float, shape)),
        )

    @property
    @override
    def meaning(self) -> str:
        return "the pixels of frames, channels last"
