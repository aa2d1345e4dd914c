"""Image data sets in parquet files and on the Hugging Face hub, read by the `datasets` package."""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..errors import listed, missing_extra
from ..hub import PREFIX
from ..modalities.image.reader import ImageReader
from ..modalities.reader import Reader
from ..reading import file_errors, reason
from .file_examples import FileExamples, FileSplits, NamedSource
from .sets import NamedSet
from .split_names import split_of, splits_of

log = logging.getLogger(__name__)

SHARD = re.compile(r"[-_]\d+([-_]of[-_]\d+)?$")  # what the name of a part of a split ends in


def read_parquet_folder(
    path: Path, files: list[Path], reader: Reader, *, strict: bool
) -> tuple[FileSplits, tuple[str, ...]]:
    """Return the splits and the class names of the parquet files of a folder.

    A file belongs to the split that its name tells ("train-00000-of-00001", "test_set") or that its
    folder is named after (`split_names.splits_of`), else to "train".

    Args:
        path: the folder, for messages.
        files: its parquet files, with an image column and a class column.
        reader: image reader.
        strict: stop at an unreadable image instead of skipping it.

    Returns:
        The examples of each split ("train", "validation", "test"), and the class names.

    Raises:
        ValueError: a file is damaged, the columns are missing, or the reader is not of images.
        ImportError: `datasets` is not installed.
    """
    files_of = _files_by_split(path, files)
    with _quiet_datasets() as datasets:
        try:
            data = datasets.load_dataset("parquet", data_files=files_of)
        except Exception as error:
            raise ValueError(
                f"{path}: a parquet file cannot be read ({reason(error.__cause__ or error)}); "
                "download it again"
            ) from error
    with file_errors(path, "parquet file"):
        return _read_splits(data, str(path), reader, strict=strict)


def _files_by_split(path: Path, files: Sequence[Path]) -> dict[str, list[str]]:
    names = {file: SHARD.sub("", file.stem) for file in files}
    splits, untold = splits_of(set(names.values())), list[str]()
    files_of: dict[str, list[str]] = {}
    for file, name in names.items():
        split = splits.get(name) or split_of(file.parent.name)
        if split is None:
            untold.append(file.name)
        files_of.setdefault(split or "train", []).append(str(file))
    if untold and len(untold) < len(files):
        log.warning(
            "%s: the names of %s tell no split, unlike those of the other files; they are read as "
            "training examples",
            path,
            listed(untold),
        )
    return files_of


def read_hub(
    name: str, reader: Reader, *, strict: bool, named: NamedSet | None = None
) -> tuple[FileSplits, tuple[str, ...]]:
    """Return the splits and the class names of a data set on the Hugging Face hub.

    Args:
        name: repository of the data set, such as "uoft-cs/cifar10", without "hf://". It has an
            image column and a class column.
        reader: image reader.
        strict: stop at an unreadable image instead of skipping it.
        named: the named set that the data set is; its `how_to_get` completes the message if the
            hub cannot be reached.

    Returns:
        The examples of each split ("train", "validation", "test"), and the class names.

    Raises:
        FileNotFoundError: the hub cannot be reached or has no such data set.
        ValueError: the columns are missing, or the reader is not of images.
        ImportError: `datasets` is not installed.
    """
    log.info("loading %s from the Hugging Face hub (a failed connection takes up to 30 s)", name)
    with _quiet_datasets() as datasets:
        try:
            data = datasets.load_dataset(name)
        except (OSError, ValueError, RuntimeError) as error:
            # The class depends on the reason: no such name, no connection, offline mode.
            raise FileNotFoundError(_not_on_hub(name, named, reason(error))) from None
    return _read_splits(data, name, reader, strict=strict)


def _not_on_hub(name: str, named: NamedSet | None, why: str) -> str:
    if named is None:
        return (
            f"{PREFIX}{name} could not be loaded from the Hugging Face hub ({why}); check the "
            "name and your connection"
        )
    return f"{name} could not be loaded from the Hugging Face hub ({why}); {named.how_to_get}"


def _read_splits(
    data: Any, source: str, reader: Reader, *, strict: bool
) -> tuple[FileSplits, tuple[str, ...]]:
    """Return the splits and the class names of a `datasets.DatasetDict`; see `read_hub`."""
    if not isinstance(reader, ImageReader):
        raise ValueError(
            f"{source} holds parquet files or is on the hub, which are read only as images; give a "
            f"folder of {reader.noun}"
        )
    splits: FileSplits = {}
    labels: tuple[str, ...] = ()
    known = {key: split for key in data if (split := split_of(key))}
    for key in (key for key in data if key not in known):
        log.warning(
            "%s: the split %r is not used; its name is not that of a known split", source, key
        )
    for key, name in known.items():
        split = data[key]
        if name in splits:
            raise ValueError(
                f"{source} has splits {sorted(data)}, of which two stand for {name}; give a data "
                "set with one of them"
            )
        image_column, class_column = _find_columns(split, source)
        names = tuple(split.features[class_column].names or ())
        if labels and names and names != labels:
            raise ValueError(
                f"{source}: the class names of the split {key!r}, {list(names)[:10]}, differ from "
                f"those of the splits before it, {list(labels)[:10]}; give all splits the same"
            )
        labels = labels or names
        values = split[class_column][:]
        if not _check_labels(values, len(names), f"{source} {key}", optional=name != "train"):
            continue
        splits[name] = FileExamples(
            EncodedImages(split, image_column, f"{source} {key}"),
            torch.tensor(values, dtype=torch.int64),
            torch.arange(len(split)),
            reader,
            strict,
        )
    if not splits:
        raise ValueError(
            f"{source} has splits {sorted(data)}; expected at least 'train', with labels"
        )
    return splits, labels


def _check_labels(
    values: Sequence[int | None], num_classes: int, where: str, *, optional: bool
) -> bool:
    """Return whether a split can be used: False if none of its rows has a label.

    Args:
        values: the classes of its rows; None or -1 for a missing label.
        num_classes: number of classes.
        where: name of the split for messages.
        optional: whether the split may be without labels, as the test split of a competition is.

    Raises:
        ValueError: some labels are missing, or all are and the split is not optional.
    """
    rows = [i for i, value in enumerate(values) if value is None or not 0 <= value < num_classes]
    if not rows:
        return True
    if len(rows) == len(values) and optional:
        log.warning("%s: none of its %s rows has a label; it is not used", where, f"{len(rows):,}")
        return False
    raise ValueError(
        f"{where}: {len(rows):,} of {len(values):,} labels are missing or no class, the first in "
        f"row {rows[0] + 1} ({values[rows[0]]}); remove these rows"
    )


class EncodedImages(Sequence[NamedSource]):
    """The encoded images of a split, read from it one at a time.

    An item is the name of the image for messages, and its bytes or its path.

    Args:
        split: a `datasets.Dataset`.
        column: name of its image column.
        where: name of the split for messages.
    """

    def __init__(self, split: Any, column: str, where: str) -> None:
        import datasets

        images = split.select_columns([column])
        self.split = images.cast_column(column, datasets.Image(decode=False))
        self.column, self.where = column, where

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: Any) -> Any:
        with file_errors(f"{self.where} row {index}", "parquet file"):
            image = self.split[index][self.column]
        if image is None:  # an empty cell: the reader refuses it as it does an empty file
            return f"{self.where} row {index}", b""
        name = image["path"] or f"{self.where} row {index}"
        return name, image["path"] if image["bytes"] is None else image["bytes"]


def _find_columns(split: Any, source: str) -> tuple[str, str]:
    """Return the names of the image column and the class column of a split.

    Of several class columns, a "fine" one is preferred: CIFAR-100 has fine and coarse labels.
    """
    import datasets

    features = split.features
    images = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    labels = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    labels.sort(key=lambda name: "fine" not in name)
    if not images or not labels:
        raise ValueError(
            f"{source} has columns {dict(features)}; expected one of images and one of class "
            "labels; to learn from a parquet file as a table, point at the file itself"
        )
    return images[0], labels[0]


@contextmanager
def _quiet_datasets() -> Iterator[Any]:
    """Import `datasets` and hide its progress bars, which a small folder does not need."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import datasets
    except ImportError:
        raise missing_extra("datasets", "data") from None
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it logs each failed attempt
    were_disabled = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield datasets
    finally:
        if not were_disabled:
            datasets.enable_progress_bars()
