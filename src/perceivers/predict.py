"""Predict classes, labels or numbers of files with a trained model."""

import functools
import io
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from .checkpoint import load
from .data.config import Task
from .data.labels import split_unit
from .data.manifest import RowFiles
from .exported import SUFFIX, ExportedModel
from .machine import placement
from .modalities import build_reader
from .modalities.accepts import check_suffix
from .modalities.clips import with_clips, without_clips
from .modalities.files import LazyArray
from .modalities.fusion.presence import PRESENT, describe_missing
from .modalities.fusion.rows import Row, RowReader
from .modalities.image.reader import ImageReader
from .modalities.notices import Notices, collecting
from .modalities.reader import Example, collate, to_device
from .modalities.streaming import Progress, ProgressStream, is_lazy, num_elements
from .modalities.table.config import TABLE_SUFFIXES
from .models.classifier import PerceiverClassifier, TargetScale
from .models.clips import average_clips
from .reading import Limits, check_limit, chosen_limits, limits, using

log = logging.getLogger(__name__)

T = TypeVar("T")
N = TypeVar("N")
Prediction = list[tuple[str, float]]
Prepared = Example | LazyArray | dict[str, Any]

# What can be iterated over, but is one example, not a list of them.
ONE_EXAMPLE = (str, Path, bytes, bytearray, np.ndarray, Tensor, Mapping, io.IOBase)
MAX_ELEMENTS = 2**22  # of an example that goes through the model in one piece
# Elements of a batch of examples of their own sizes, padding included. On CPU larger images are
# faster one by one: a grid of one size needs no keys (docs/log.md, 2026-11-21).
MAX_BATCH_ELEMENTS = 2**12

# From the outputs of a model to the values of a prediction.
VALUES: dict[Task, Callable[[Tensor], Tensor]] = {
    "classification": lambda logits: logits.softmax(dim=-1),
    "multilabel": lambda logits: logits.sigmoid(),
    "regression": lambda numbers: numbers,
}


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
        limits: the most that is read of one file; None: the default limits.

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
        if isinstance(model, str | Path):
            if Path(model).suffix.lower() == SUFFIX:
                model, device = _load_exported(model, device, own_size), None
            else:
                model, device = load(model), "auto" if device is None else device
        if not hasattr(model, "config"):
            raise ValueError(
                f"got {type(model).__name__} as the model; expected the directory of a run or of a "
                "saved model, a hub name, or a model"
            )
        if not model.config.num_classes:
            raise ValueError(
                "the model has no outputs (num_classes=0); use model.encode(batch) or model(batch) "
                "for features"
            )
        if device is not None:
            model = model.to(placement(str(device)).device)
        self.model = model.eval()
        if own_size and isinstance(model, PerceiverClassifier):
            model.adapter.expect_sizes(None)
        self.batch_size, self.own_size, self.progress = batch_size, own_size, progress
        self.clips, self.limits = clips, limits or chosen_limits()
        self.notices = Notices()
        self.reader = with_clips(build_reader(model.config.input), clips)
        if own_size and isinstance(self.reader, RowReader):
            raise ValueError(
                "rows of a table are read at the model's own sizes; leave own_size out"
            )

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
        one = isinstance(examples, ONE_EXAMPLE) or _is_row(examples)
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
        with using(self.limits):
            outputs = self._values(examples).tolist() if examples else []
        for index, values in enumerate(outputs, first):
            if not all(map(math.isfinite, values)):
                raise ValueError(
                    f"{f'example {index}: ' if len(examples) > 1 or first else ''}the outputs are "
                    "not finite numbers; the example holds NaN, infinite or too large numbers, or "
                    "the weights of the model do"
                )
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
        if _is_prepared(example) and not isinstance(self.reader, ImageReader):
            prepared: Prepared = example
            return prepared
        return _writable(self._prepare(example))

    def _prepare(self, example: Any) -> Prepared:
        if isinstance(without_clips(self.reader), RowReader) and _is_row(example):
            example = Row.of(dict(example.items()))
        if hasattr(example, "read"):
            example = _content(example)
        if isinstance(example, bytearray | memoryview):
            example = bytes(example)
        if isinstance(example, str | Path | bytes | Row):
            return self._decode(example)
        is_array = isinstance(example, np.ndarray | Tensor)
        if not isinstance(self.reader, ImageReader) or not (is_array or _is_pillow(example)):
            raise ValueError(
                f"got {type(example).__name__}; expected a path or bytes of {self.reader.noun}, or "
                "a file opened for bytes"
            )
        if is_array:
            return self.reader.from_pixels(np.asarray(example), whole=self.own_size)
        return self.reader.from_image(example, whole=self.own_size)

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

    def first(self, prediction: Prediction, top_k: int) -> Prediction:
        """Return the `top_k` most likely classes or labels; in a regression all numbers."""
        return prediction if self.gives_numbers else prediction[:top_k]

    def as_text(self, prediction: Prediction) -> str:
        """Format a prediction, such as "cat 97.1%, dog 2.2%" or "age 31.4 years"."""
        if not self.gives_numbers:
            return ", ".join(f"{label} {value:.1%}" for label, value in prediction)
        scale = self.model.target_scale
        assert isinstance(scale, TargetScale)
        spreads = dict(zip(self.labels, scale.std.tolist(), strict=True))
        named = [
            (*split_unit(label), _number_text(value, spreads[label])) for label, value in prediction
        ]
        return ", ".join(f"{name} {value} {unit}".rstrip() for name, unit, value in named)

    def as_json(self, prediction: Prediction) -> list[dict[str, Any]]:
        """Return [{"label", "probability"}, …]; in a regression [{"label", "value", "unit"}, …]."""
        if not self.gives_numbers:
            return [{"label": label, "probability": value} for label, value in prediction]
        return [
            {"label": label, "value": value, "unit": split_unit(label)[1] or None}
            for label, value in prediction
        ]

    def _decode(self, source: str | Path | bytes | Row) -> Prepared:
        decode: Any = self.reader.decode_whole if self.own_size else self.reader.decode
        name = "bytes"
        if not isinstance(source, bytes):
            name = source.name if isinstance(source, Row) else str(source)
        try:
            if isinstance(source, str | Path):
                check_suffix(Path(source), self.reader)
            with collecting() as said, using(self.limits):
                prepared: Prepared = decode(source)
            self.notices.add(name, said)
            self.notices.log_first()
            return prepared
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error

    def sources(self, file: Path) -> Iterable[tuple[str, Any]]:
        """Return what is to be predicted of a file, as the arguments of `predict_sources`.

        Args:
            file: path of a file; of a table, each row is predicted if the model reads rows.
        """
        reader = without_clips(self.reader)
        if not isinstance(reader, RowReader) or file.suffix.lower() not in TABLE_SUFFIXES:
            return [(str(file), file)]
        try:
            return RowFiles.read(file, reader)
        except ValueError as error:
            return [(str(file), error)]

    def _predict_one(self, example: Prepared, top_k: int) -> Prediction:
        return self.predict_prepared([example], top_k=top_k)[0]

    def _values(self, examples: Sequence[Prepared]) -> Tensor:
        """Return the probabilities, or the numbers in their units, (B, num_classes)."""
        device = next((p.device for p in self.model.parameters()), torch.device("cpu"))
        first = examples[0]
        if isinstance(first, dict):
            flags: list[Any] = [_presence(example) for example in examples]
            if lacking := describe_missing(collate(flags)):
                log.info("%s; it is masked there", lacking)
        if self.own_size and self._is_streamed(first):
            outputs = self.trained.classify_stream(self._stream(first))
        else:
            together: Any = list(examples)
            batch = to_device(self.reader.batch(collate(together)), device)
            outputs = self.model(batch)
        task = self.model.config.task
        outputs = outputs if self.gives_numbers else outputs.float()
        outputs = average_clips(outputs.unflatten(0, (-1, self.clips)), task)
        return VALUES[task](outputs).cpu()

    def _batch_elements(self, example: Any) -> int:
        """Return the number of elements an example adds to a batch; streamed ones fill it alone."""
        if not self.own_size or isinstance(example, ValueError):
            return 0
        return MAX_BATCH_ELEMENTS + 1 if self._is_streamed(example) else self._elements(example)

    @property
    def trained(self) -> PerceiverClassifier:
        """The model as torch modules.

        Raises:
            ValueError: the model is an exported one, of which only the outputs are known.
        """
        if isinstance(self.model, ExportedModel):
            raise ValueError("the model is an exported one; give the run that it was made from")
        return self.model

    def _is_streamed(self, example: Any) -> bool:
        return is_lazy(example) or self._elements(example) > MAX_ELEMENTS

    def _elements(self, example: Any) -> int:
        return num_elements(example, self.reader, self.trained.adapter)

    def _stream(self, example: Any) -> ProgressStream:
        passes = sum(cross is not None for cross in self.trained.perceiver.cross_order)
        parts = self.trained.adapter.stream(example)
        return ProgressStream(parts, self._elements(example) * passes, self.progress)


def _load_exported(
    path: str | Path, device: str | torch.device | None, own_size: bool
) -> ExportedModel:
    """Load an exported model; the message of an error says which option it does not take."""
    if own_size:
        raise ValueError(
            f"{path}: exported models read files at the model's size; leave own_size out"
        )
    if device is not None and torch.device(device).type != "cpu":
        raise ValueError(f"{path}: exported models run on the CPU; leave out device={device}")
    return ExportedModel(path)


def check_top_k(top_k: int) -> None:
    """Raise a ValueError unless `top_k` is at least 1."""
    if top_k < 1:
        raise ValueError(f"top_k={top_k}; expected at least 1")


def _number_text(value: float, spread: float) -> str:
    """Format a number with 5 digits, or more if the numbers of the training data need them.

    Args:
        value: the number.
        spread: standard deviation of the training data; a thousandth of it can be read.
    """
    needed = math.log10(abs(value) / spread) + 4 if value else 0
    return f"{value:.{min(15, max(5, math.ceil(needed)))}g}"


def _or_error(function: Callable[[Any], T], argument: Any) -> T | ValueError:
    """Return what a function returns, or the ValueError that it raises or is given."""
    if isinstance(argument, ValueError):
        return argument
    try:
        return function(argument)
    except ValueError as error:
        return error


def _content(file: Any) -> bytes:
    """Return the content of an open file, unless it is larger than the limit for whole files."""
    content = file.read(limits().file_bytes + 1)
    if not isinstance(content, bytes):
        raise ValueError(
            f"got a file that gives {type(content).__name__}; open it for bytes: open(path, 'rb')"
        )
    check_limit("file_bytes", len(content), "bytes in an open file", "Give its path")
    return content


def _is_pillow(example: Any) -> bool:
    return hasattr(example, "getexif")


def _is_prepared(example: Any) -> bool:
    """Return whether an example is an array or a dictionary of arrays, not the cells of a row."""
    parts = example.values() if isinstance(example, dict) else [example]
    return any(isinstance(part, np.ndarray | LazyArray) for part in parts)


def _writable(prepared: Prepared) -> Prepared:
    """Return the same arrays, copied where they are read-only: decoders may share their memory."""
    if isinstance(prepared, dict):
        return {name: _writable(part) for name, part in prepared.items()}
    return (
        prepared
        if isinstance(prepared, LazyArray)
        else np.require(prepared, requirements=["C", "W"])
    )


def _is_row(example: Any) -> bool:
    """Return whether an example is a dictionary by column, or a row of a pandas DataFrame."""
    return isinstance(example, Mapping) or (hasattr(example, "items") and hasattr(example, "index"))


def _presence(example: Any) -> dict[str, Any]:
    """Return the entries of an example of several modalities that say which of them it has."""
    return {name: x for name, x in example.items() if name.endswith(PRESENT)}
