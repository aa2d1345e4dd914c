"""From a trained model and files of its modality to labels or numbers."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from .checkpoint import load
from .core import Inputs
from .data.config import Task
from .data.labels import split_unit
from .data.manifest import RowFiles
from .modalities import build_reader
from .modalities.adapter import Adapter
from .modalities.clips import with_clips, without_clips
from .modalities.files import LazyArray
from .modalities.fusion.adapter import FusionAdapter
from .modalities.fusion.presence import PRESENT, describe_missing
from .modalities.fusion.reader import FusionReader
from .modalities.fusion.rows import Row, RowReader
from .modalities.image.reader import ImageReader
from .modalities.reader import Example, Reader, collate, to_device
from .modalities.table.config import TABLE_SUFFIXES
from .models.classifier import PerceiverClassifier
from .models.clips import average_clips

log = logging.getLogger(__name__)

T = TypeVar("T")
Prediction = list[tuple[str, float]]
Progress = Callable[[float], None]
HELD = 2**22  # elements of an example that goes through the model in one piece
# Elements of examples of their own sizes that go through it at once, their padding included. On CPU
# images of more are faster one by one: a grid of one size needs no keys (docs/log.md, 2026-11-21).
TOGETHER = 2**12

# From a model's outputs to what they say.
VALUES: dict[Task, Callable[[Tensor], Tensor]] = {
    "classification": lambda logits: logits.softmax(dim=-1),
    "multilabel": lambda logits: logits.sigmoid(),
    "regression": lambda numbers: numbers,
}


class Predictor:
    """Classes, labels or numbers of files from a trained model, prepared exactly as in training.

    Args:
        model: a run directory, a saved model's directory, a hub name, or the model itself.
        batch_size: examples that go through the model at once.
        own_size: read each file whole: an image at its own size and shape, a sound or video to its
            end, all points of a cloud, instead of what the model was trained on. Small ones go
            through the model together; what is too large to hold is read in parts, but for points
            in other files than `.npy`. Only models with Fourier positions, or none, take other
            sizes than their own.
        clips: of sound and videos, how many parts of a file, evenly spread over it, to average the
            predictions of (arXiv 2103.03206v2, §4.2: 16); 1: its middle, as in training.
        progress: called with the share that is done while an example is read in parts.

    Example:
        >>> predictor = Predictor("runs/digits-…")                  # doctest: +SKIP
        >>> predictor(["three.png"], top_k=2)                       # doctest: +SKIP
        [[('3', 0.98), ('5', 0.01)]]
    """

    def __init__(
        self,
        model: str | Path | PerceiverClassifier,
        *,
        batch_size: int = 64,
        own_size: bool = False,
        clips: int = 1,
        progress: Progress | None = None,
    ) -> None:
        self.model = (load(model) if isinstance(model, str | Path) else model).eval()
        self.batch_size, self.own_size, self.progress = batch_size, own_size, progress
        config = self.model.config.input
        self.clips = clips
        self.reader = with_clips(build_reader(config), clips)
        if own_size and isinstance(self.reader, RowReader):
            raise ValueError(
                "rows of a table are read at the model's own sizes; leave own_size out"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, labels or numbers in output order."""
        return self.model.labels

    def __call__(self, examples: Sequence[Any], *, top_k: int = 5) -> list[Prediction]:
        """The likeliest classes or labels of each example, or its numbers.

        Args:
            examples: paths of files of the model's modality, or files' bytes (of text: the text
                itself). Of images also Pillow images and arrays (H, W) or (H, W, C) of uint8. Of
                rows of a table dictionaries by column, files relative to where we are; what one
                lacks is masked, as is all beside a single file.
            top_k: how many classes or labels to give, likeliest first; at most all. Of numbers
                all are given, in output order.

        Returns:
            For each example, (label, probability) pairs: those of classes add up to 1, those of
            labels are each by itself. Of a regression (label, number) pairs, in the unit that the
            label ends in.

        Raises:
            ValueError: a file could not be read; the message names it.
        """
        if isinstance(examples, str | Path | bytes):
            raise ValueError("got one example; expected a list of them: predictor([example])")
        if top_k < 1:
            raise ValueError(f"top_k={top_k}; expected at least 1")
        results: list[Prediction] = []
        for chunk in self.chunks(map(self.prepare, examples)):
            for values in self._values(chunk).tolist():
                pairs = list(zip(self.labels, values, strict=True))
                if not self.gives_numbers:
                    pairs = sorted(pairs, key=lambda pair: -pair[1])[:top_k]
                results.append(pairs)
        return results

    @property
    def gives_numbers(self) -> bool:
        """Whether predictions are numbers instead of probabilities."""
        return self.model.config.task == "regression"

    def as_text(self, prediction: Prediction) -> str:
        """Such as "cat 97.1%, dog 2.2%" or "age 31.4 years"."""
        if not self.gives_numbers:
            return ", ".join(f"{label} {value:.1%}" for label, value in prediction)
        named = [(*split_unit(label), value) for label, value in prediction]
        return ", ".join(f"{name} {value:.5g} {unit}".rstrip() for name, unit, value in named)

    def as_json(self, prediction: Prediction) -> list[dict[str, Any]]:
        """[{"label", "probability"}, …]; of numbers [{"label", "value", "unit"}, …]."""
        if not self.gives_numbers:
            return [{"label": label, "probability": value} for label, value in prediction]
        return [
            {"label": label, "value": value, "unit": split_unit(label)[1] or None}
            for label, value in prediction
        ]

    def prepare(self, example: Any) -> Example | LazyArray:
        """One example as the model takes it, such as an image uint8 (H, W, C)."""
        if isinstance(example, dict) and isinstance(without_clips(self.reader), RowReader):
            example = example if _is_prepared(example) else Row.of(example)
        if isinstance(example, str | Path | bytes | Row):
            decode: Any = self.reader.decode_whole if self.own_size else self.reader.decode
            try:
                prepared: Example | LazyArray = decode(example)
                return prepared
            except ValueError as error:
                if isinstance(example, bytes):
                    example = "bytes"
                name = example.name if isinstance(example, Row) else example
                raise ValueError(f"{name}: {error}") from None
        if not isinstance(self.reader, ImageReader):
            if isinstance(example, np.ndarray | LazyArray) or _is_prepared(example):
                return example
            raise ValueError(
                f"got {type(example).__name__}; expected a path or bytes of {self.reader.noun}"
            )
        if isinstance(example, np.ndarray | Tensor):
            return self.reader.from_pixels(np.asarray(example), whole=self.own_size)
        return self.reader.from_image(example, whole=self.own_size)

    def chunks(self, prepared: Iterable[T]) -> Iterator[list[T]]:
        """Examples, or errors in their place, as they go through the model at once.

        Up to `batch_size`; of their own sizes, no more than fill up to `TOGETHER` elements.
        """
        chunk: list[T] = []
        most = 0
        for example in prepared:
            most = max(most, self._room(example))
            if chunk and (len(chunk) == self.batch_size or (len(chunk) + 1) * most > TOGETHER):
                yield chunk
                chunk, most = [], self._room(example)
            chunk.append(example)
        if chunk:
            yield chunk

    @torch.inference_mode()
    def _values(self, examples: list[Any]) -> Tensor:
        """(B, num_classes): probabilities, or numbers in their units."""
        device = next(self.model.parameters()).device
        first = examples[0]
        if isinstance(first, dict):
            flags = [{k: x for k, x in e.items() if k.endswith(PRESENT)} for e in examples]
            if lacking := describe_missing(collate(flags)):
                log.info("%s; it is masked there", lacking)
        if self.own_size and self._is_large(first):
            outputs = self.model.classify_stream(self._stream(first))
        else:
            outputs = self.model(to_device(self.reader.batch(collate(examples)), device))
        task = self.model.config.task
        return VALUES[task](
            average_clips(outputs.float().unflatten(0, (-1, self.clips)), task)
        ).cpu()

    def _room(self, example: Any) -> int:
        """Elements that it fills of `TOGETHER`: of one that is read in parts, all and more."""
        if not self.own_size or isinstance(example, ValueError):
            return 0
        return TOGETHER + 1 if self._is_large(example) else self._elements(example)

    def _is_large(self, example: Any) -> bool:
        """Whether it goes through the model in parts."""
        parts = example.values() if isinstance(example, dict) else [example]
        return self._elements(example) > HELD or any(isinstance(part, LazyArray) for part in parts)

    def _elements(self, example: Any) -> int:
        """M of an example of any size; of a grid before it is known whether patches divide it."""
        reader, adapter = self.reader, self.model.adapter
        if isinstance(reader, FusionReader) and isinstance(adapter, FusionAdapter):
            parts: dict[str, Any] = dict(adapter.parts.items())
            return sum(
                _elements(example[name], part, parts[name])
                for name, part in reader.parts.items()
                if example.get(f"{name}{PRESENT}", True)
            )
        return _elements(example, reader, adapter)

    def _stream(self, example: Any) -> "_Watched":
        passes = sum(cross is not None for cross in self.model.perceiver.cross_order)
        parts = self.model.adapter.stream(example)
        return _Watched(parts, self._elements(example) * passes, self.progress)


def _elements(example: np.ndarray | LazyArray, reader: Reader, adapter: Adapter) -> int:
    return math.ceil(example.nbytes / reader.nbytes * adapter.num_inputs)


class _Watched:
    """A stream that tells how far all passes over it have come."""

    def __init__(self, stream: Iterable[Inputs], total: int, tell: Progress | None) -> None:
        self.stream, self.total, self.tell, self.done = stream, total, tell, 0

    def __iter__(self) -> Iterator[Inputs]:
        for part in self.stream:
            yield part
            self.done += part.content.shape[1]
            if self.tell:
                self.tell(min(1.0, self.done / self.total))


def each(
    predictor: Predictor, files: Sequence[Path], top_k: int
) -> Iterator[tuple[str, Prediction | ValueError]]:
    """Every file with its prediction, or with the error that says why it has none.

    Of a table every row, if the model reads such.
    """
    predictor([], top_k=top_k)  # what is wrong with all is told once
    examples = [pair for file in files for pair in _examples(predictor, file)]
    names = iter([name for name, _ in examples])
    for chunk in predictor.chunks(_attempt(predictor.prepare, given) for _, given in examples):
        named = [(next(names), example) for example in chunk]
        readable = [example for example in chunk if not isinstance(example, ValueError)]
        try:
            predictions: Iterator[Any] = iter(predictor(readable, top_k=top_k))
        except ValueError:  # damaged midway, or of a size that the model cannot take
            if not predictor.own_size:
                raise
            predictions = (
                _alone(predictor, name, example, top_k)
                for name, example in named
                if not isinstance(example, ValueError)
            )
        for name, example in named:
            yield name, example if isinstance(example, ValueError) else next(predictions)


def _examples(predictor: Predictor, file: Path) -> list[tuple[str, Any]]:
    """What is to be predicted of a file, by name; of a table that cannot be read the error."""
    reader = without_clips(predictor.reader)
    if not isinstance(reader, RowReader) or file.suffix.lower() not in TABLE_SUFFIXES:
        return [(str(file), file)]
    try:
        return list(RowFiles.read(file, reader.columns))
    except ValueError as error:
        return [(str(file), error)]


def _alone(predictor: Predictor, name: str, example: Any, top_k: int) -> Prediction | ValueError:
    try:
        return predictor([example], top_k=top_k)[0]
    except ValueError as error:
        return ValueError(f"{name}: {error}")


def _attempt(
    function: Callable[[Any], Example | LazyArray], argument: Any
) -> Example | LazyArray | ValueError:
    if isinstance(argument, ValueError):
        return argument
    try:
        return function(argument)
    except ValueError as error:
        return error


def _is_prepared(example: Any) -> bool:
    """Whether it is an example of several modalities, and not the cells of a row."""
    return isinstance(example, dict) and any(
        isinstance(x, np.ndarray | LazyArray) for x in example.values()
    )
