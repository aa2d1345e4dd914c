"""Examples of a torch `Dataset`, as training takes them."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset
from typing_extensions import override

from ..modalities.files import as_tensor
from ..modalities.reader import Example, stack_if_equal
from .assignment import assign, find_saved, make_record
from .config import DataConfig
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
        return DatasetExamples(
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


def read_datasets(
    config: DataConfig,
    train: Dataset[Any],
    *,
    validation: Dataset[Any] | None = None,
    test: Dataset[Any] | None = None,
    labels: Sequence[str] | None = None,
    saved: SavedSplits | None = None,
) -> Splits:
    """Make splits of datasets, holding out what is not given.

    Args:
        config: how much to hold out, and the task.
        train: the training examples.
        validation: validation examples; None: a share of the training examples is held out.
        test: test examples; None: a share of the training examples is held out.
        labels: names of the classes, labels or numbers in the order of the model's outputs; None:
            the dataset's attribute `classes`, else 0, 1, ….
        saved: the splits of the run that is resumed; None: they are drawn.

    Raises:
        ValueError: the datasets are not those of the run, a dataset without length, items that are
            not (example, label) pairs, or labels of no known type.
    """
    datasets = {"train": train, "validation": validation, "test": test}
    examples: dict[str, ExampleSet] = {}
    for name, dataset in datasets.items():
        if dataset is not None:
            examples[name] = DatasetExamples(dataset, *_read_items(name, dataset), name=name)
    every = torch.cat([part.labels for part in examples.values()])
    names = _names(every, labels or getattr(train, "classes", None))
    task = infer_task(every, names, config.task)
    if task == "classification" and len(names) < 2:
        raise ValueError(
            f"the labels are of {len(names)} class {list(names)}; a classifier needs at least two"
        )
    if saved is not None:
        chosen = find_saved(saved, examples, names)
    else:
        chosen = hold_out_missing({n: part.labels for n, part in examples.items()}, config)
    splits = assign(examples, chosen)
    warn_of_untrained(splits, names, task)
    return Splits(splits, names, task=task, record=saved or make_record(examples, chosen, names))


def _read_items(name: str, dataset: Dataset[Any]) -> tuple[Tensor, list[str]]:
    """Read the labels of a dataset, and a hash of each example, from all its items."""
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
        values.append(_label(item[1], f"item {index} of the {name} dataset"))
        contents.append(_hash(item[0]))
        if is_constant_item(item[0]):
            constant.append(index)
    if not values:
        raise ValueError(f"the {name} dataset is empty; expected at least one example")
    report_items(name, contents, constant)
    shapes = {tuple(value.shape) for value in values}
    if len(shapes) > 1:
        raise ValueError(f"labels of the {name} dataset have shapes {sorted(shapes)}; expected one")
    stacked = torch.stack(values)
    return stacked.double() if stacked.is_floating_point() else stacked.long(), contents


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


def _names(labels: Tensor, given: Sequence[str] | None) -> tuple[str, ...]:
    if given is not None:
        return tuple(map(str, given))
    if labels.is_floating_point():
        return tuple(str(index) for index in range(labels[0].numel()))
    return tuple(str(index) for index in range(int(labels.max()) + 1))


def _collate(examples: Sequence[Any]) -> Any:
    """Stack examples of one shape; keep a list of those that differ; dictionaries part by part."""
    if isinstance(examples[0], dict):
        return {name: _collate([example[name] for example in examples]) for name in examples[0]}
    return stack_if_equal([as_tensor(example) for example in examples])
