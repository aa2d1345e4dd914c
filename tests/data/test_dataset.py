"""Labels of a torch `Dataset`: every type that can be read, and those that cannot."""

import numpy as np
import pytest
import torch

from perceivers.data.config import DataConfig
from perceivers.data.dataset import read_datasets


class Items(torch.utils.data.Dataset):
    """A dataset of pairs of an image and one of the given labels."""

    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return torch.zeros(2, 2, 1), self.labels[index]


def read(values, **options):
    config = DataConfig(test=0.25, validation=0.25)
    splits = read_datasets(config, Items(values), **options)
    return splits, torch.cat([part.labels for part in splits.examples.values()])


@pytest.mark.parametrize(
    "kind",
    [
        int,
        bool,
        np.int8,
        np.bool_,
        np.uint16,
        np.array,
        torch.tensor,
        lambda x: torch.tensor(x > 0),
    ],
)
def test_classes_of_every_type(kind):
    splits, labels = read([kind(i % 2) for i in range(40)])
    assert (splits.task, splits.labels) == ("classification", ("0", "1"))
    assert labels.dtype == torch.int64
    assert labels.sum() == 20


@pytest.mark.parametrize("kind", [float, np.float64, np.array])
def test_numbers_keep_their_digits(kind):
    values = [1_700_000_001.0 + i for i in range(40)]
    splits, labels = read([kind(value) for value in values])
    assert splits.task == "regression"
    assert sorted(labels.tolist()) == values


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([0, 1, -1, 1] * 10, {}, "10 of 40 labels are no class, the first of example .*: -1; exp"),
        (
            [0, 1, 2, 1] * 10,
            {"labels": ["a", "b"]},
            "10 of 40 labels are no class, .*: 2; exp",
        ),
        ([0, None] * 20, {}, "item 1 of the train dataset has the label None; expected the index"),
        (
            ["cat", "dog"] * 20,
            {},
            "item 0 of the train dataset has the label 'cat'; exp",
        ),
        ([0.5, float("nan")] * 20, {}, "is nan; expected a finite number"),
        ([0] * 40, {}, "the labels are of 1 class"),
        ([np.array([1, 2])] * 40, {}, r"shape \(40, 2\); expected classes"),
    ],
)
def test_unusable_labels(labels, options, message):
    with pytest.raises(ValueError, match=message):
        read(labels, **options)


class Pairs(torch.utils.data.Dataset):
    """A dataset of given pairs."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]


def clouds(sizes=(5, 3) * 10, label=lambda size: torch.arange(size) % 3 - 1):
    """Return clouds of several sizes with labels -1, 0 and 1 in turn."""
    return Pairs([(torch.rand(size, 3), label(size)) for size in sizes])


def test_classes_of_elements():
    splits = read_datasets(DataConfig(test=0.25), clouds(), task="segmentation")
    assert (splits.task, splits.labels) == ("segmentation", ("0", "1"))
    train = splits.examples["train"]
    assert {tuple(row) for row in train.labels.tolist()} == {(2, 1), (1, 1)}
    both = [train.labels.tolist().index(row) for row in ([2, 1], [1, 1])]
    batch, labels = train.__getitems__(both)
    assert [len(cloud) for cloud in batch] == [5, 3]
    assert labels.tolist() == [[-1, 0, 1, -1, 0], [-1, 0, 1, -1, -1]]
    named = read_datasets(DataConfig(), clouds(), task="segmentation", labels=["a", "b", "c"])
    assert named.labels == ("a", "b", "c")
    assert named.examples["test"].labels.shape[1] == 3


def test_motion_of_pixels_and_inputs_that_are_rebuilt():
    frames = [(torch.rand(2, 4, 5, 1), torch.rand(4, 5, 2)) for _ in range(20)]
    splits = read_datasets(DataConfig(), Pairs(frames), task="flow")
    assert (splits.task, splits.labels) == ("flow", ())
    batch, motion = splits.examples["train"].__getitems__([0, 1])
    assert batch.shape == (2, 2, 4, 5, 1)
    assert motion.shape == (2, 4, 5, 2)
    rebuilt = read_datasets(DataConfig(), Items([7.5] * 20), task="reconstruction")
    assert (rebuilt.task, rebuilt.labels) == ("reconstruction", ())


@pytest.mark.parametrize(
    ("task", "items", "options", "message"),
    [
        (
            "segmentation",
            clouds(label=lambda n: torch.zeros(n + 1).long()),
            {},
            r"shape \(6,\) for",
        ),
        ("segmentation", clouds(label=torch.rand), {}, "labels of torch.float32 and shape"),
        ("segmentation", clouds(), {"labels": ["a"]}, "have the class 1, but there are 1 names"),
        ("segmentation", clouds(label=lambda n: torch.zeros(n).long()), {}, "of 1 class"),
        ("flow", Pairs([(torch.rand(2, 4, 5, 1), torch.rand(5, 4, 2))] * 9), {}, "expected floats"),
    ],
)
def test_unusable_targets(task, items, options, message):
    with pytest.raises(ValueError, match=message):
        read_datasets(DataConfig(), items, task=task, **options)
