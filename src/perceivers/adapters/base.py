"""What every adapter is: a module from a raw batch to `Inputs`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Inputs

STREAMED = 2**20  # elements of a part: some 100 MB at most on the way through the model


class Adapter(nn.Module, ABC):
    """A raw batch of one modality, or of several, → `Inputs`."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """C of the elements, positions included: the core's `input_dim`."""

    @property
    @abstractmethod
    def num_inputs(self) -> int:
        """M, elements of an example of the size the model is made for."""

    @abstractmethod
    def set_normalisation(self, mean: Any, std: Any) -> None:
        """Constants measured on the training data, kept as buffers of the model."""

    def measured(self, batch: Any) -> Tensor | dict[str, Tensor] | None:
        """What of a raw batch those constants are the mean and spread of, (…, channels).

        A dictionary of such where the constants are told apart by name. None: there is nothing to
        normalise, or what there is, is kept as it is.
        """
        return None

    @abstractmethod
    def forward(self, batch: Any) -> Inputs:
        """The elements of a raw batch."""

    def stream(self, example: Any, *, elements: int = STREAMED) -> Iterable[Inputs]:
        """One example too large to hold, in parts that can be read again and again.

        Args:
            example: as in a raw batch, without its batch axis; an array may be memory-mapped.
            elements: of a part, about.

        Raises:
            ValueError: it cannot be taken apart; the message says why.
        """
        raise ValueError(
            f"{type(self).__name__} cannot take an example apart; give it a batch that fits"
        )


class ChannelsLastAdapter(Adapter):
    """An adapter of tensors (B, …, C) with normalising constants for each channel.

    uint8 is scaled to [0, 1], floats are taken as they are; then each channel is normalised by the
    buffers `mean` and `std` (identity until `set_normalisation`), so that training, prediction and
    export cannot disagree.

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

    def set_normalisation(self, mean: Tensor, std: Tensor) -> None:
        """Per-channel constants (C,), measured on the training data after uint8 was scaled."""
        self.mean.copy_(mean)
        self.std.copy_(std)

    def measured(self, batch: Tensor) -> Tensor:
        """See `Adapter`: the batch itself, scaled."""
        return self.scaled(batch)

    def scaled(self, x: Tensor) -> Tensor:
        """uint8 brought to [0, 1], in the parameters' floating type."""
        dtype = self.mean.dtype
        return x.to(dtype) / 255 if x.dtype == torch.uint8 else x.to(dtype)

    def normalise(self, x: Tensor) -> Tensor:
        """Scaled (uint8 only) and normalised, in the parameters' floating type."""
        return (self.scaled(x) - self.mean) / self.std
