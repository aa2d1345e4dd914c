"""Image folders, parquet folders and hub data sets, all through 🤗 datasets."""

import glob
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..errors import missing_extra
from .sets import NamedSet
from .tables import File, FileTable

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = {
    ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".avif",
}  # fmt: skip
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}

Tables = dict[str, FileTable]


def read_source(
    source: str, *, size: int, channels: int, strict: bool, named: NamedSet | None = None
) -> tuple[Tables, tuple[str, ...]]:
    """Tables by split ("train", "validation", "test") and the class names.

    Args:
        source: a folder of images by class (with or without split folders above the classes), a
            folder of parquet files, or a name on the Hugging Face hub.
        size: height and width the images are brought to.
        channels: 1 or 3.
        strict: stop at an unreadable image instead of skipping it.
        named: the named set that is being looked for, for the message if the hub cannot be reached.

    Raises:
        FileNotFoundError: nothing there, or nothing to be had from the hub.
        ValueError: what is there is no labelled set of images.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        parquet = sorted(path.rglob("*.parquet"))
        splits = _read_parquet(path, parquet) if parquet else _read_images(path)
    elif path.exists():
        raise ValueError(
            f"{path} is a file; expected a folder with one sub-folder of images a class, "
            "a folder of parquet files, or a hub name"
        )
    elif source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise FileNotFoundError(f"no folder {source}; check the path given to --data")
    else:
        splits = _read_hub(source, named)
    return _tables(splits, source, size=size, channels=channels, strict=strict)


def _read_images(path: Path) -> Any:
    """An image folder, after checking by hand what 🤗 datasets passes over in silence."""
    # A folder called "train" is a split if it holds classes; else it is the class of trains.
    splits = [f for f in _folders(path) if f.name.lower() in SPLIT_NAMES and _folders(f)]
    roots = splits or [path]
    files: dict[str, list[str]] = {}
    for root in roots:
        classes = _folders(root)
        if not classes:
            raise ValueError(
                f"{root} has no sub-folders; expected one folder of images for each class"
            )
        for folder in classes:
            images = [f for f in folder.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES]
            nested = next((f for f in images if f.parent != folder), None)
            if nested is not None:
                raise ValueError(
                    f"{nested} lies deeper than its class {folder.name!r}; expected all images of "
                    f"a class directly in {folder}: move them there"
                )
            if not images:
                raise ValueError(
                    f"class {folder.name!r} is empty: {folder} holds no image; "
                    "add images or remove the folder"
                )
        split = "train" if root is path else SPLIT_NAMES[root.name.lower()]
        # Only what lies in a class: 🤗 takes a stray image's own folder for its class.
        here = glob.escape(str(root))
        files[split] = [f"{here}/*/*{suffix}" for suffix in _suffixes(classes)]
    with _quiet_datasets() as datasets:
        return datasets.load_dataset("imagefolder", data_files=files, drop_labels=False)


def _folders(path: Path) -> list[Path]:
    return sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith("."))


def _suffixes(classes: list[Path]) -> set[str]:
    """Endings of image files in these folders, as they are written (.jpg, .JPG)."""
    found = {file.suffix for folder in classes for file in folder.iterdir()}
    return {suffix for suffix in found if suffix.lower() in IMAGE_SUFFIXES}


def _read_parquet(path: Path, files: list[Path]) -> Any:
    """Parquet files, put to splits by their own or their folder's name ("train-00000-of-1")."""
    splits: dict[str, list[str]] = {}
    for file in files:
        words = [file.stem.split("-")[0].lower(), *(p.lower() for p in file.parent.parts[-1:])]
        split = next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), "train")
        splits.setdefault(split, []).append(str(file))
    with _quiet_datasets() as datasets:
        try:
            return datasets.load_dataset("parquet", data_files=splits)
        except datasets.exceptions.DatasetGenerationError as error:
            raise ValueError(
                f"{path}: a parquet file could not be read ({error.__cause__ or error}); "
                "download it again"
            ) from None


def _read_hub(name: str, named: NamedSet | None) -> Any:
    log.info("asking the Hugging Face hub for %s (up to half a minute if it is out of reach)", name)
    with _quiet_datasets() as datasets:
        try:
            return datasets.load_dataset(name)
        except (OSError, ValueError, RuntimeError) as error:
            # Not found, not reachable, offline mode: 🤗 raises a different class for each.
            reason = str(error).splitlines()[0]
            raise FileNotFoundError(_how_to_bring(name, named, reason)) from None


def _how_to_bring(name: str, named: NamedSet | None, reason: str) -> str:
    if named is None:
        return (
            f"no folder {name} here, and the Hugging Face hub did not give a data set of that name "
            f"({reason}); check the path or the name given to --data"
        )
    return (
        f"the Hugging Face hub did not give {name} ({reason}); download "
        f"{' or '.join(named.files)} from {named.page} and point at it: --data FILE_OR_FOLDER"
    )


def _tables(
    splits: Any, source: str, *, size: int, channels: int, strict: bool
) -> tuple[Tables, tuple[str, ...]]:
    tables: Tables = {}
    labels: tuple[str, ...] = ()
    for key, split in splits.items():
        if key not in SPLIT_NAMES:
            continue
        image, label = _columns(split, source)
        names = split.features[label].names
        labels = tuple(names) if names else labels
        tables[SPLIT_NAMES[key]] = FileTable(
            EncodedImages(split, image, f"{source} {key}"),
            torch.tensor(split[label][:], dtype=torch.int64),
            torch.arange(len(split)),
            size,
            channels,
            strict,
        )
    if not tables:
        raise ValueError(f"{source} has splits {sorted(splits)}; expected at least 'train'")
    return tables, labels


class EncodedImages(Sequence[File]):
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
