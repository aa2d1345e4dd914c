"""Batches of examples: their order, worker processes and normalisation."""

import math

import pytest
import torch

from perceivers.data.config import DataConfig
from perceivers.data.examples import InMemoryExamples
from perceivers.data.splits import read_splits
from perceivers.modalities.fusion.adapter import FusionAdapter
from perceivers.modalities.image.adapter import ImageAdapter
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.table.adapter import TabularAdapter
from perceivers.training.batches import ShuffleSampler, batches, measure_normalisation

NAN, INF = math.nan, math.inf


def mean_and_std(*columns):
    """Measure the mean and the standard deviation of numeric columns over several batches."""
    rows = torch.tensor(columns, dtype=torch.float64).T
    adapter = TabularAdapter(numeric=[str(i) for i in range(len(columns))])
    measure_normalisation(adapter, InMemoryExamples(rows, torch.zeros(len(rows))))
    return adapter.mean, adapter.std


def test_missing_values_are_not_counted():
    mean, std = mean_and_std([1.0, 3.0, NAN, INF] * 9, [NAN] * 36, [NAN] * 33 + [4.0, 8.0, NAN])
    torch.testing.assert_close(mean, torch.tensor([2.0, 0.0, 6.0]))
    torch.testing.assert_close(std, torch.tensor([1.0, 1.0, 2.0]))


def test_precision_does_not_depend_on_the_scale():
    """Seconds since 1970, billionths, and constant columns."""
    steps = torch.arange(40, dtype=torch.float64)
    columns = [1.7e9 + steps, 1e-9 * steps, 7.1 + 0 * steps, 0 * steps]
    mean, std = mean_and_std(*(column.tolist() for column in columns))
    spread = steps.std(correction=0).item()
    assert std.tolist() == pytest.approx([spread, 1e-9 * spread, 1, 1], rel=1e-6)
    assert mean.tolist() == pytest.approx([1.7e9 + 19.5, 19.5e-9, 7.1, 0], rel=1e-6)


def test_table_with_missing_rows_in_a_fusion():
    parts = {
        "a": TabularAdapter(numeric=["x"]),
        "b": TabularAdapter(categorical="c", categories=["xy"]),
    }
    adapter = FusionAdapter(parts)
    batch = {
        "a": torch.tensor([[2.0], [4.0], [NAN]]),
        "a.present": torch.tensor([True, True, False]),
        "b": torch.tensor([[0.0], [1.0], [0.0]]),
    }
    measure_normalisation(adapter, InMemoryExamples(batch, torch.zeros(3)))
    assert (adapter.parts["a"].mean.item(), adapter.parts["a"].std.item()) == (3, 1)


def test_order_depends_on_seed_and_epoch_alone():
    first, second = ShuffleSampler(50, seed=3), ShuffleSampler(50, seed=3)
    assert list(first) == list(second)
    second.set_epoch(1)
    assert list(first) != list(second)
    assert sorted(second) == list(range(50))
    assert list(ShuffleSampler(50, seed=4)) != list(first)


def test_normalisation_of_images():
    examples = read_splits(DataConfig(name="digits"), ImageReader(8, 1)).examples["train"]
    adapter = ImageAdapter(image_size=8, channels=1)
    measure_normalisation(adapter, examples)
    pixels = examples.examples.double() / 255
    assert adapter.mean.item() == pytest.approx(pixels.mean().item(), abs=1e-6)
    assert adapter.std.item() == pytest.approx(pixels.std(unbiased=False).item(), abs=1e-6)


def test_worker_processes_give_the_same_batches(image_folder):
    config = DataConfig(path=str(image_folder), hold_gb=0.0)
    examples = read_splits(config, ImageReader(8, 3)).examples["train"]
    in_process, in_worker = (
        list(batches(examples, DataConfig(workers=workers, batch_size=5), shuffle_seed=1))
        for workers in (0, 1)
    )
    assert len(in_process) == len(examples) // 5
    for a, b in zip(in_process, in_worker, strict=True):
        assert torch.equal(a[0], b[0])
        assert torch.equal(a[1], b[1])
