"""Image data sets in parquet files and on the Hugging Face hub, through 🤗 datasets."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..errors import missing_extra
from ..modalities.image.reader import ImageReader
from ..modalities.reader import Reader
from .examples import FileExamples, NamedSource, Tables
from .layout import SPLIT_NAMES
from .sets import NamedSet

log = logging.getLogger(__name__)


def read_parquet_folder(
    path: Path, files: list[Path], reader: Reader, *, strict: bool
) -> tuple[Tables, tuple[str, ...]]:
    """Tables by split and the class names of parquet files of images.

    Args:
        path: the folder they lie in.
        files: put to splits by their own or their folder's name ("train-00000-of-1").
        reader: of images.
        strict: stop at an unreadable image instead of skipping it.

    Raises:
        ValueError: a damaged file, another reader, or no columns of images and class labels.
    """
    splits: dict[str, list[str]] = {}
    for file in files:
        words = [file.stem.split("-")[0].lower(), *(p.lower() for p in file.parent.parts[-1:])]
        split = next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), "train")
        splits.setdefault(split, []).append(str(file))
    with _quiet_datasets() as datasets:
        try:
            loaded = datasets.load_dataset("parquet", data_files=splits)
        except datasets.exceptions.DatasetGenerationError as error:
            raise ValueError(
                f"{path}: a parquet file could not be read ({error.__cause__ or error}); "
                "download it again"
            ) from None
    return _tables(loaded, str(path), reader, strict=strict)


def read_hub(
    name: str, reader: Reader, *, strict: bool, named: NamedSet | None = None
) -> tuple[Tables, tuple[str, ...]]:
    """Tables by split and the class names of an image data set on the Hugging Face hub.

    Args:
        name: of the data set, such as "uoft-cs/cifar10".
        reader: of images.
        strict: stop at an unreadable image instead of skipping it.
        named: the named set that is being looked for, for the message if the hub cannot be reached.

    Raises:
        FileNotFoundError: nothing to be had from the hub.
        ValueError: another reader, or no columns of images and class labels.
    """
    log.info("asking the Hugging Face hub for %s (up to half a minute if it is out of reach)", name)
    with _quiet_datasets() as datasets:
        try:
            loaded = datasets.load_dataset(name)
        except (OSError, ValueError, RuntimeError) as error:
            # Not found, not reachable, offline mode: 🤗 raises a different class for each.
            reason = str(error).splitlines()[0]
            raise FileNotFoundError(_hub_message(name, named, reason)) from None
    return _tables(loaded, name, reader, strict=strict)


def _hub_message(name: str, named: NamedSet | None, reason: str) -> str:
    if named is None:
        return (
            f"no folder {name} here, and the Hugging Face hub did not give a data set of that name "
            f"({reason}); check the path or the name given to --data"
        )
    return f"the Hugging Face hub did not give {name} ({reason}); {named.how_to_get}"


def _tables(
    splits: Any, source: str, reader: Reader, *, strict: bool
) -> tuple[Tables, tuple[str, ...]]:
    if not isinstance(reader, ImageReader):
        raise ValueError(
            f"{source}: of parquet and the hub only images are read; give a folder of {reader.noun}"
        )
    tables: Tables = {}
    labels: tuple[str, ...] = ()
    for key, split in splits.items():
        if key not in SPLIT_NAMES:
            continue
        image, label = _columns(split, source)
        names = split.features[label].names
        labels = tuple(names) if names else labels
        tables[SPLIT_NAMES[key]] = FileExamples(
            EncodedImages(split, image, f"{source} {key}"),
            torch.tensor(split[label][:], dtype=torch.int64),
            torch.arange(len(split)),
            reader,
            strict,
        )
    if not tables:
        raise ValueError(f"{source} has splits {sorted(splits)}; expected at least 'train'")
    return tables, labels


class EncodedImages(Sequence[NamedSource]):
    """The image column of a 🤗 split, each image as its path or its bytes, read one at a time."""

    def __init__(self, split: Any, column: str, where: str) -> None:
        import datasets

        only = split.select_columns([column])
        self.split = only.cast_column(column, datasets.Image(decode=False))
        self.column, self.where = column, where

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: Any) -> Any:
        image = self.split[index][self.column]
        name = image["path"] or f"{self.where} row {index}"
        return name, image["path"] if image["bytes"] is None else image["bytes"]


def _columns(split: Any, source: str) -> tuple[str, str]:
    """The image column and the class column: CIFAR-100's fine labels before its coarse ones."""
    import datasets

    features = split.features
    images = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    labels = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    labels.sort(key=lambda name: "fine" not in name)
    if not images or not labels:
        raise ValueError(
            f"{source} has columns {dict(features)}; expected one of images and one of class labels"
        )
    return images[0], labels[0]


@contextmanager
def _quiet_datasets() -> Iterator[Any]:
    """🤗 datasets without its own progress bars: reading a small folder needs none."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import datasets
    except ImportError:
        raise missing_extra("datasets", "data") from None
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it repeats each failed attempt
    shown = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield datasets
    finally:
        if not shown:
            datasets.enable_progress_bars()
