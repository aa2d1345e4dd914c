"""Examples of a torch `Dataset`, as training takes them."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset, IterableDataset
from typing_extensions import override

from ..modalities.files import as_tensor
from ..modalities.labelled import IGNORED
from ..modalities.reader import Example, stack_if_equal
from .assignment import assign, find_saved, make_record
from .config import DataConfig, Task
from .counts import warn_of_untrained
from .examples import Batch, ExampleSet
from .hold_out import hold_out_missing
from .identity import Identity, hash_array
from .labels import infer_task
from .sameness import is_constant_item, report_items
from .saved_splits import SavedSplits
from .splits import Splits

log = logging.getLogger(__name__)

NAME = "dataset"
"""`DataConfig.name` of a run that was trained on a dataset given in Python."""

Row = Callable[[Any, Any, str], Tensor]
"""Returns the entry of `ExampleSet.labels` of an item: its example, its label and its name."""


class DatasetExamples(ExampleSet):
    """Examples of a map-style dataset whose items are (example, label) pairs.

    Items are taken from the dataset each time they are asked for, so that its own random
    transforms draw anew in each epoch.

    Args:
        dataset: the dataset. An example is a tensor or an array as in the model's raw batch,
            without the batch axis, or a dictionary of them by modality.
        labels: label of each of the examples, see `data.labels`.
        contents: hash of each of the examples as it was first read.
        indices: indices into the dataset of the examples of this set; None: all in order.
        name: name of the dataset in the names of its examples.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        labels: Tensor,
        contents: Sequence[str],
        indices: Sequence[int] | None = None,
        name: str = "dataset",
    ) -> None:
        self.dataset, self.labels, self.contents = dataset, labels, contents
        self.name = name
        self.indices = list(range(len(labels)) if indices is None else indices)

    @override
    def __getitems__(self, indices: Sequence[int]) -> Batch:
        examples = [self.dataset[self.indices[index]][0] for index in indices]
        return _collate(examples), self.labels[torch.as_tensor(indices, dtype=torch.int64)]

    @override
    def subset(self, indices: Sequence[int]) -> "DatasetExamples":
        return type(self)(
            self.dataset,
            self.labels[torch.as_tensor(indices, dtype=torch.int64)],
            [self.contents[index] for index in indices],
            [self.indices[index] for index in indices],
            self.name,
        )

    @override
    def names(self, indices: Sequence[int]) -> list[str]:
        return [f"{self.name}[{self.indices[index]}]" for index in indices]

    @override
    def example(self, index: int) -> Example:
        example = self.dataset[self.indices[index]][0]
        if isinstance(example, dict):
            return {name: as_tensor(part).numpy() for name, part in example.items()}
        return as_tensor(example).numpy()

    @override
    def identities(self) -> list[Identity]:
        pairs = zip(self.indices, self.contents, strict=True)
        return [Identity(str(index), content, "position") for index, content in pairs]


class TargetDatasetExamples(DatasetExamples):
    """Examples whose items hold what is to be predicted of each of their elements.

    Labels are the classes of the elements, int64 with the axes of the example but its channels
    (those of a text: all), and -1 where there is none; or the motion of each pixel of a pair of
    frames, float (H, W, 2). `labels` is as the module `labels` says of the task.
    """

    @override
    def __getitems__(self, indices: Sequence[int]) -> Batch:
        items = [self.dataset[self.indices[index]] for index in indices]
        targets = [as_tensor(label) for _, label in items]
        if not targets[0].is_floating_point():
            targets = [target.long() for target in targets]
        padded = pad_sequence(targets, batch_first=True, padding_value=IGNORED)
        return _collate([example for example, _ in items]), padded


def read_datasets(
    config: DataConfig,
    train: Dataset[Any],
    *,
    task: Task | None = None,
    validation: Dataset[Any] | None = None,
    test: Dataset[Any] | None = None,
    labels: Sequence[str] | None = None,
    saved: SavedSplits | None = None,
) -> Splits:
    """Make splits of datasets, holding out what is not given.

    Args:
        config: how much to hold out, and the task.
        train: the training examples.
        task: the task of the model, if it decides what a label is (`ROWS`).
        validation: validation examples; None: a share of the training examples is held out.
        test: test examples; None: a share of the training examples is held out.
        labels: names of the classes, labels or numbers in the order of the model's outputs; None:
            the dataset's attribute `classes`, else 0, 1, ….
        saved: the splits of the run that is resumed; None: they are drawn.

    Raises:
        ValueError: the datasets are not those of the run, a dataset without length, items that are
            not (example, label) pairs, or labels of no known type.
    """
    given = {"train": train, "validation": validation, "test": test}
    datasets = {name: dataset for name, dataset in given.items() if dataset is not None}
    if task == "occupancy":
        raise ValueError(
            "solids are read from a folder of closed meshes, not from a torch Dataset; give the "
            "path of a folder"
        )
    row = _label_row if task is None else ROWS.get(task, _label_row)
    read = {name: _read_items(name, dataset, row) for name, dataset in datasets.items()}
    known = labels or getattr(train, "classes", None)
    names = _names([values for values, _ in read.values()], known, task)
    kind = TargetDatasetExamples if task in ("segmentation", "flow") else DatasetExamples
    examples: dict[str, ExampleSet] = {}
    for name, (values, contents) in read.items():
        if task == "segmentation":
            values = F.pad(values, (0, len(names) - values.shape[1]))
        examples[name] = kind(datasets[name], values, contents, name=name)
    every = torch.cat([part.labels for part in examples.values()])
    found = infer_task(every, names, task if task in ROWS else config.task)
    if found in ("classification", "segmentation") and len(names) < 2:
        raise ValueError(
            f"the labels are of {len(names)} class {list(names)}; a classifier needs at least two"
        )
    if saved is not None:
        chosen = find_saved(saved, examples, names)
    else:
        chosen = hold_out_missing({n: part.labels for n, part in examples.items()}, config)
    splits = assign(examples, chosen)
    warn_of_untrained(splits, names, found)
    return Splits(splits, names, task=found, record=saved or make_record(examples, chosen, names))


def _read_items(name: str, dataset: Dataset[Any], row: Row) -> tuple[Tensor, list[str]]:
    """Read a row of labels, and a hash, of each example of a dataset from all its items."""
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        raise ValueError(
            f"the {name} dataset is a {type(dataset).__name__} without length or indices; expected "
            "a map-style torch Dataset"
        )
    count = len(dataset)
    log.info("reading the labels of %d examples of the %s dataset", count, name)
    values, contents, constant = [], [], []
    for index in range(count):
        item = dataset[index]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise ValueError(
                f"item {index} of the {name} dataset is a {type(item).__name__}; expected a pair "
                "(example, label)"
            )
        example, label = item
        values.append(row(example, label, f"item {index} of the {name} dataset"))
        contents.append(_hash(example))
        if is_constant_item(example):
            constant.append(index)
    if not values:
        raise ValueError(f"the {name} dataset is empty; expected at least one example")
    report_items(name, contents, constant)
    if row is not _label_row:
        return pad_sequence(values, batch_first=True), contents
    shapes = {tuple(value.shape) for value in values}
    if len(shapes) > 1:
        raise ValueError(f"labels of the {name} dataset have shapes {sorted(shapes)}; expected one")
    stacked = torch.stack(values)
    return stacked.double() if stacked.is_floating_point() else stacked.long(), contents


def _label_row(example: Any, label: Any, where: str) -> Tensor:
    """Return the label of a whole example."""
    return _label(label, where)


def _class_counts(example: Any, label: Any, where: str) -> Tensor:
    """Return how many elements of an example have each class, int32 (K,)."""
    values, shape = _label(label, where), tuple(np.shape(example))
    if values.is_floating_point() or tuple(values.shape) not in (shape, shape[:-1]):
        raise ValueError(
            f"{where} has labels of {values.dtype} and shape {tuple(values.shape)} for an example "
            f"of shape {shape}; expected whole numbers, one for each point, byte or pixel"
        )
    classes = values.long().flatten()
    return classes[classes >= 0].bincount().int()


def _motion(example: Any, label: Any, where: str) -> Tensor:
    """Check the motion of the pixels of a pair of frames; there is no label of the whole pair."""
    values, shape = _label(label, where), tuple(np.shape(example))
    if not values.is_floating_point() or tuple(values.shape) != (*shape[1:3], 2):
        raise ValueError(
            f"{where} has a motion of {values.dtype} and shape {tuple(values.shape)} for frames of "
            f"shape {shape}; expected floats (height, width, 2) for (2, height, width, channels)"
        )
    return torch.empty(0, dtype=torch.int32)


def _no_label(example: Any, label: Any, where: str) -> Tensor:
    return torch.empty(0, dtype=torch.int32)


# What `ExampleSet.labels` holds of an item, by the tasks that follow from the model.
ROWS: dict[Task, Row] = {
    "segmentation": _class_counts,
    "flow": _motion,
    "reconstruction": _no_label,
    "masking": _no_label,
}


def _label(value: Any, where: str) -> Tensor:
    """Return the label of an item as a tensor; numbers keep the precision that they have.

    Args:
        value: a number, a boolean, an array or a tensor.
        where: name of the item for messages.

    Raises:
        ValueError: it is something else, such as None or text.
    """
    if isinstance(value, Tensor):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{where} has the label {value!r}; expected the index of a class, or floats: encode "
            "names as indices, and leave out examples without a label"
        )
    return torch.from_numpy(array)


def _hash(example: Any) -> str:
    try:
        return hash_array(example)
    except (TypeError, ValueError, RuntimeError):
        return ""  # not an array; taking a batch of it will say so


def _names(
    rows: Sequence[Tensor], given: Sequence[str] | None, task: Task | None
) -> tuple[str, ...]:
    """Return the names of the outputs: those that are given, else numbers.

    Args:
        rows: labels of the examples of each dataset.
        given: names of classes, labels or numbers.
        task: the task, if the model decides it.

    Raises:
        ValueError: elements have classes without a name.
    """
    widths = [labels.shape[1] for labels in rows if labels.ndim == 2]
    if task == "segmentation":
        width = max(widths)
        if given is not None and len(given) < width:
            raise ValueError(
                f"elements have the class {width - 1}, but there are {len(given)} names of classes "
                f"{list(given)[:10]}; name all classes"
            )
        return tuple(map(str, range(width) if given is None else given))
    if task in ROWS:
        return ()
    if given is not None:
        return tuple(map(str, given))
    every = torch.cat(list(rows))
    if every.is_floating_point():
        return tuple(str(index) for index in range(every[0].numel()))
    return tuple(str(index) for index in range(int(every.max()) + 1))


def _collate(examples: Sequence[Any]) -> Any:
    """Stack examples of one shape; keep a list of those that differ; dictionaries part by part."""
    if isinstance(examples[0], dict):
        return {name: _collate([example[name] for example in examples]) for name in examples[0]}
    return stack_if_equal([as_tensor(example) for example in examples])
