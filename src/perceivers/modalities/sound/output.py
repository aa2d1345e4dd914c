"""The output of sound: a waveform, patch by patch."""

from typing import Any

from torch import Tensor
from typing_extensions import override

from ..array.output import GridOutput


class WaveOutput(GridOutput):
    """A waveform (B, S) of one channel, rebuilt from one query for each patch of samples.

    Args:
        num_samples: S.
        patch_size: samples of a patch.
        num_bands: Fourier bands of the queries.
        max_resolution: resolution of the queries' positions; None: S.

    Raises:
        ValueError: S is no multiple of the patch, or a size is below 1.
    """

    def __init__(
        self,
        *,
        num_samples: int = 30_720,
        patch_size: int = 16,
        num_bands: int = 192,
        max_resolution: float | None = None,
    ) -> None:
        if patch_size < 1 or num_samples % patch_size:
            raise ValueError(
                f"num_samples={num_samples} is no multiple of patch_size={patch_size}; expected one"
            )
        super().__init__(
            (num_samples // patch_size,),
            num_channels=patch_size,
            num_bands=num_bands,
            max_resolution=(float(max_resolution or num_samples),),
        )

    @property
    @override
    def meaning(self) -> str:
        return "the samples of a waveform"

    @override
    def values(self, batch: Tensor) -> Tensor:
        """Return the patches of waveforms (B, S) or (B, S, 1), (B, O, K)."""
        waves = batch.flatten(1)
        if waves.shape[1] != self.num_outputs * self.num_channels:
            raise ValueError(
                f"the inputs have {waves.shape[1]} samples, and the output rebuilds "
                f"{self.num_outputs * self.num_channels} of one channel; give both the same sizes"
            )
        return waves.float().unflatten(1, (self.num_outputs, self.num_channels))

    @override
    def arrange(self, values: Tensor, batch: Any) -> Tensor:
        """Join patches (B, O, K) to waveforms, (B, O·K)."""
        return values.flatten(1)
