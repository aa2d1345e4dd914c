"""Examples without labels: any files in a folder, or other examples whose labels are dropped."""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..hub import not_found
from ..modalities.reader import Reader
from .config import DataConfig
from .element_labels import split_roots
from .examples import ExampleSet
from .file_examples import FileExamples, FileSplits
from .layout import visible_files

log = logging.getLogger(__name__)


def read_unlabelled(config: DataConfig, reader: Reader) -> FileSplits:
    """Return the splits of all files anywhere below a folder that a reader reads.

    Folders below the root that are named after splits hold these splits; else all files are one.
    All other folders mean nothing here.

    Args:
        config: path of the folder.
        reader: reader of the files.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no files that are read.
    """
    assert config.path is not None  # checked by the caller
    root = Path(config.path).expanduser()
    if not root.exists():
        raise not_found("folder", config.path)
    splits: FileSplits = {}
    for split, folder in split_roots(root).items():
        every = sorted(visible_files(folder)) if folder.is_dir() else [folder]
        files = [(str(f), str(f)) for f in every if f.suffix.lower() in reader.suffixes]
        if len(files) < len(every):
            log.info(
                "%s: %d other files are not read; this model reads %s",
                folder, len(every) - len(files), reader.noun,
            )  # fmt: skip
        if files:
            rows = torch.arange(len(files))
            splits[split] = FileExamples(files, no_labels(len(files)), rows, reader, config.strict)
    if not splits:
        raise ValueError(
            f"{root} holds no {reader.noun} ({', '.join(sorted(reader.suffixes))}); give a folder "
            "of such files, in any sub-folders"
        )
    return splits


def without_labels(splits: Mapping[str, ExampleSet]) -> dict[str, ExampleSet]:
    """Return the same examples without their labels."""
    found = {}
    for name, examples in splits.items():
        found[name] = examples.subset(range(len(examples)))
        found[name].labels = no_labels(len(examples))
    return found


def no_labels(count: int) -> Tensor:
    """Return the labels of examples that have none, int32 (count, 0)."""
    return torch.empty(count, 0, dtype=torch.int32)
