"""Examples without labels of their own: any files, or examples whose labels are dropped.

What is to be predicted is the example itself, or lies in its files (`TargetReader`).
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..hub import not_found
from ..modalities.labelled import TargetReader
from ..modalities.reader import Reader
from .config import DataConfig
from .element_labels import split_roots
from .examples import ExampleSet
from .file_examples import FileExamples, FileSplits, NamedSource
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
        files, used = _sources(every, reader)
        if len(used) < len(every):
            log.info(
                "%s: %d other files are not read; this model reads %s",
                folder, len(every) - len(used), reader.noun,
            )  # fmt: skip
        if files:
            rows = torch.arange(len(files))
            splits[split] = FileExamples(files, no_labels(len(files)), rows, reader, config.strict)
    if not splits:
        raise ValueError(
            f"{root} holds no {reader.noun} ({', '.join(sorted(reader.suffixes))}); give a folder "
            f"of such files, in any sub-folders{_layout(reader)}"
        )
    return splits


def _sources(every: Sequence[Path], reader: Reader) -> tuple[list[NamedSource], set[Path]]:
    """Return the examples of some files, and the files that they are read from."""
    found = [file for file in every if file.suffix.lower() in reader.suffixes]
    if not isinstance(reader, TargetReader):
        return [(str(file), str(file)) for file in found], set(found)
    sources = [source for file in found for source in reader.sources(file)]
    if len(sources) > len(found):
        log.info(
            "%d files are read as %d examples, because they are larger than the model reads; those "
            "of one file may fall into different splits unless the data has folders of splits",
            len(found), len(sources),
        )  # fmt: skip
    return sources, {path for _, source in sources for path in reader.files_of(source)}


def _layout(reader: Reader) -> str:
    return f": {reader.layout}" if isinstance(reader, TargetReader) else ""


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
