"""Hold out the test and validation examples that a data set has no splits for."""

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

import torch
from torch import Tensor

from .config import DataConfig

SPLIT_SEED = 0  # seed of held-out splits: the same in every run, whatever the seed of the run

Assignment = dict[str, tuple[str, Tensor]]
"""For each split: the split of the data that its examples are from, and their indices there."""


def whole(labels: Mapping[str, Tensor]) -> Assignment:
    """Return the splits that a data set has of its own.

    Args:
        labels: the labels of each of them.
    """
    return {name: (name, torch.arange(len(values))) for name, values in labels.items()}


def hold_out_missing(
    labels: Mapping[str, Tensor],
    config: DataConfig,
    spans: Mapping[str, Tensor | None] = MappingProxyType({}),
) -> Assignment:
    """Take the test and validation splits that do not exist from the training examples.

    Args:
        labels: the labels of each split that the data has of its own.
        config: the fractions to hold out.
        spans: which steps of one series the examples of a split hold (`ExampleSet.spans`). Such
            examples are split by time.

    Raises:
        ValueError: there is no training split.
    """
    if "train" not in labels:
        raise ValueError(
            f"found only the splits {sorted(labels)}; expected a 'train' split, or folders of "
            "classes without splits"
        )
    steps = spans.get("train")
    if steps is not None:
        return by_time(steps, config)
    splits = whole(labels)
    for name, fraction in (("test", config.test), ("validation", config.validation)):
        if name not in splits and fraction > 0:
            _, rest = splits["train"]
            kept, held_out = stratified_split(labels["train"][rest], fraction)
            splits[name], splits["train"] = ("train", rest[held_out]), ("train", rest[kept])
    return splits


def by_time(spans: Tensor, config: DataConfig) -> Assignment:
    """Split the windows of a series by time: train before validation before test.

    Windows that lie on both sides of a border are in no split.

    Args:
        spans: the first step of each window and the step after its last one, (windows, 2).
        config: the fractions of the steps to hold out at the end.

    Raises:
        ValueError: a part is shorter than a window.
    """
    total = int(spans[:, 1].max())
    borders = [0, round(total * (1 - config.test - config.validation))]
    borders += [round(total * (1 - config.test)), total]
    names = ("train", "validation", "test")
    splits: Assignment = {}
    for name, (start, stop) in zip(names, pairwise(borders), strict=True):
        inside = (spans[:, 0] >= start) & (spans[:, 1] <= stop)
        if stop > start:
            splits[name] = ("train", inside.nonzero()[:, 0])
        if stop > start and not inside.any():
            steps = int((spans[:, 1] - spans[:, 0]).min())
            raise ValueError(
                f"the {name} part of the series has {stop - start:,} steps, and a window with what "
                f"follows takes {steps:,}; choose shorter ones (--model.input.length, "
                "--model.input.horizon), or other parts (--data.validation, --data.test)"
            )
    return splits


def stratified_split(labels: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Split examples at random, with the same fraction of every class held out.

    The split is the same in every call.

    Args:
        labels: classes (examples,) int64; or rows of numbers, whose examples are split at random
            regardless of their labels, so that a rare label may be in one part only.
        share: fraction to hold out. Of a class with at least two examples, at least one is held
            out and at least one is kept; a single example is kept.

    Returns:
        Indices of the examples that are kept, and of those held out.
    """
    if labels.is_floating_point() or labels.ndim > 1:
        labels = torch.zeros(len(labels), dtype=torch.int64)
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        indices = (labels == label).nonzero()[:, 0]
        count = min(max(1, round(share * len(indices))), len(indices) - 1)
        held_out[indices[torch.randperm(len(indices), generator=generator)[:count]]] = True
    return (~held_out).nonzero()[:, 0], held_out.nonzero()[:, 0]
