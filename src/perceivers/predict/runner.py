"""Prepared examples through a model: in batches, or in parts if one is too large for memory."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..exported import ExportedModel
from ..modalities.fusion.presence import PRESENT, describe_missing
from ..modalities.reader import Reader, collate, to_device
from ..modalities.streaming import Progress, ProgressStream, is_lazy, num_elements
from ..models.classifier import PerceiverClassifier
from ..models.outputs import average_clips, values_of
from .prepare import Prepared

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_ELEMENTS = 2**20  # of an example that goes through the model in one piece
# Elements of a batch of examples of their own sizes, padding included. On CPU larger images are
# faster one by one: a grid of one size needs no keys (docs/log.md, 2026-11-21).
MAX_BATCH_ELEMENTS = 2**12


class Runner:
    """Runs a model on prepared examples.

    Args:
        model: the model, in eval mode.
        reader: the reader that prepared the examples, with or without clips.
        batch_size: number of examples that go through the model together.
        own_size: whether the examples are files read whole.
        clips: number of clips of each example, whose outputs are averaged.
        progress: as of `Predictor`.
    """

    def __init__(
        self,
        model: PerceiverClassifier | ExportedModel,
        reader: Reader,
        *,
        batch_size: int,
        own_size: bool,
        clips: int,
        progress: Progress | None,
    ) -> None:
        self.model, self.reader, self.batch_size = model, reader, batch_size
        self.own_size, self.clips, self.progress = own_size, clips, progress

    def batches(
        self, items: Iterable[T], example_of: Callable[[T], Any] = lambda item: item
    ) -> Iterator[list[T]]:
        """Group prepared examples into batches; see `Predictor.batches`."""
        batch: list[T] = []
        largest = 0
        for item in items:
            elements = self._batch_elements(example_of(item))
            largest = max(largest, elements)
            full = len(batch) == self.batch_size
            if batch and (full or (len(batch) + 1) * largest > MAX_BATCH_ELEMENTS):
                yield batch
                batch, largest = [], elements
            batch.append(item)
        if batch:
            yield batch

    def values(self, examples: Sequence[Prepared]) -> Tensor:
        """Return the probabilities, or the numbers in their units, (B, num_classes)."""
        device = next((p.device for p in self.model.parameters()), torch.device("cpu"))
        first = examples[0]
        if isinstance(first, dict):
            flags: list[Any] = [_presence(example) for example in examples]
            if lacking := describe_missing(collate(flags)):
                log.info("%s; what is missing is masked", lacking)
        if self.own_size and self._is_streamed(first):
            outputs = self._trained.classify_stream(self._stream(first))
        else:
            together: Any = list(examples)
            batch = to_device(self.reader.batch(collate(together)), device)
            outputs = self.model(batch)
        task = self.model.config.task
        outputs = outputs if task == "regression" else outputs.float()
        outputs = average_clips(outputs.unflatten(0, (-1, self.clips)), task)
        return values_of(outputs, task).cpu()

    def _batch_elements(self, example: Any) -> int:
        """Return the number of elements an example adds to a batch; streamed ones fill it alone."""
        if not self.own_size or isinstance(example, ValueError):
            return 0
        return MAX_BATCH_ELEMENTS + 1 if self._is_streamed(example) else self._elements(example)

    def _is_streamed(self, example: Any) -> bool:
        return is_lazy(example) or self._elements(example) > MAX_ELEMENTS

    def _elements(self, example: Any) -> int:
        return num_elements(example, self.reader, self._trained.adapter)

    def _stream(self, example: Any) -> ProgressStream:
        passes = sum(cross is not None for cross in self._trained.perceiver.cross_order)
        parts = self._trained.adapter.stream(example)
        return ProgressStream(parts, self._elements(example) * passes, self.progress)

    @property
    def _trained(self) -> PerceiverClassifier:
        """The model, which with `own_size` is never an exported one."""
        assert isinstance(self.model, PerceiverClassifier)
        return self.model


def _presence(example: Any) -> dict[str, Any]:
    """Return the entries of an example of several modalities that say which of them it has."""
    return {name: x for name, x in example.items() if name.endswith(PRESENT)}
