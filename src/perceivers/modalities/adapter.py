"""What every adapter is: a module from a raw batch to `Inputs`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Inputs
from ..core.inputs import padded

CHUNK_ELEMENTS = 2**20  # elements of a part: some 100 MB at most on the way through the model


class Adapter(nn.Module, ABC):
    """A raw batch of one modality, or of several, → `Inputs`.

    Examples of different sizes come as a list, each without its batch axis: see `forward`.
    """

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

    def values_to_normalise(self, batch: Any) -> Tensor | dict[str, Tensor] | None:
        """What of a raw batch those constants are the mean and spread of, (…, channels).

        NaN does not count. A dictionary of such where the constants are told apart by name. None:
        there is nothing to normalise, or what there is, is kept as it is.
        """
        return None

    def forward(self, batch: Any) -> Inputs:
        """The elements of a raw batch: a tensor of examples side by side, or a list of examples.

        The examples of a list may be of different sizes. Each has the elements and positions that
        it has alone, as many as the largest has; the rest is masked, so that the model's outputs
        are those of each example alone, up to rounding. Those of equal size are made together.

        Raises:
            ValueError: an empty list, or something else than tensors in it; and as `elements`.
        """
        if isinstance(batch, list | tuple):
            return self.elements_of_each(batch)
        return self.elements(batch)

    @abstractmethod
    def elements(self, batch: Any) -> Inputs:
        """The elements of examples side by side."""

    def elements_of_each(self, examples: Sequence[Tensor]) -> Inputs:
        """The elements of a list of examples, see `forward`."""
        groups: dict[tuple[Any, ...], list[int]] = {}
        check_examples(examples)
        for index, example in enumerate(examples):
            groups.setdefault((example.dtype, *example.shape), []).append(index)
        parts = [
            self.elements(torch.stack([examples[index] for index in group]))
            for group in groups.values()
        ]
        if len(parts) == 1:
            return parts[0]
        order = torch.tensor([index for group in groups.values() for index in group]).argsort()
        return padded(parts, order.to(parts[0].content.device))

    def stream(self, example: Any, *, elements: int = CHUNK_ELEMENTS) -> Iterable[Inputs]:
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

    def values_to_normalise(self, batch: Tensor | Sequence[Tensor]) -> Tensor:
        """See `Adapter`: the `values`, of a list those of all its examples (…, channels)."""
        if isinstance(batch, Tensor):
            return self.values(batch)
        check_examples(batch)
        return torch.cat([self.values(example[None]).flatten(0, -2) for example in batch])

    def values(self, batch: Tensor) -> Tensor:
        """What is normalised of a raw batch, (B, …, channels): the batch itself, scaled."""
        return self.scaled(batch)

    def scaled(self, x: Tensor) -> Tensor:
        """uint8 brought to [0, 1], in the parameters' floating type."""
        dtype = self.mean.dtype
        return x.to(dtype) / 255 if x.dtype == torch.uint8 else x.to(dtype)

    def normalise(self, x: Tensor) -> Tensor:
        """Scaled (uint8 only) and normalised, in the parameters' floating type."""
        return (self.scaled(x) - self.mean) / self.std


def check_examples(examples: Sequence[Any]) -> None:
    """ValueError unless there are some, and all are tensors."""
    if not examples:
        raise ValueError("the batch is an empty list; expected at least one example")
    for index, example in enumerate(examples):
        if not isinstance(example, Tensor):
            raise ValueError(
                f"example {index} of the list is a {type(example).__name__}; expected tensors, "
                "each an example without its batch axis"
            )
