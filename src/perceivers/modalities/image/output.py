"""The output of images: pixels."""

from typing_extensions import override

from ..array.output import GridOutput


class PixelsOutput(GridOutput):
    """Images (B, H, W, C), rebuilt from one query for each pixel, from 0 to 1.

    Args:
        image_size: H and W.
        channels: C.
        num_bands: Fourier bands of the queries per axis.
        max_resolution: resolution of both axes; None: H.

    Raises:
        ValueError: a size is below 1.
    """

    def __init__(
        self,
        *,
        image_size: int = 224,
        channels: int = 3,
        num_bands: int = 32,
        max_resolution: float | None = None,
    ) -> None:
        super().__init__(
            (image_size, image_size),
            num_channels=channels,
            num_bands=num_bands,
            max_resolution=(float(max_resolution or image_size),) * 2,
        )

    @property
    @override
    def meaning(self) -> str:
        return "the pixels of an image, channels last, from 0 to 1"
