"""The one way in: a `DataConfig` → tables for training, validation and test, and their labels."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..modalities.clips import without_clips
from ..modalities.fusion.rows import RowReader
from ..modalities.image.decode import fit
from ..modalities.image.reader import ImageReader
from ..modalities.reader import Reader
from ..modalities.table.config import TABLE_SUFFIXES
from .cifar import is_cifar, read_cifar
from .config import DataConfig, Task
from .examples import ExampleSet, FileExamples, InMemoryExamples, Tables
from .folder import read_folder
from .hub import read_hub, read_parquet_folder
from .labels import describe_labels, infer_task
from .layout import find_manifest
from .manifest import read_table
from .official import has_official_files, read_official
from .sets import NamedSet, named_set

log = logging.getLogger(__name__)

EVALUATED = ("test", "validation", "train")
SPLIT_SEED = 0  # of the splits made here: the same for every run, whatever its own seed

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Splits:
    """A data set ready to train on."""

    examples: dict[str, ExampleSet]
    """By name: "train", "validation", "test"."""
    labels: tuple[str, ...]
    """Names of the classes, labels or numbers, in the order of the model's outputs."""
    skipped: tuple[str, ...] = ()
    """Files that could not be read."""
    task: Task = "classification"
    """What the labels are for."""


def read_splits(
    config: DataConfig,
    reader: Reader,
    *,
    hold_out: bool = True,
    scored: bool = False,
    decode: bool = True,
    progress: Progress | None = None,
) -> Splits:
    """Read a data set and hold out what it does not hold out itself.

    Args:
        config: which set, where it lies, how much to hold out.
        reader: of the modality that the model takes.
        hold_out: hold out a test and a validation split if the data has none of its own; which
            examples they are does not depend on which of the files can be read.
        scored: only the split to score a model on: the first there is of `SCORED`.
        decode: decode files that are to be held in memory; False: a first look, without a word.
        progress: called with (done, total) while files are decoded.

    Raises:
        FileNotFoundError: nothing there; the message says what to bring and how to point at it.
        ValueError: fewer than two classes, labels that are not for the task that is asked for,
            damaged files, a split without examples.
    """
    found, labels = _find(config, reader)
    tables, skipped = dict(found), list[str]()
    given = [table.labels for table in tables.values() if len(table)]
    task = infer_task(torch.cat(given), labels, config.task) if given else "classification"
    if task == "classification" and len(labels) < 2:
        raise ValueError(
            f"found {len(labels)} class {list(labels)}; a classifier needs at least two: "
            f"one folder of {reader.noun} each"
        )
    if hold_out:
        _hold_out(tables, config)
    if scored:
        tables = dict([next((name, tables[name]) for name in EVALUATED if name in tables)])
    for name, table in tables.items():
        if decode and isinstance(table, FileExamples):
            tables[name] = _hold(table, config.hold_gb, progress)
            skipped += table.skipped
            if len(table) and not len(tables[name]):
                raise ValueError(
                    f"none of the {len(table)} files of the {name} split can be read; the lines "
                    "above say why"
                )
        _check_split(name, tables[name], task)
    if decode:
        counts = ", ".join(f"{len(table):,} {name}" for name, table in tables.items())
        log.info("data: %s examples, %d skipped", counts, len(skipped))
        told = "as set" if config.task != "auto" else "by the labels' type; --data.task sets it"
        log.info("labels: %s (%s)", describe_labels(task, labels), told)
    return Splits(tables, labels, tuple(skipped), task)


def _check_split(name: str, table: ExampleSet, task: Task) -> None:
    """A split that nothing can be learnt or scored on is told before the work."""
    if len(table) == 0:
        raise ValueError(f"the {name} split has no examples; add data or change its share")
    if task == "regression" and len(table) < 2:
        raise ValueError(f"the {name} split has 1 example; R² needs 2: change its share")
    if task == "multilabel" and not table.labels.any():
        raise ValueError(f"no example of the {name} split has any of the labels; add some")


def _hold_out(tables: dict[str, ExampleSet], config: DataConfig) -> None:
    """Give up examples of the training split for the splits that are not there."""
    if "train" not in tables:
        raise ValueError(f"found only {sorted(tables)}; expected a 'train' split or plain classes")
    for name, share in (("test", config.test), ("validation", config.validation)):
        if name not in tables and share > 0:
            rest, held_out = stratified_split(tables["train"].labels, share)
            tables[name] = tables["train"].subset(held_out.tolist())
            tables["train"] = tables["train"].subset(rest.tolist())
    if "validation" not in tables:
        raise ValueError(
            f"data.validation={config.validation}; expected more than 0: without validation "
            "examples the best weights cannot be told"
        )


def stratified_split(labels: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Indices kept and held out, `share` of every class held out (at least one, not all).

    Labels that are no classes are parted at random, so of a rare one there may be none.
    """
    if labels.is_floating_point():
        labels = torch.zeros(len(labels), dtype=torch.int64)
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        members = (labels == label).nonzero()[:, 0]
        count = min(max(1, round(share * len(members))), len(members) - 1)
        held_out[members[torch.randperm(len(members), generator=generator)[:count]]] = True
    return (~held_out).nonzero()[:, 0], held_out.nonzero()[:, 0]


def read_digits() -> tuple[Tensor, Tensor]:
    """The packaged digits: images (1797, 8, 8, 1) uint8 scaled to 0…255, labels (1797,)."""
    with (resources.files(__package__) / "digits" / "digits.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        levels, labels = arrays["images"], arrays["labels"]
    images = (levels.astype(np.uint16) * 255 // 16).astype(np.uint8)
    return torch.from_numpy(images[..., None]), torch.from_numpy(labels.astype(np.int64))


def _find(config: DataConfig, reader: Reader) -> tuple[Mapping[str, ExampleSet], tuple[str, ...]]:
    """The set as it lies there: named, official, a table, a folder, or on the hub."""
    if config.name == "folder":
        if config.path is None:
            raise ValueError("no data given; point at your folder: --data DIR")
        rows = isinstance(without_clips(reader), RowReader)
        table = find_manifest(config.path)
        if table and (rows or not Path(config.path).expanduser().is_dir()):
            return read_table(table, reader, config)
        if rows or config.label or config.ignore or config.categorical:
            raise ValueError(
                f"{config.path} is no table (csv, tsv, jsonl or parquet), nor a folder that holds "
                "one called manifest.csv; give one, or leave out label, ignore and categorical"
            )
        return read_source(config.path, reader, strict=config.strict)
    named = named_set(config.name)
    if config.path is None:
        if config.name == "digits":
            return {"train": InMemoryExamples(*read_digits())}, tuple("0123456789")
        if named.hub_id is None:
            raise FileNotFoundError(f"{config.name} is not here; {named.how_to_get}")
        return read_source(named.hub_id, reader, strict=config.strict, named=named)
    path = Path(config.path).expanduser()
    if is_cifar(config.name, path):
        train, test, labels = read_cifar(config.name, path)
        return {"train": _held(train, reader), "test": _held(test, reader)}, labels
    if has_official_files(config.name, path):
        return read_official(config.name, path, reader, strict=config.strict)
    return read_source(config.path, reader, strict=config.strict)


def read_source(
    source: str, reader: Reader, *, strict: bool, named: NamedSet | None = None
) -> tuple[Tables, tuple[str, ...]]:
    """Tables by split ("train", "validation", "test") and the class names.

    Args:
        source: a folder of files by class (with or without split folders above the classes), of
            texts also one file of lines a class; a folder of parquet files, or a name on the
            Hugging Face hub, of images.
        reader: of the files.
        strict: stop at an unreadable file instead of skipping it.
        named: the named set that is being looked for, for the message if the hub cannot be reached.

    Raises:
        FileNotFoundError: nothing there, or nothing to be had from the hub.
        ValueError: what is there is no labelled set of such files.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        parquet = sorted(path.rglob("*.parquet"))
        if not parquet:
            return read_folder(path, reader, strict=strict)
        return read_parquet_folder(path, parquet, reader, strict=strict)
    if path.exists():
        raise ValueError(
            f"{path} is a file; expected a folder with one sub-folder of files a class, a table "
            "(csv, tsv, jsonl or parquet), or a hub name"
        )
    if path.suffix.lower() in TABLE_SUFFIXES:
        raise FileNotFoundError(f"no table {source}; check the path given to --data")
    if source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise FileNotFoundError(f"no folder {source}; check the path given to --data")
    return read_hub(source, reader, strict=strict, named=named)


def _held(arrays: tuple[np.ndarray, np.ndarray], reader: Reader) -> InMemoryExamples:
    if not isinstance(reader, ImageReader):
        raise ValueError(f"this set holds images, and the model reads {reader.noun}")
    images = fit(arrays[0], channels=reader.channels, size=reader.size)
    return InMemoryExamples(torch.from_numpy(images), torch.from_numpy(arrays[1]))


def _hold(table: FileExamples, limit_gb: float, progress: Progress | None) -> ExampleSet:
    if table.decoded_bytes > limit_gb * 1e9:
        log.info(
            "%d files are %.1f GB decoded, over data.hold_gb=%g: decoding batch by batch",
            len(table),
            table.decoded_bytes / 1e9,
            limit_gb,
        )
        return table
    return table.decode_all(progress)
