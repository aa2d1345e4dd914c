"""Base classes of the adapters, which turn raw batches into `Inputs`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..core import Inputs
from ..core.inputs import padded

CHUNK_ELEMENTS = 2**20  # elements per chunk of a stream; the model needs up to about 100 MB


class Adapter(nn.Module, ABC):
    """Turns a raw batch of one modality, or of several, into `Inputs`.

    Examples of different sizes are given as a list; see `forward`.
    """

    @property
    @abstractmethod
    def dim(self) -> int:
        """Channels of an element, positions included: the core's `input_dim`."""

    fusion: Literal["concatenate", "add"] = "concatenate"
    """How content and position of an element are combined; see `Inputs.fusion`."""

    @property
    def position_dim(self) -> int:
        """Channels of a position; 0 if elements have none. Only costs are computed from it."""
        return 0

    def when_missing(self, batch: int) -> Any:
        """Return the raw batch for examples that all lack this modality; None: it is masked.

        Args:
            batch: number of examples.
        """
        return None

    @property
    @abstractmethod
    def num_inputs(self) -> int:
        """M, number of elements of an example of the configured size."""

    @property
    def least_inputs(self) -> int:
        """Number of elements of the smallest example."""
        return 1

    def set_normalisation(self, mean: Any, std: Any) -> None:
        """Set the normalising constants, which are buffers of the model.

        Args:
            mean: mean of the training data.
            std: standard deviation of the training data.

        Raises:
            ValueError: this adapter does not normalise.
        """
        raise ValueError(f"{type(self).__name__} has no normalising constants; leave them out")

    def weights_from(self, other: "Adapter") -> dict[str, Tensor]:
        """Return the weights and constants of another adapter that this one can start from.

        Args:
            other: adapter of a trained model.

        Returns:
            Tensors of this adapter's shapes by their names in its state dict. An adapter of another
            class has none.
        """
        if type(other) is not type(self):
            return {}
        ours = self.state_dict()
        return {
            name: weight
            for name, weight in other.state_dict().items()
            if name in ours and ours[name].shape == weight.shape
        }

    def expect_sizes(self, config: Any) -> None:
        """Say it once, in eval mode, if examples are of other sizes than a trained model's.

        `Predictor` resizes, cuts or pads files to the sizes of the training; a batch that is given
        to the model is taken as it is.

        Args:
            config: the input configuration of the trained model. None: examples of any size are
                intended.
        """

    def values_to_normalise(self, batch: Any) -> Tensor | dict[str, Tensor] | None:
        """Return the values of a raw batch from which the normalising constants are measured.

        NaN values are to be ignored.

        Args:
            batch: as in `forward`.

        Returns:
            A tensor (…, channels), or a dictionary of tensors if there are constants for each
            name. None: this adapter does not normalise.
        """
        return None

    def count(self, batch: Any, targets: Tensor) -> None:
        """Count the labels of training examples; most adapters count nothing.

        Args:
            batch: raw batch, as in `forward`.
            targets: 1 for each label that an example has, else 0; (B, labels), floats.
        """

    def evidence(self, batch: Any) -> Tensor | None:
        """Return what the elements of a batch add to the outputs of a linear model in the adapter.

        Args:
            batch: raw batch, as in `forward`.

        Returns:
            (B, M, outputs of the model). None: there is no linear model.
        """
        return None

    def mask_elements(self, batch: Any, masks: Tensor) -> Inputs:
        """Return copies of one example, each with some of its elements masked.

        Some elements are computed from the values of others too, such as the outputs of a linear
        model. Adapters of texts and tables, whose values can be missing, compute them without the
        values of masked elements; those of other adapters are the same in all copies.

        Args:
            batch: raw batch of one example.
            masks: boolean (copies, M), False where an element is masked.
        """
        inputs = self(batch)
        return replace(
            inputs,
            content=inputs.content.expand(len(masks), -1, -1),
            position=inputs.dense_position,  # of one example: shared by its copies
            mask=masks if inputs.mask is None else masks & inputs.mask,
        )

    def forward(self, batch: Any) -> Inputs:
        """Turn a raw batch into elements.

        The examples of a list may differ in size. Each has the elements and positions that it has
        alone and is padded to the number of elements of the largest one. The padding is masked, so
        the model's outputs equal those of each example alone, up to rounding. Examples of equal
        size are processed together.

        Args:
            batch: a tensor of examples (B, …), or a list of examples without a batch axis.

        Raises:
            ValueError: the list is empty or holds something other than tensors; or as `elements`.
        """
        if isinstance(batch, list | tuple):
            return self.elements_of_each(batch)
        return self.elements(batch)

    @abstractmethod
    def elements(self, batch: Any) -> Inputs:
        """Turn a batch of examples of one size into elements."""

    def elements_of_each(self, examples: Sequence[Tensor]) -> Inputs:
        """Turn a list of examples into elements; see `forward`."""
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

    @property
    def places(self) -> int:
        """r, number of places in an element that can have a label each: of a patch its cells.

        Raises:
            ValueError: elements have no places of their own.
        """
        return 1

    def order_places(self, labels: Tensor) -> Tensor:
        """Return the labels of a batch in the order of the elements.

        Args:
            labels: (B, …), shaped as the examples without their channels.

        Returns:
            (B, M·r).
        """
        return labels.flatten(1)

    def arrange_places(self, values: Tensor, batch: Any) -> Any:
        """Give values of all places the shape of the examples.

        Args:
            values: (B, M·r, K), in the order of the elements.
            batch: the raw batch, whose examples may differ in size.

        Returns:
            (B, …, K), shaped as the examples; a list if the batch is one.
        """
        if isinstance(batch, list | tuple):
            return [row[: len(example)] for row, example in zip(values, batch, strict=True)]
        return values

    def stream(self, example: Any, *, elements: int = CHUNK_ELEMENTS) -> Iterable[Inputs]:
        """Turn an example that is too large for memory into chunks of elements.

        Args:
            example: an example without a batch axis; arrays may be memory-mapped or a `LazyArray`.
            elements: approximate number of elements per chunk.

        Returns:
            An iterable of chunks, which can be iterated any number of times.

        Raises:
            ValueError: the example cannot be divided into chunks; the message says why.
        """
        raise ValueError(
            f"{type(self).__name__} cannot divide an example into chunks; pass a batch that fits "
            "into memory: model(batch)"
        )


def check_examples(examples: Sequence[Any]) -> None:
    """Check that a list of examples is not empty and holds only tensors with axes.

    Args:
        examples: the list.

    Raises:
        ValueError: it is empty, or an entry is not a tensor or a single number.
    """
    if not examples:
        raise ValueError("the batch is an empty list; expected at least one example")
    for index, example in enumerate(examples):
        if not isinstance(example, Tensor):
            raise ValueError(
                f"example {index} of the list is a {type(example).__name__}; expected tensors, "
                "each of one example without a batch axis"
            )
        if not example.ndim:
            raise ValueError(
                f"example {index} of the list is a single number; expected tensors, each of one "
                "example: pass the whole tensor, or give the example its axes"
            )
