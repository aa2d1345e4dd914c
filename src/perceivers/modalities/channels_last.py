"""The base class of adapters of tensors whose channels come last."""

from collections.abc import Sequence

import torch
from torch import Tensor
from typing_extensions import override

from .adapter import Adapter, check_examples

# B batch · C channels


class ChannelsLastAdapter(Adapter):
    """An adapter of tensors (B, …, C) that normalises each channel.

    uint8 is scaled to [0, 1], floats are taken as they are. Then each channel is normalised with
    the buffers `mean` and `std`. They are part of the model, so training, prediction and export
    use the same constants. Before `set_normalisation`, they are 0 and 1.

    Args:
        channels: C.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    @override
    def set_normalisation(self, mean: Tensor, std: Tensor) -> None:
        """Set the normalising constants of each channel.

        Args:
            mean: (C,), of the training data after uint8 is scaled to [0, 1].
            std: (C,), as `mean`.
        """
        self.mean.copy_(mean)
        self.std.copy_(std)

    @override
    def values_to_normalise(self, batch: Tensor | Sequence[Tensor]) -> Tensor:
        if isinstance(batch, Tensor):
            return self.values(batch)
        check_examples(batch)
        return torch.cat([self.values(example[None]).flatten(0, -2) for example in batch])

    def values(self, batch: Tensor) -> Tensor:
        """Return the values of a raw batch before they are normalised, (B, …, channels)."""
        return self.scaled(batch)

    def scaled(self, x: Tensor) -> Tensor:
        """Convert to the floating type of the parameters; uint8 is scaled to [0, 1].

        Raises:
            ValueError: `x` has integers of another type, whose range is not known.
        """
        if not (x.is_floating_point() or x.dtype == torch.uint8):
            raise ValueError(
                f"input has dtype {str(x.dtype).removeprefix('torch.')}; expected uint8, which is "
                "divided by 255, or floats, which are taken as they are. Convert it: "
                "x.to(torch.uint8) for pixels from 0 to 255, x / 32768 for 16-bit samples of sound"
            )
        dtype = self.mean.dtype
        return x.to(dtype) / 255 if x.dtype == torch.uint8 else x.to(dtype)

    def normalise(self, x: Tensor) -> Tensor:
        """Scale (uint8 only) and normalise, in the floating type of the parameters."""
        return (self.scaled(x) - self.mean) / self.std


def channels_hint(batch: Tensor, channels: int) -> str:
    """Return how to repair a batch (B, channels, …), for the end of a message; else nothing."""
    if batch.ndim > 2 and batch.shape[1] == channels != batch.shape[-1]:
        return "; its channels are first: batch.movedim(1, -1)"
    return ""
