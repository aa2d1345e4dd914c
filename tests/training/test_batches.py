"""Batches of examples: their order, worker processes and normalisation."""

import dataclasses
import gc
import math
import multiprocessing
import os
import signal

import pytest
import torch
from PIL import Image

from perceivers.data.config import DataConfig
from perceivers.data.examples import InMemoryExamples
from perceivers.data.splits import read_splits
from perceivers.modalities.fusion.adapter import FusionAdapter
from perceivers.modalities.image.adapter import ImageAdapter
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.table.adapter import TabularAdapter
from perceivers.recipes import get_recipe
from perceivers.training import engine
from perceivers.training.batches import ShuffleSampler, batches
from perceivers.training.measuring import measure_normalisation
from perceivers.training.task import Learner

NAN, INF = math.nan, math.inf


def mean_and_std(*columns):
    """Measure the mean and the standard deviation of numeric columns over several batches."""
    rows = torch.tensor(columns, dtype=torch.float64).T
    adapter = TabularAdapter(numeric=[str(i) for i in range(len(columns))])
    measure_normalisation(adapter, InMemoryExamples(rows, torch.zeros(len(rows))))
    return adapter.mean, adapter.std


def test_missing_values_are_not_counted():
    mean, std = mean_and_std([1.0, 3.0, NAN, INF] * 9, [NAN] * 36, [NAN] * 33 + [4.0, 8.0, NAN])
    torch.testing.assert_close(mean, torch.tensor([2.0, 0.0, 6.0], dtype=torch.float64))
    torch.testing.assert_close(std, torch.tensor([1.0, 1.0, 2.0], dtype=torch.float64))


def test_precision_does_not_depend_on_the_scale():
    """Seconds since 1970, billionths, and constant columns."""
    steps = torch.arange(40, dtype=torch.float64)
    columns = [1.7e9 + steps, 1e-9 * steps, 7.1 + 0 * steps, 0 * steps]
    mean, std = mean_and_std(*(column.tolist() for column in columns))
    spread = steps.std(correction=0).item()
    assert std.tolist() == pytest.approx([spread, 1e-9 * spread, 1, 1], rel=1e-6)
    assert mean.tolist() == pytest.approx([1.7e9 + 19.5, 19.5e-9, 7.1, 0], rel=1e-12)


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


def unreadable(folder, *names):
    """Write files that are no images into the class "dark"; return their paths."""
    paths = [folder / "dark" / name for name in names]
    for path in paths:
        path.write_bytes(b"no image")
    return sorted(map(str, paths))


def run_recipe(path, **data):
    recipe = get_recipe("folder")
    return dataclasses.replace(
        recipe,
        model=dataclasses.replace(
            recipe.model, num_latents=2, latent_dim=8, qk_dim=None, cross_order=(0,),
            block_order=(0,), num_layers_per_block=1,
        ),
        data=dataclasses.replace(recipe.data, path=str(path), hold_gb=0.0, **data),
        trainer=dataclasses.replace(recipe.trainer, max_epochs=2),
        optimizer=dataclasses.replace(recipe.optimizer, warmup_epochs=0),
    )  # fmt: skip


@pytest.mark.parametrize("workers", [0, 2])
def test_files_that_workers_skip_are_named_once_and_in_order(
    image_folder, tmp_path, workers, caplog
):
    names = unreadable(image_folder, *(f"bad{index}.png" for index in range(6)))
    recipe = run_recipe(image_folder, batch_size=4, workers=workers, validation=0.2, test=0.2)
    result = engine.train(recipe, tmp_path / "run")
    assert sorted(result["skipped_files"]) == names
    skipped = [r.message for r in caplog.records if r.message.startswith("skipped")]
    assert sorted(message.split(": ")[0] for message in skipped) == [f"skipped {n}" for n in names]
    assert "skipped " in (tmp_path / "run" / "log.txt").read_text()
    again = engine.train(recipe, tmp_path / "again")
    assert again["skipped_files"] == result["skipped_files"]
    assert result["train_examples"] < 18
    assert result["test"]["examples"] < 7


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_without_a_readable_file_does_not_stop_the_run(image_folder, tmp_path, workers):
    names = unreadable(image_folder, *(f"bad{index}.png" for index in range(4)))
    recipe = run_recipe(image_folder, batch_size=1, workers=workers, validation=0.2, test=0.2)
    result = engine.train(recipe, tmp_path / "run")
    assert sorted(result["skipped_files"]) == names
    assert result["epochs"] == 2
    assert math.isfinite(result["test"]["loss"])


class CollectingReader(ImageReader):
    """Reads images, and collects garbage, as any allocation may."""

    def decode(self, source):
        gc.collect()
        return super().decode(source)


def test_workers_free_no_object_of_the_process_that_starts_them(image_folder, tmp_path):
    """Those of PyAV have threads, which a worker has not, and would wait for them for ever."""
    freed = tmp_path / "freed"

    class Cycle:
        def __init__(self):
            self.me = self

        def __del__(self):
            with freed.open("a") as file:
                file.write(f"{os.getpid()}\n")

    config = DataConfig(path=str(image_folder), hold_gb=0.0, workers=1, batch_size=2)
    loader = batches(read_splits(config, CollectingReader(8, 3)).examples["train"], config)
    Cycle()
    assert len(list(loader)) == len(loader)
    gc.collect()
    assert freed.read_text().split() == [str(os.getpid())]


@pytest.mark.parametrize("workers", [0, 2])
def test_notices_of_workers_are_said_once(image_folder, caplog, workers):
    frames = [Image.new("RGB", (9, 9), color) for color in ("red", "blue")]
    for index in range(6):
        path = image_folder / "dark" / f"moving{index}.gif"
        frames[0].save(path, save_all=True, append_images=frames[1:])
    config = DataConfig(path=str(image_folder), hold_gb=0.0, workers=workers, batch_size=2)
    examples = read_splits(config, ImageReader(8, 3)).examples["train"]
    loader = batches(examples, config)
    for _ in range(2):
        list(loader)
    said = [r.getMessage() for r in caplog.records if "moving" in r.getMessage()]
    assert len(said) == 1
    assert "of which only the first is read" in said[0]


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_of_workers_are_plain_lines(image_folder, tmp_path, workers):
    unreadable(image_folder, "bad.png")
    recipe = run_recipe(image_folder, batch_size=2, workers=workers, strict=True)
    with pytest.raises(ValueError, match="bad.png: not an image.*without --strict") as caught:
        engine.train(recipe, tmp_path / "run")
    assert "Traceback" not in str(caught.value)


def test_no_file_can_be_read_by_workers(image_folder):
    examples = read_splits(DataConfig(path=str(image_folder), hold_gb=0.0), ImageReader(8, 3))
    for path in image_folder.rglob("*.png"):
        path.write_bytes(b"no image")
    loader = batches(examples.examples["train"], DataConfig(workers=1, batch_size=5))
    with pytest.raises(ValueError, match="none of 20 files can be read; the log lines above say"):
        list(loader)


class BrokenReader(ImageReader):
    error: Exception

    def decode(self, source):
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (OSError(5, "a bad disk"), OSError, r"^\[Errno 5\] a bad disk$"),
        (MemoryError("no more"), MemoryError, "^no more$"),
        (KeyError("name"), RuntimeError, "^'name'$"),
        (RuntimeError("two\nlines"), RuntimeError, "^lines$"),
    ],
)
def test_any_error_of_a_worker_is_one_line_of_its_kind(image_folder, error, kind, message):
    config = DataConfig(path=str(image_folder), hold_gb=0.0, workers=1, batch_size=5)
    reader = BrokenReader(8, 3)
    reader.error = error
    examples = read_splits(config, reader, decode=False).examples["train"]
    with pytest.raises(kind, match=message):
        list(batches(examples, config))


class KilledReader(ImageReader):
    def decode(self, source):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_told_in_one_line(image_folder):
    config = DataConfig(path=str(image_folder), hold_gb=0.0, workers=1, batch_size=5)
    examples = read_splits(config, KilledReader(8, 3), decode=False).examples["train"]
    with pytest.raises(OSError, match="ended unexpectedly .*lower --data.workers") as caught:
        list(batches(examples, config))
    assert "\n" not in str(caught.value)


def test_no_worker_outlives_an_epoch_that_fails(image_folder, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyError("a fault in the middle of an epoch")

    others = multiprocessing.active_children()
    monkeypatch.setattr(Learner, "training_step", fail)
    recipe = run_recipe(image_folder, batch_size=2, workers=2, validation=0.2, test=0.2)
    with pytest.raises(KeyError) as of_training:
        engine.train(recipe, tmp_path / "run")
    unreadable(image_folder, *(f"bad{index}.png" for index in range(6)))
    strict = dataclasses.replace(recipe.data, strict=True)
    examples = read_splits(strict, ImageReader(8, 3), decode=False).examples["train"]
    with pytest.raises(ValueError, match="bad") as of_loader:
        list(batches(examples, strict))
    assert of_training.value.__traceback__, "holds what the frames hold"
    assert of_loader.value.__traceback__
    assert multiprocessing.active_children() == others


@pytest.mark.parametrize("limit", [3, 7, 10, 100])
def test_the_normalisation_reads_no_more_than_its_limit(limit):
    seen = []

    class Counted(InMemoryExamples):
        def __getitems__(self, indices):
            seen.extend(indices)
            return super().__getitems__(indices)

    examples = Counted(torch.randn(19, 4, 4, 3), torch.zeros(19, dtype=torch.int64))
    measure_normalisation(ImageAdapter(image_size=4, num_bands=2), examples, limit=limit)
    assert len(seen) <= limit
    assert len(seen) > min(limit, 19) / 2
