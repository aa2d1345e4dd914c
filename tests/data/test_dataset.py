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
