"""The number of examples of each class in each split: described, and classes that are missing."""

import logging
import unicodedata
from collections.abc import Mapping, Sequence

from torch import Tensor

from .config import NUMBER_TASKS, UNLABELLED, Task
from .examples import ExampleSet

log = logging.getLogger(__name__)

MAX_LISTED = 10  # classes up to which the counts of all are listed
NUM_FIRST = 5  # classes that are listed of more
SPLIT_ORDER = ("train", "validation", "test")


def count_classes(labels: Tensor, num_classes: int, task: Task) -> list[int]:
    """Return the number of examples of each class, or of those that have each label.

    Args:
        labels: labels of some examples; see the module `labels`.
        num_classes: number of classes or labels.
        task: classification or multilabel.
    """
    if task in ("multilabel", "segmentation"):
        return list(map(int, labels.sum(0)))
    counted = labels[(labels >= 0) & (labels < num_classes)]  # others are refused elsewhere
    return list(map(int, counted.bincount(minlength=num_classes)))


def describe_splits(
    splits: Mapping[str, ExampleSet], names: Sequence[str], task: Task
) -> list[str]:
    """Describe the labels of each split in a line: "train: cat 40, dog 38".

    Args:
        splits: the examples of each split.
        names: names of the classes, labels or numbers.
        task: the task that the labels are for.
    """
    if task == "masking":
        return []
    return [
        f"{split}: {_describe(splits[split].labels, names, task)}"
        for split in SPLIT_ORDER
        if split in splits
    ]


def _describe(labels: Tensor, names: Sequence[str], task: Task) -> str:
    if task == "language":
        return f"{int(labels.sum()):,} bytes"
    if task in UNLABELLED:
        return f"{len(labels):,} examples"
    if task in NUMBER_TASKS:
        columns = labels.view(len(labels), -1)
        words = [
            f"{name} {low:g} to {high:g}"
            for name, low, high in zip(
                names, columns.amin(0).tolist(), columns.amax(0).tolist(), strict=True
            )
        ]
    else:
        counts = count_classes(labels, len(names), task)
        words = [f"{name} {count:,}" for name, count in zip(names, counts, strict=True)]
    if task == "forecasting":  # labels are means, so that windows can be compared
        words[:1] = [f"means of the steps to forecast: {word}" for word in words[:1]]
    if len(words) <= MAX_LISTED:
        return ", ".join(words)
    listed = ", ".join(words[:NUM_FIRST])
    if task in NUMBER_TASKS:
        return f"{listed}, … ({len(words):,} numbers)"
    low, high = min(counts), max(counts)
    each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{listed}, … ({len(words):,} {_noun(task)}, {each} examples of each)"


def warn_of_untrained(splits: Mapping[str, ExampleSet], names: Sequence[str], task: Task) -> None:
    """Log the classes that other splits have and the training examples do not.

    Args:
        splits: the examples of each split; nothing is logged without training examples.
        names: names of the classes, labels or numbers.
        task: the task that the labels are for.
    """
    if "train" not in splits or task in (*NUMBER_TASKS, "masking"):
        return
    trained = count_classes(splits["train"].labels, len(names), task)
    for split, examples in splits.items():
        counts = count_classes(examples.labels, len(names), task)
        missing = [
            f"{name} ({count:,})"
            for name, count, known in zip(names, counts, trained, strict=True)
            if count and not known
        ]
        if missing:
            few = ", ".join(missing[:NUM_FIRST]) + (", …" if len(missing) > NUM_FIRST else "")
            log.warning(
                "%s of the %s split without a training example: %s; a model cannot learn them, and "
                "each of their examples is an error",
                _noun(task),
                split,
                few,
            )


def warn_of_alike(names: Sequence[str], task: Task) -> None:
    """Log names of classes that are the same but for case, white space or the form of an accent.

    Args:
        names: names of the classes, labels or numbers.
        task: the task that the labels are for.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        key = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        groups.setdefault(key, []).append(name)
    alike = [group for group in groups.values() if len(group) > 1]
    if alike and task not in (*NUMBER_TASKS, "masking"):
        few = ", ".join(" and ".join(map(repr, group)) for group in alike[:NUM_FIRST])
        log.warning(
            "%s that differ in case, spaces or the form of accents alone: %s%s; they are learnt "
            "as different ones: if they are the same, give them one name",
            _noun(task),
            few,
            ", …" if len(alike) > NUM_FIRST else "",
        )


def _noun(task: Task) -> str:
    return "classes" if task in ("classification", "segmentation") else "labels"
