"""The adapter of raw waveforms: patches of samples become elements."""

from collections.abc import Iterable
from typing import Any, Unpack

import torch
from torch import Tensor
from typing_extensions import override

from ...core import Inputs
from ..adapter import CHUNK_ELEMENTS
from ..array.adapter import ArrayAdapter, ArrayOptions


class AudioAdapter(ArrayAdapter):
    """Turn waveforms (B, S) or (B, S, C) into `Inputs` with one element per patch of samples.

    There are M = S / `patch_stride` elements. Samples are floats, usually in [-1, 1], and are not
    rescaled: divide 16-bit integers by 32,768 first.

    The defaults are the paper's raw audio (arXiv 2103.03206v2, §4.2): 1.28 s at 48 kHz in 480
    patches of 128 samples.

    Args:
        num_samples: S, the number of samples that the model is built for.
        channels: C. With one channel, batches may also be (B, S).
        patch_size: samples of a patch.
        patch_stride: step from one patch to the next, in samples; None: `patch_size`, so that
            patches do not overlap.
        max_resolution: resolution whose Nyquist frequency is the highest Fourier frequency of the
            positions; None: the number of patches.
        options: projection_dim, projection_activation, position, num_bands, spacing, position_dim
            and fusion, as of `ArrayAdapter`.

    Raises:
        ValueError: as `ArrayAdapter`.
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

    @override
    def elements(self, waves: Tensor) -> Inputs:
        return super().elements(self._with_channels(waves))

    @override
    def values(self, batch: Tensor) -> Tensor:
        return super().values(self._with_channels(batch))

    @override
    def stream(self, example: Any, *, elements: int = CHUNK_ELEMENTS) -> Iterable[Inputs]:
        mono = example.ndim == 1 and self.channels == 1
        return super().stream(example[..., None] if mono else example, elements=elements)

    @override
    def scaled(self, x: Tensor) -> Tensor:
        """Convert to the floating type of the parameters.

        Raises:
            ValueError: `x` has integers.
        """
        if x.dtype == torch.uint8:
            raise ValueError(
                "samples are uint8; expected floats, usually in [-1, 1]: (x.float() - 128) / 128 "
                "for 8-bit sound"
            )
        return super().scaled(x)

    def _with_channels(self, waves: Tensor) -> Tensor:
        """Add an axis of channels to a batch (B, S) if the model takes one channel."""
        return waves[..., None] if waves.ndim == 2 and self.channels == 1 else waves
