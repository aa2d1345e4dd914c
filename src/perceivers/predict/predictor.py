"""Predict classes, labels or numbers of files with a trained model."""

import functools
import io
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..exported import ExportedModel
from ..modalities import build_reader
from ..modalities.clips import with_clips
from ..modalities.fusion.rows import RowReader
from ..modalities.notices import Notices
from ..modalities.streaming import Progress
from ..models.classifier import PerceiverClassifier, TargetScale
from ..reading import Limits
from .formatting import (
    Prediction,
    as_json,
    check_finite,
    numbers_as_text,
    probabilities_as_text,
)
from .loading import load_model
from .prepare import Prepared, Preparer, is_row
from .runner import Runner

log = logging.getLogger(__name__)

T = TypeVar("T")
N = TypeVar("N")

# What can be iterated over, but is one example, not a list of them.
ONE_EXAMPLE = (str, Path, bytes, bytearray, np.ndarray, Tensor, Mapping, io.IOBase)


class Predictor:
    """Predict classes, labels or numbers of files, which are prepared exactly as in training.

    Args:
        model: a run directory, the directory of a saved model, hf://owner/name for one on the
            Hugging Face hub, an exported `.onnx` file, or the model itself.
        device: where the model runs, such as "cpu" or "cuda:1". None: on CUDA if there is a GPU; a
            model that is given as an object stays on its device.
        batch_size: number of examples that go through the model together.
        own_size: read each file whole: an image at its own size and shape, a sound or video to its
            end, all points of a cloud, instead of what the model was trained on. What is too large
            to hold in memory is read in parts, except for point clouds in other files than `.npy`.
            Only models with Fourier positions, or without positions, take other sizes.
        clips: number of clips of a sound or video, evenly spread over the file, whose predictions
            are averaged (arXiv 2103.03206v2, §4.2: 16); 1: its middle, as in training.
        progress: function that is called with the completed fraction while an example is read in
            parts.
        limits: the most that is read of one file; None: the limits that the run was trained with,
            or the defaults for a model without a run.

    Raises:
        ValueError: `model` is something else or has no outputs (`num_classes=0`), or the options do
            not apply to it.

    Example:
        >>> predictor = Predictor("runs/digits-…")                  # doctest: +SKIP
        >>> predictor(["three.png"], top_k=2)                       # doctest: +SKIP
        [[('3', 0.98), ('5', 0.01)]]
    """

    def __init__(
        self,
        model: str | Path | PerceiverClassifier | ExportedModel,
        *,
        device: str | torch.device | None = None,
        batch_size: int = 64,
        own_size: bool = False,
        clips: int = 1,
        progress: Progress | None = None,
        limits: Limits | None = None,
    ) -> None:
        model, saved = load_model(model, device, own_size=own_size)
        self.model = model.eval()
        if own_size and isinstance(model, PerceiverClassifier):
            model.adapter.expect_sizes(None)
        self.reader = with_clips(build_reader(model.config.input), clips)
        self._runner = Runner(
            self.model, self.reader, batch_size=batch_size, own_size=own_size, clips=clips,
            progress=progress,
        )  # fmt: skip
        self._preparer = Preparer(self.reader, own_size=own_size, limits=limits, saved=saved)
        if own_size and isinstance(self.reader, RowReader):
            raise ValueError(
                "rows of a table are read at the model's own sizes; leave own_size out"
            )

    @property
    def notices(self) -> Notices:
        """What decoders noticed about the files that were read."""
        return self._preparer.notices

    @property
    def limits(self) -> Limits:
        """The most that is read of one file, where no others are set while it is read."""
        return self._preparer.limits or self._preparer.saved

    def reading(self) -> AbstractContextManager[None]:
        """Return a context in which the limits for reading the examples hold."""
        return self._preparer.reading()

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, labels or numbers in output order."""
        return self.model.labels

    @property
    def gives_numbers(self) -> bool:
        """Whether predictions are numbers instead of probabilities."""
        return self.model.config.task == "regression"

    def __call__(self, examples: Sequence[Any], *, top_k: int = 5) -> list[Prediction]:
        """Predict the most likely classes or labels of each example, or its numbers.

        Args:
            examples: list of paths of files of the model's modality, or of the files' bytes (of
                texts: the text itself), or files opened for bytes. Images may also be Pillow images
                or arrays (H, W) or (H, W, C) of uint8. Rows of a table are dictionaries by column
                or rows of a pandas DataFrame, with paths relative to the working directory; columns
                that a row lacks are masked, and so are all other columns if a single file is given.
            top_k: number of classes or labels to return, the most likely first. In a regression
                all numbers are returned, in output order.

        Returns:
            For each example a list of (label, probability) pairs. The probabilities of classes add
            up to 1, those of labels are independent. In a regression (label, number) pairs, in the
            unit that the label ends in.

        Raises:
            ValueError: a file could not be read; the message names it. Or one example was given
                instead of a list, or the outputs for an example are not finite: it holds NaN.
        """
        one = isinstance(examples, ONE_EXAMPLE) or is_row(examples)
        if one or not isinstance(examples, Iterable):
            many = "list(array)) for an array"
            if hasattr(examples, "to_dict"):  # of pandas
                many = 'table.to_dict("records")) for a table'
            raise ValueError(
                f"got one {type(examples).__name__}; expected a list of examples: "
                f"predictor([example]), or predictor({many} of many"
            )
        check_top_k(top_k)
        predictions: list[Prediction] = []
        for batch in self.batches(map(self.prepare, examples)):
            predictions += self._predict(batch, top_k, first=len(predictions))
        return predictions

    def predict_prepared(self, examples: Sequence[Prepared], *, top_k: int = 5) -> list[Prediction]:
        """Predict examples that `prepare` returned, together in one batch.

        Args:
            examples: prepared examples; see `batches`.
            top_k: as in `__call__`.

        Raises:
            ValueError: the model cannot take an example of this size, a file that is read in parts
                is damaged, or the outputs for an example are not finite.
        """
        return self._predict(examples, top_k)

    @torch.inference_mode()
    def _predict(
        self, examples: Sequence[Prepared], top_k: int, first: int = 0
    ) -> list[Prediction]:
        """Predict prepared examples, of which the first is number `first` of a list."""
        predictions: list[Prediction] = []
        with self.reading():
            outputs = self._runner.values(examples).tolist() if examples else []
        many = len(examples) > 1 or first > 0
        for index, values in enumerate(outputs, first):
            check_finite(values, f"example {index}" if many else "")
            pairs = list(zip(self.labels, values, strict=True))
            if not self.gives_numbers:
                pairs = sorted(pairs, key=lambda pair: -pair[1])[:top_k]
            predictions.append(pairs)
        return predictions

    def predict_files(
        self, files: Iterable[Path], *, top_k: int = 5
    ) -> Iterator[tuple[str, Prediction | ValueError]]:
        """Predict files one after another, and the rows of tables if the model reads rows.

        Args:
            files: paths.
            top_k: as in `__call__`.

        Yields:
            The name of each file or row, with its prediction or the error that prevented it.
        """
        sources = (pair for file in files for pair in self.sources(file))
        return self.predict_sources(sources, top_k=top_k)

    def predict_sources(
        self, sources: Iterable[tuple[N, Any]], *, top_k: int = 5
    ) -> Iterator[tuple[N, Prediction | ValueError]]:
        """Predict examples one after another, without holding more than a batch of them.

        Args:
            sources: (name, source) pairs. A name is anything that can be printed, a source what
                `prepare` takes, or an error in its place.
            top_k: as in `__call__`.

        Yields:
            Each name, with the prediction or the error that prevented it.
        """
        check_top_k(top_k)
        prepared = ((name, _or_error(self.prepare, source)) for name, source in sources)
        for batch in self.batches(prepared, example_of=lambda pair: pair[1]):
            readable = [example for _, example in batch if not isinstance(example, ValueError)]
            predictions: Iterator[Prediction | ValueError]
            try:
                predictions = iter(self.predict_prepared(readable, top_k=top_k))
            except ValueError:
                # One of them is damaged, holds NaN, or has a size that the model cannot take.
                predict = functools.partial(self._predict_one, top_k=top_k)
                predictions = (_or_error(predict, example) for example in readable)
            for name, example in batch:
                result = example if isinstance(example, ValueError) else next(predictions)
                if isinstance(result, ValueError) and result is not example:
                    result = ValueError(f"{name}: {result}")
                yield name, result

    def prepare(self, example: Any) -> Prepared:
        """Decode an example to what the model takes, such as an image uint8 (H, W, C).

        `model(torch.from_numpy(array)[None])` gives the outputs for it. The arrays can be written
        to, and are of the sizes that the model was trained on unless the input has `own_length`, or
        the predictor `own_size`:

        - images uint8 (H, W, C), videos uint8 (T, H, W, C);
        - sounds float32 (S, C), in [-1, 1], also for models of spectrograms;
        - point clouds float32 (M, C), centred and scaled to [-1, 1];
        - texts int16 (L,), ids of bytes, 0 for padding;
        - files of several tracks and rows of tables: a dictionary with an array of each part, such
          as "audio", and a boolean array (), "audio.present". Numbers and categories are float64.

        With `clips`, arrays have an axis of clips in front.

        Args:
            example: see `__call__`; an array of a modality other than images is taken as prepared.

        Returns:
            An array, or a dictionary of arrays. With `own_size` a `LazyArray` takes the place of an
            array that is too large for memory.

        Raises:
            ValueError: it cannot be read; the message names it.
        """
        return self._preparer.prepare(example)

    def sources(self, file: Path) -> Iterable[tuple[str, Any]]:
        """Return what is to be predicted of a file, as the arguments of `predict_sources`.

        Args:
            file: path of a file; of a table, each row is predicted if the model reads rows.
        """
        return self._preparer.sources(file)

    def batches(
        self, items: Iterable[T], example_of: Callable[[T], Any] = lambda item: item
    ) -> Iterator[list[T]]:
        """Group prepared examples into batches that go through the model together.

        A batch has up to `batch_size` examples; with `own_size`, no more than fill
        `MAX_BATCH_ELEMENTS` elements. An example that is read in parts is a batch by itself.

        Args:
            items: prepared examples, or anything that holds one.
            example_of: returns the prepared example of an item, or an error in its place.
        """
        return self._runner.batches(items, example_of)

    def first(self, prediction: Prediction, top_k: int) -> Prediction:
        """Return the `top_k` most likely classes or labels; in a regression all numbers."""
        return prediction if self.gives_numbers else prediction[:top_k]

    def _predict_one(self, example: Prepared, top_k: int) -> Prediction:
        return self.predict_prepared([example], top_k=top_k)[0]

    def as_text(self, prediction: Prediction) -> str:
        """Format a prediction, such as "cat 97.1%, dog 2.2%" or "age 31.4 years"."""
        if not self.gives_numbers:
            return probabilities_as_text(prediction)
        scale = self.model.target_scale
        assert isinstance(scale, TargetScale)
        return numbers_as_text(prediction, dict(zip(self.labels, scale.std.tolist(), strict=True)))

    def as_json(self, prediction: Prediction) -> list[dict[str, Any]]:
        """Return [{"label", "probability"}, …]; in a regression [{"label", "value", "unit"}, …]."""
        return as_json(prediction, numbers=self.gives_numbers)

    @property
    def trained(self) -> PerceiverClassifier:
        """The model as torch modules.

        Raises:
            ValueError: the model is an exported one, of which only the outputs are known.
        """
        if isinstance(self.model, ExportedModel):
            raise ValueError("the model is an exported one; give the run that it was made from")
        return self.model


def check_top_k(top_k: int) -> None:
    """Raise a ValueError unless `top_k` is at least 1."""
    if top_k < 1:
        raise ValueError(f"top_k={top_k}; expected at least 1")


def _or_error(function: Callable[[Any], T], argument: Any) -> T | ValueError:
    """Return what a function returns, or the ValueError that it raises or is given."""
    if isinstance(argument, ValueError):
        return argument
    try:
        return function(argument)
    except ValueError as error:
        return error
