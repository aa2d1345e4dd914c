"""From a trained model and files of its modality to labels."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .checkpoint import load
from .core import Inputs
from .data.readers import ImageReader
from .models.classifier import PerceiverClassifier
from .models.reading import reader_of

Prediction = list[tuple[str, float]]


Progress = Callable[[float], None]
HELD = 2**22  # elements of an example that goes through the model in one piece


class Predictor:
    """Classify files with a trained model, prepared exactly as in training.

    Args:
        model: a run directory, a saved model's directory, a hub name, or the model itself.
        batch_size: examples that go through the model at once.
        own_size: read each file whole: an image at its own size and shape, a sound to its end, all
            points of a cloud, instead of what the model was trained on. What is too large to hold
            is read in parts. Only models with Fourier positions, or none, take other sizes than
            their own.
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
        progress: Progress | None = None,
    ) -> None:
        self.model = (load(model) if isinstance(model, str | Path) else model).eval()
        self.batch_size = 1 if own_size else batch_size
        self.own_size, self.progress = own_size, progress
        config = self.model.config.input
        self.reader = reader_of(config)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in output order."""
        return self.model.labels

    def __call__(self, examples: Sequence[Any], *, top_k: int = 5) -> list[Prediction]:
        """The likeliest classes of each example.

        Args:
            examples: paths of files of the model's modality, or files' bytes (of text: the text
                itself). Of images also Pillow images and arrays (H, W) or (H, W, C) of uint8.
            top_k: how many classes to give, likeliest first; at most all.

        Returns:
            For each example, (label, probability) pairs.

        Raises:
            ValueError: a file could not be read; the message names it.
        """
        if isinstance(examples, str | Path | bytes):
            raise ValueError("got one example; expected a list of them: predictor([example])")
        if top_k < 1:
            raise ValueError(f"top_k={top_k}; expected at least 1")
        results: list[Prediction] = []
        for start in range(0, len(examples), self.batch_size):
            chunk = examples[start : start + self.batch_size]
            probabilities = self._probabilities([self.prepare(example) for example in chunk])
            top = probabilities.topk(min(top_k, len(self.labels)))
            for values, indices in zip(top.values.tolist(), top.indices.tolist(), strict=True):
                results.append(
                    [(self.labels[i], value) for i, value in zip(indices, values, strict=True)]
                )
        return results

    def prepare(self, example: Any) -> np.ndarray:
        """One example as the model takes it, such as an image uint8 (H, W, C)."""
        if isinstance(example, str | Path | bytes):
            decode = self.reader.decode_whole if self.own_size else self.reader.decode
            try:
                return decode(example)
            except ValueError as error:
                name = "bytes" if isinstance(example, bytes) else example
                raise ValueError(f"{name}: {error}") from None
        if not isinstance(self.reader, ImageReader):
            if isinstance(example, np.ndarray):
                return example  # prepared before
            raise ValueError(
                f"got {type(example).__name__}; expected a path or bytes of {self.reader.noun}"
            )
        if isinstance(example, np.ndarray | Tensor):
            return self.reader.from_pixels(np.asarray(example), whole=self.own_size)
        return self.reader.from_image(example, whole=self.own_size)

    @torch.inference_mode()
    def _probabilities(self, examples: list[np.ndarray]) -> Tensor:
        device = next(self.model.parameters()).device
        if self.own_size and self._elements(examples[0]) > HELD:
            logits = self.model.classify_stream(self._stream(examples[0]))
        else:
            batch = self.reader.batch(torch.from_numpy(np.stack(examples)))
            logits = self.model(batch.to(device))
        return logits.float().softmax(dim=-1).cpu()

    def _elements(self, example: np.ndarray) -> int:
        """M of an example of any size; of a grid before it is known whether patches divide it."""
        adapter = self.model.adapter
        return math.ceil(example.size / math.prod(self.reader.shape) * adapter.num_inputs)

    def _stream(self, example: np.ndarray) -> "_Watched":
        passes = sum(cross is not None for cross in self.model.perceiver.cross_order)
        parts = self.model.adapter.stream(example)
        return _Watched(parts, self._elements(example) * passes, self.progress)


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
) -> Iterator[tuple[Path, Prediction | ValueError]]:
    """Every file with its prediction, or with the error that says why it has none."""
    for start in range(0, len(files), predictor.batch_size):
        chunk = files[start : start + predictor.batch_size]
        prepared = [_attempt(predictor.prepare, file) for file in chunk]
        readable = [example for example in prepared if not isinstance(example, ValueError)]
        predictions = iter(predictor(readable, top_k=top_k))
        for file, example in zip(chunk, prepared, strict=True):
            yield file, example if isinstance(example, ValueError) else next(predictions)


def _attempt(function: Callable[[Any], np.ndarray], argument: Any) -> np.ndarray | ValueError:
    try:
        return function(argument)
    except ValueError as error:
        return error
