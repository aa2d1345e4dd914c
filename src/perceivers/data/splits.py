"""Read a data set: a `DataConfig` → examples for training, validation and testing, with labels."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..hub import is_hub_name, not_found, repository
from ..modalities.clips import without_clips
from ..modalities.fusion.rows import RowReader
from ..modalities.image.decode import fit
from ..modalities.image.reader import ImageReader
from ..modalities.labelled import LabelledReader, TargetReader
from ..modalities.reader import Reader
from ..modalities.series.reader import SeriesReader
from ..modalities.table.config import TABLE_SUFFIXES
from .assignment import assign, find_saved, first_scored, make_record
from .cifar import is_cifar, read_cifar
from .config import DataConfig, Task
from .counts import SPLIT_ORDER, describe_splits, warn_of_alike, warn_of_untrained
from .element_labels import read_elements
from .examples import ExampleSet, InMemoryExamples
from .file_examples import FileExamples, FileSplits
from .folder import read_folder
from .hold_out import hold_out_missing, whole
from .hub import read_hub, read_parquet_folder
from .labels import TaskOption, describe_labels, infer_task
from .layout import find_manifest, parquet_files
from .manifest import read_table
from .official import has_official_files, read_official
from .saved_splits import SavedSplits
from .series import read_series
from .sets import named_set
from .shapes import read_shapes
from .unlabelled import read_unlabelled, without_labels

log = logging.getLogger(__name__)

ARCHIVES = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"}

Progress = Callable[[int, int], None]  # called with (files done, all files)


@dataclass(frozen=True)
class Splits:
    """The splits of a data set, and what its labels are."""

    examples: dict[str, ExampleSet]
    """Examples of each split: "train", "validation", "test"."""
    labels: tuple[str, ...]
    """Names of the classes, labels or numbers, in the order of the model's outputs."""
    skipped: tuple[str, ...] = ()
    """Files that cannot be read, of those decoded so far."""
    task: Task = "classification"
    """The task that the labels are for."""
    record: SavedSplits | None = None
    """Which example is in which split, as a run saves it."""

    def lines(self) -> list[str]:
        """Describe the labels of each split, a line each; see `counts.describe_splits`."""
        return describe_splits(self.examples, self.labels, self.task)


def read_splits(
    config: DataConfig,
    reader: Reader,
    *,
    hold_out: bool = True,
    saved: SavedSplits | None = None,
    scored: bool = False,
    identify: bool = False,
    decode: bool = True,
    progress: Progress | None = None,
) -> Splits:
    """Read a data set, and hold out the splits that it does not have.

    Args:
        config: the data set, its task and the fractions to hold out.
        reader: reader of the files that the model takes.
        hold_out: hold out a test and a validation split if the data has none of its own. Which
            examples are held out does not depend on which files can be read.
        saved: the splits of a run, whose examples are found in the data; they replace the data's
            own and those held out. What has changed since the run is logged.
        scored: read only the split to score a model on: the first of
            `assignment.EVALUATED` that exists.
        identify: whether `Splits.record` is filled in, for which all files are read.
        decode: decode each split that fits into `config.hold_gb`, and log the counts of examples;
            False: only list the files.
        progress: called with (files done, all files) while a split is decoded.

    Returns:
        The splits, the names of the labels, the unreadable files and the task.

    Raises:
        FileNotFoundError: there is no such data; the message says how to get it and pass it.
        ValueError: the data is damaged, has fewer than two classes, labels that do not fit the
            task, or a split without enough examples.
    """
    loaded, labels = _find(config, reader)
    if config.task == "reconstruction":
        loaded, labels = without_labels(loaded), ()
    values = {name: examples.labels for name, examples in loaded.items()}
    filled = [x for x in values.values() if len(x)]
    wanted = _wanted_task(config, reader)
    task = infer_task(torch.cat(filled), labels, wanted) if filled else "classification"
    if task in ("classification", "segmentation") and len(labels) < 2:
        where = f"one folder of {reader.noun} each"
        raise ValueError(
            f"found {len(labels)} class {list(labels)}; a classifier needs at least two: "
            f"{reader.layout if isinstance(reader, LabelledReader) else where}"
        )
    if saved is not None:
        chosen = find_saved(saved, loaded, labels, config.path, scored=scored)
    else:
        spans = {name: examples.spans for name, examples in loaded.items()}
        chosen = hold_out_missing(values, config, spans) if hold_out else whole(values)
    if scored:
        chosen = first_scored(chosen)
    splits = assign(loaded, chosen)
    new = saved
    if identify and saved is None:
        new = make_record(loaded, chosen, labels, config.path)
    skipped: list[str] = []
    for name, examples in splits.items():
        if decode and isinstance(examples, FileExamples):
            splits[name] = _decode_if_small(examples, config.hold_gb, progress)
            examples.report_sameness(name)
            skipped += examples.skipped
            if len(examples) and not len(splits[name]):
                raise ValueError(
                    f"none of the {len(examples)} files of the {name} split can be read; the log "
                    "lines above say why"
                )
        _check_split(name, splits[name], task)
    warn_of_untrained(splits, labels, task)
    warn_of_alike(labels, task)
    if decode:
        _log_splits(splits, len(skipped))
        inferred = " (from the labels; --data.task sets it)" if config.task == "auto" else ""
        log.info("labels: %s%s", describe_labels(task, labels), inferred)
    return Splits(splits, () if task == "masking" else labels, tuple(skipped), task, new)


def _wanted_task(config: DataConfig, reader: Reader) -> TaskOption:
    """Return the task that the labels must be for; "auto": any.

    Raises:
        ValueError: it is to forecast, and the model does not, or the other way round.
    """
    series = without_clips(reader)
    horizon = series.horizon if isinstance(series, SeriesReader) else 0
    if config.task == "forecasting" and not horizon:
        raise ValueError(
            f"data.task=forecasting, but the model reads {reader.noun} without a horizon; train "
            "one that forecasts (perceivers train folder), or set --model.input.horizon"
        )
    if horizon and config.task not in ("auto", "forecasting"):
        raise ValueError(
            f"data.task={config.task}, but the model forecasts {horizon} steps "
            "(model.input.horizon); leave the task out"
        )
    return "forecasting" if horizon else config.task


def _log_splits(splits: Mapping[str, ExampleSet], skipped: int) -> None:
    counts = ", ".join(f"{len(splits[name]):,} {name}" for name in SPLIT_ORDER if name in splits)
    log.info("data: %s examples, %d skipped", counts, skipped)


def _check_split(name: str, examples: ExampleSet, task: Task) -> None:
    """Check that a split has enough examples and labels to train on or to score."""
    if len(examples) == 0:
        raise ValueError(
            f"the {name} split has no examples; add some, or hold out another fraction"
        )
    if task == "regression" and len(examples) < 2:
        raise ValueError(
            f"the {name} split has 1 example, but the score R² needs 2; hold out another fraction"
        )
    if task == "multilabel" and not examples.labels.any():
        raise ValueError(f"no example of the {name} split has any of the labels; add one that has")


def read_digits() -> tuple[Tensor, Tensor]:
    """Return the digits of the package: images (1797, 8, 8, 1) uint8 and labels (1797,) int64.

    Their 17 grey levels are scaled to 0…255.
    """
    with (resources.files(__package__) / "digits" / "digits.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        levels, labels = arrays["images"], arrays["labels"]
    images = (levels.astype(np.uint16) * 255 // 16).astype(np.uint8)
    return torch.from_numpy(images[..., None]), torch.from_numpy(labels.astype(np.int64))


def holds_arrays(config: DataConfig) -> bool:
    """Return whether a data set is read as arrays of 8 bits instead of from files."""
    if config.name in ("folder", "dataset") or (config.path is None and config.name != "digits"):
        return False
    return config.path is None or is_cifar(config.name, Path(config.path).expanduser())


def _find(config: DataConfig, reader: Reader) -> tuple[Mapping[str, ExampleSet], tuple[str, ...]]:
    """Return the splits that a data set has of its own, and the names of its labels."""
    if config.time is not None and getattr(without_clips(reader), "time", None) != config.time:
        raise ValueError(
            f"data.time={config.time} is for series of your own (perceivers train folder), and the "
            f"model reads {reader.noun} otherwise; leave it out, or set --model.input.time"
        )
    series = without_clips(reader)
    if isinstance(series, SeriesReader) and config.path is not None:
        table = find_manifest(config.path)
        if table is not None:
            return read_series(table, series, config)
        if series.horizon:
            raise ValueError(
                f"{config.path} is not a table, and forecasts are learnt from one whose rows are "
                "the steps of a series; check the path"
            )
    if config.name == "folder" or (config.name == "shapes" and config.path is not None):
        return _find_own(config, reader)
    if config.name == "dataset":
        raise ValueError(
            "this run was trained on a torch Dataset given in Python; continue it from there: "
            "perceivers.train(run_directory, dataset, resume=True)"
        )
    named = named_set(config.name)
    if config.path is None:
        if config.name == "digits":
            images, classes = read_digits()
            digits = _fit_images((images.numpy(), classes.numpy()), reader, "digits")
            return {"train": digits}, tuple("0123456789")
        if config.name == "shapes":
            return {"train": read_shapes(reader)}, ()
        if named.hub_id is None:
            raise FileNotFoundError(
                f"{config.name} does not come with the package; {named.how_to_get}"
            )
        return read_hub(named.hub_id, reader, strict=config.strict, named=named)
    path = Path(config.path).expanduser()
    if is_cifar(config.name, path):
        train, test, labels = read_cifar(config.name, path)
        return {
            "train": _fit_images(train, reader, "train"),
            "test": _fit_images(test, reader, "test"),
        }, labels
    if has_official_files(config.name, path):
        return read_official(config.name, path, reader, strict=config.strict)
    return read_source(config.path, reader, strict=config.strict)


def _find_own(config: DataConfig, reader: Reader) -> tuple[FileSplits, tuple[str, ...]]:
    """Return the splits and label names of the user's own table, folder or hub data set."""
    if isinstance(reader, LabelledReader):
        return read_elements(config, reader)
    if config.path is None:
        raise ValueError("no data given; point at your folder: --data DIR")
    unlabelled = config.task == "reconstruction" or isinstance(reader, TargetReader)
    if unlabelled and not isinstance(without_clips(reader), RowReader):
        return read_unlabelled(config, reader), ()
    reads_rows = isinstance(without_clips(reader), RowReader)
    table = find_manifest(config.path)
    # A manifest.csv in a folder may belong to another program: only models of tables read it.
    if table and (reads_rows or not Path(config.path).expanduser().is_dir()):
        return read_table(table, reader, config)
    if reads_rows or config.label or config.ignore or config.categorical:
        raise ValueError(
            f"{config.path} is not a table (csv, tsv, jsonl or parquet), nor a folder with a "
            "manifest.csv; give a table, or leave out the options label, ignore and categorical"
        )
    return read_source(config.path, reader, strict=config.strict)


def read_source(source: str, reader: Reader, *, strict: bool) -> tuple[FileSplits, tuple[str, ...]]:
    """Return the splits and the class names of a folder or of a data set on the hub.

    Args:
        source: path of a folder of files by class (`folder.read_folder`) or of parquet files of
            images, or the name of a data set of images on the Hugging Face hub, hf://owner/name.
        reader: reader of the files.
        strict: stop at an unreadable file instead of skipping it.

    Returns:
        The examples of each split ("train", "validation", "test"), and the class names.

    Raises:
        FileNotFoundError: there is no such path, or no such data set on the hub.
        ValueError: the path is not a folder, or an error of the functions that read the data.
    """
    if is_hub_name(source):
        return read_hub(repository(source), reader, strict=strict)
    path = Path(source).expanduser()
    if path.is_dir():
        parquet = parquet_files(path)
        if not parquet:
            return read_folder(path, reader, strict=strict)
        return read_parquet_folder(path, parquet, reader, strict=strict)
    if path.suffix.lower() in ARCHIVES and path.exists():
        raise ValueError(f"{path} is an archive, which is not read; unpack it and give its folder")
    if path.exists():
        raise ValueError(
            f"{path} is a file; expected a folder with one sub-folder of files for each class, a "
            "table (csv, tsv, jsonl or parquet), or hf://owner/name for a data set on the hub"
        )
    raise not_found("table" if path.suffix.lower() in TABLE_SUFFIXES else "folder", source)


def _fit_images(
    arrays: tuple[np.ndarray, np.ndarray], reader: Reader, name: str
) -> InMemoryExamples:
    """Bring images to the size and channels of the model; `arrays` are images and labels."""
    if not isinstance(reader, ImageReader):
        raise ValueError(
            f"this data set holds images, and the model reads {reader.noun}; choose a model of "
            "images, or other data"
        )
    images = fit(arrays[0], channels=reader.channels, size=reader.size)
    names = [f"{name}[{index}]" for index in range(len(images))]
    return InMemoryExamples(torch.from_numpy(images), torch.from_numpy(arrays[1]), names=names)


def _decode_if_small(
    examples: FileExamples, limit_gb: float, progress: Progress | None
) -> ExampleSet:
    if examples.decoded_bytes > limit_gb * 1e9:
        log.info(
            "%d files take %.1f GB decoded, more than data.hold_gb=%g; decoding batch by batch",
            len(examples),
            examples.decoded_bytes / 1e9,
            limit_gb,
        )
        return examples
    return examples.decode_all(progress)
