"""Sound to elements: patches of the raw waveform."""

from collections.abc import Iterable
from typing import Any, Unpack

from torch import Tensor

from ...core import Inputs
from ..adapter import CHUNK_ELEMENTS
from ..array.adapter import ArrayAdapter, ArrayOptions


class AudioAdapter(ArrayAdapter):
    """Waveforms (B, S) or (B, S, C) → `Inputs` of one element a patch of samples.

    Samples are floats, usually in [-1, 1], taken as they are: 16-bit integers are to be divided by
    32,768 before. The defaults are the paper's raw audio (arXiv 2103.03206v2, §4.2): 1.28 s at
    48 kHz in 480 patches of 128 samples.

    Args:
        num_samples: S that the model is made for.
        channels: C; 1 also takes (B, S).
        patch_size: samples of a patch.
        patch_stride: step from patch to patch; None: `patch_size`, no overlap.
        max_resolution: None: that of the patches (Nyquist).
        options: projection_dim, position, num_bands, spacing, position_dim, fusion; see
            `ArrayAdapter`.
    """

    noun = "audio"

    def __init__(
        self,
        *,
        num_samples: int = 61_440,
        channels: int = 1,
        patch_size: int = 128,
        patch_stride: int | None = None,
        max_resolution: float | None = None,
        **options: Unpack[ArrayOptions],
    ) -> None:
        super().__init__(
            (num_samples,),
            channels=channels,
            patch_size=(patch_size,),
            patch_stride=None if patch_stride is None else (patch_stride,),
            max_resolution=None if max_resolution is None else (max_resolution,),
            **options,
        )

    def elements(self, waves: Tensor) -> Inputs:
        """Waveforms (B, S), if there is one channel, or (B, S, C) → M = S / patch_stride."""
        return super().elements(self._with_channels(waves))

    def values(self, batch: Tensor) -> Tensor:
        """See `ChannelsLastAdapter`: the samples."""
        return super().values(self._with_channels(batch))

    def stream(self, example: Any, *, elements: int = CHUNK_ELEMENTS) -> Iterable[Inputs]:
        """See `Adapter`: parts of a waveform (S,), if there is one channel, or (S, C)."""
        mono = example.ndim == 1 and self.channels == 1
        return super().stream(example[..., None] if mono else example, elements=elements)

    def _with_channels(self, waves: Tensor) -> Tensor:
        """A batch (B, S) of one channel as (B, S, 1)."""
        return waves[..., None] if waves.ndim == 2 and self.channels == 1 else waves
