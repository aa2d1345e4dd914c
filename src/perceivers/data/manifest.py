"""Tables of examples: a row each, columns that name files or hold values, and what to learn."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import unknown
from ..modalities.clips import without_clips
from ..modalities.fusion.rows import Row, RowReader
from ..modalities.reader import Reader
from ..modalities.table.columns import Columns, read_columns
from .config import DataConfig
from .examples import FileExamples, NamedSource
from .labels import Labels, read_labels, split_unit
from .layout import SPLIT_NAMES

log = logging.getLogger(__name__)

LABEL_COLUMNS = ("label", "labels", "target")
SPLIT_COLUMN = "split"


@dataclass(frozen=True)
class Manifest:
    """A table of examples."""

    path: Path
    names: tuple[str, ...]
    """Of all columns."""
    columns: Columns
    """What there is to read: all but the labels, the split, and what is to be ignored."""
    labels: Columns
    """What to learn."""
    splits: dict[str, list[int]]
    """The rows of each split, the first being 0; all are "train" if no column says otherwise."""

    def read_labels(self, config: DataConfig) -> Labels:
        """The labels of all rows; errors as of `labels.read_labels`, naming the file."""
        with prefix_errors(self.path):
            return read_labels(self.labels, task=config.task)


def read_manifest(path: Path, config: DataConfig) -> Manifest:
    """A table, its columns told apart by their names.

    Labels are the columns that `config.label` names, or the one called "label", "labels" or
    "target" (units aside). A column called "split" puts rows to splits, if any of its cells names
    one (`layout.SPLIT_NAMES`).

    Raises:
        ValueError: a damaged table, no or several columns that could be the label, an unknown one,
            a split that is none; the message names the file.
    """
    with prefix_errors(path):
        columns = read_columns(path)
        names, rows = tuple(columns), len(next(iter(columns.values())))
        columns = {name: x for name, x in columns.items() if name not in config.ignore}
        labels = {name: columns.pop(name) for name in _label_names(columns, config)}
        splits = {"train": list(range(rows))}
        for name in [name for name in columns if name.lower() == SPLIT_COLUMN]:
            if any((cell or "").lower() in SPLIT_NAMES for cell in columns[name]):
                splits = _splits(name, columns.pop(name))
        if not columns:
            raise ValueError(f"no columns beside {', '.join(labels)}; expected some to learn from")
        return Manifest(path, names, columns, labels, splits)


def read_table(
    path: Path, reader: Reader, config: DataConfig
) -> tuple[dict[str, FileExamples], tuple[str, ...]]:
    """Tables by split, and the names of classes, labels or numbers.

    Raises:
        ValueError: as of `read_manifest`, bad labels, or another reader than one of rows.
    """
    rows = without_clips(reader)
    if not isinstance(rows, RowReader):
        raise ValueError(
            f"{path} is a table, and the model reads {reader.noun}; train one on it with "
            "perceivers train folder"
        )
    manifest = read_manifest(path, config)
    labels = manifest.read_labels(config)
    files = RowFiles(path, manifest.columns, rows.columns)
    tables = {
        split: FileExamples(files, labels.values[of], torch.tensor(of), reader, config.strict)
        for split, of in manifest.splits.items()
    }
    return tables, labels.names


class RowFiles(Sequence[NamedSource]):
    """The rows of a table as what is decoded, with their names.

    Args:
        path: of the table.
        columns: its columns.
        wanted: those that are read. One that is not there is told; it is masked.

    Raises:
        ValueError: none of them is there.
    """

    def __init__(self, path: Path, columns: Columns, wanted: Sequence[str]) -> None:
        self.path, self.length = path, len(next(iter(columns.values())))
        self.columns = {name: columns[name] for name in wanted if name in columns}
        lacking = [name for name in wanted if name not in columns]
        if not self.columns:
            raise ValueError(
                f"{path} has columns {', '.join(columns)}; the model reads {', '.join(wanted)}: "
                "expected at least one of them"
            )
        if lacking:
            log.info("%s has no column %s; it is masked", path, ", ".join(lacking))

    @classmethod
    def read(cls, path: Path, wanted: Sequence[str]) -> "RowFiles":
        """All rows of a table, whatever their labels."""
        with prefix_errors(path):
            columns = read_columns(path)
        return cls(path, columns, wanted)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        cells = {name: of[index] for name, of in self.columns.items()}
        name = f"{self.path} row {index + 1}"
        return name, Row(cells, self.path.parent, name)


@contextmanager
def prefix_errors(path: Path) -> Iterator[None]:
    """Put the file's name before the message of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _label_names(columns: Columns, config: DataConfig) -> tuple[str, ...]:
    for name in config.label:
        if name not in columns:
            raise unknown("column (--data.label)", name, columns)
    if config.label:
        return config.label
    found = tuple(name for name in columns if split_unit(name)[0].lower() in LABEL_COLUMNS)
    if len(found) != 1:
        why = f"any of {', '.join(found)} could be it" if found else "none is label or target"
        raise ValueError(
            f"which of the columns {', '.join(columns)} is to be learnt? {why}; say so: "
            "--data.label NAME"
        )
    return found


def _splits(name: str, cells: Sequence[str | None]) -> dict[str, list[int]]:
    splits: dict[str, list[int]] = {}
    for row, cell in enumerate(cells):
        if (cell or "").lower() not in SPLIT_NAMES:
            raise ValueError(
                f"column {name!r}, row {row + 1}: {cell or 'nothing'!r} is no split; expected "
                f"train, validation or test (or without splits: --data.ignore {name})"
            )
        splits.setdefault(SPLIT_NAMES[str(cell).lower()], []).append(row)
    return splits
