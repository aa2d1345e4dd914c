"""Tables of examples: each row is an example, with columns of values, file names and labels."""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import listed, unknown
from ..modalities.clips import without_clips
from ..modalities.fusion.rows import Row, RowReader
from ..modalities.reader import Reader
from ..modalities.table.columns import Columns, alike_name, read_columns
from ..modalities.table.columns import read_table as read_table_file
from .config import DataConfig
from .file_examples import FileExamples, FileSplits, NamedSource
from .label_columns import Labels, read_labels
from .labels import split_unit
from .split_names import split_of

log = logging.getLogger(__name__)

LABEL_COLUMNS = ("label", "labels", "target")
SPLIT_COLUMN = "split"


@dataclass(frozen=True)
class Manifest:
    """The columns of a table of examples, separated into inputs, labels and splits."""

    path: Path
    """Path of the table."""
    names: tuple[str, ...]
    """Names of all columns."""
    columns: Columns
    """The input columns: all but the labels, the split and the ignored ones."""
    labels: Columns
    """The label columns."""
    splits: dict[str, list[int]]
    """The row indices of each split, from 0; all rows are in "train" if no column assigns them."""
    index: tuple[str, ...] = ()
    """Columns that are left out because they hold the index of a DataFrame."""
    categorical: frozenset[str] = frozenset()
    """Columns that the file declares as categories."""
    split_column: str | None = None
    """The column that assigns the rows to splits; None if none does."""

    def read_labels(self, config: DataConfig) -> Labels:
        """Return the labels of all rows.

        Args:
            config: its `task` is used.

        Raises:
            ValueError: as `labels.read_labels` raises it; the message names the table too.
        """
        with prefix_errors(self.path):
            return read_labels(self.labels, task=config.task, categorical=self.categorical)


def read_manifest(path: Path, config: DataConfig, *, wanted: Collection[str] = ()) -> Manifest:
    """Read a table of examples and separate its columns.

    The label columns are those that `config.label` names, or else the one called "label",
    "labels" or "target", in any case and with or without a unit. A column called "split" assigns
    rows to splits if one of its cells is the name of a split (`split_names.split_of`); a column of
    another name does if all its cells are, and tell the training rows from others. The index of a
    DataFrame is left out, unless it is a label: in a table that was sorted by class and then
    shuffled, it tells the class.

    Args:
        path: path of the table.
        config: its `label` and `ignore` are used.
        wanted: columns that a trained model reads; they are kept even if they hold an index.

    Raises:
        ValueError: the table is damaged, a label column does not exist, no or several columns
            could be the label, there are no input columns, or a cell is not the name of a split.
            The message names the table.
    """
    with prefix_errors(path):
        table = read_table_file(path)
        columns = table.columns
        names, num_rows = tuple(columns), len(next(iter(columns.values())))
        index = tuple(name for name in table.index if name not in (*config.label, *wanted))
        left_out = {*config.ignore, *index}
        columns = {name: x for name, x in columns.items() if name not in left_out}
        labels = {name: columns.pop(name) for name in label_names(columns, config)}
        splits = {"train": list(range(num_rows))}
        split_column = _find_split_column(columns, {*config.categorical, *wanted})
        if split_column is not None:
            splits = _rows_by_split(split_column, columns.pop(split_column))
        if not columns:
            raise ValueError(
                f"no columns besides {listed(labels)}; expected at least one to learn from"
            )
        categorical = frozenset(table.categorical)
        return Manifest(path, names, columns, labels, splits, index, categorical, split_column)


def read_table(
    path: Path, reader: Reader, config: DataConfig
) -> tuple[FileSplits, tuple[str, ...]]:
    """Return the splits of a table of examples, and the names of its classes, labels or numbers.

    Args:
        path: path of the table.
        reader: reader of rows (`RowReader`), with or without clips.
        config: its `label`, `ignore`, `task` and `strict` are used.

    Raises:
        ValueError: the reader is not of rows, the labels cannot be used, or an error of
            `read_manifest` or `RowFiles`.
    """
    row_reader = without_clips(reader)
    if not isinstance(row_reader, RowReader):
        raise ValueError(
            f"{path} is a table, and the model reads {reader.noun}; train a model on the table: "
            "perceivers train folder"
        )
    manifest = read_manifest(path, config, wanted=row_reader.columns)
    labels = manifest.read_labels(config)
    files = RowFiles(path, manifest.columns, row_reader)
    splits = {
        split: FileExamples(files, labels.values[rows], torch.tensor(rows), reader, config.strict)
        for split, rows in manifest.splits.items()
    }
    return splits, labels.names


class RowFiles(Sequence[NamedSource]):
    """The rows of a table, each as its name for messages and the `Row` that a reader decodes.

    What the reader masks is logged: a column that the table does not have, categories that were not
    in the training data, and cells of a numeric column that are not numbers.

    Args:
        path: path of the table.
        columns: its columns.
        reader: reader of the rows; it names the columns that the model reads.

    Raises:
        ValueError: the table has none of these columns.
    """

    def __init__(self, path: Path, columns: Columns, reader: RowReader) -> None:
        self.path, self.length = path, len(next(iter(columns.values())))
        wanted = reader.columns
        self.columns = {name: columns[name] for name in wanted if name in columns}
        absent = [name for name in wanted if name not in columns]
        if not self.columns:
            raise ValueError(
                f"{path} has columns {listed(columns)}; the model reads {listed(wanted)}: "
                "expected at least one of them"
            )
        if absent:
            log.info("%s has no column %s; it is masked", path, listed(absent))
            for name in columns:
                if name not in wanted and (own := alike_name(name, absent)):
                    log.warning(
                        "%s: column %r is not read as %r, which differs in case or spaces alone; "
                        "rename it if it is the same",
                        path,
                        name,
                        own,
                    )
        self.columns, problems = reader.screen(self.columns)
        for problem in problems:
            log.warning("%s: %s", path, problem)

    @classmethod
    def read(cls, path: Path, reader: RowReader) -> "RowFiles":
        """Read all rows of a table; label columns are not needed.

        Args:
            path: path of the table.
            reader: reader of the rows.

        Raises:
            ValueError: the table is damaged, or has none of the columns that the model reads.
        """
        with prefix_errors(path):
            columns = read_columns(path)
        return cls(path, columns, reader)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        cells = {name: column[index] for name, column in self.columns.items()}
        name = f"{self.path} row {index + 1}"
        return name, Row(cells, self.path.parent, name)


@contextmanager
def prefix_errors(path: Path) -> Iterator[None]:
    """Put a path before the message of every ValueError raised inside."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def label_names(columns: Columns, config: DataConfig) -> tuple[str, ...]:
    """Return the names of the label columns of a table.

    Args:
        columns: the columns.
        config: its `label` names them; empty: the one called label, labels or target.

    Raises:
        ValueError: a named column does not exist, or none or several could be the label.
    """
    for name in config.label:
        if name not in columns:
            raise unknown("column (--data.label)", name, columns)
    if len(set(config.label)) < len(config.label):
        raise ValueError(f"--data.label names a column twice: {', '.join(config.label)}")
    if config.label:
        return config.label
    candidates = tuple(name for name in columns if split_unit(name)[0].lower() in LABEL_COLUMNS)
    if len(candidates) == 1:
        return candidates
    problem = (
        f"several columns could be the label: {listed(candidates)}"
        if candidates
        else f"none of the columns {listed(columns)} is called label, labels or target"
    )
    raise ValueError(f"{problem}; name the columns to predict: --data.label NAME")


def _find_split_column(columns: Columns, features: Collection[str]) -> str | None:
    """Return the name of the column that assigns rows to splits, if there is one.

    Args:
        columns: the columns that are no labels.
        features: columns that are inputs, whatever their cells are.
    """
    found = []
    for name, cells in columns.items():
        distinct = set(cells)
        if name.lower() == SPLIT_COLUMN:
            if any(map(split_of, filter(None, distinct))):
                found.append(name)
        elif name not in features and all(cell and split_of(cell) for cell in distinct):
            splits = {split_of(str(cell)) for cell in distinct}
            if "train" in splits and len(splits) > 1:
                found.append(name)
    if len(found) > 1:
        raise ValueError(
            f"the columns {listed(found)} all assign rows to splits; leave out all but one: "
            f"--data.ignore {','.join(found[1:])}"
        )
    return found[0] if found else None


def _rows_by_split(name: str, cells: Sequence[str | None]) -> dict[str, list[int]]:
    """Return the row indices of each split; `name` is the column's, for messages."""
    splits: dict[str, list[int]] = {}
    for row, cell in enumerate(cells):
        split = split_of(cell) if cell else None
        if split is None:
            problem = f"holds {cell!r}" if cell else "is empty"
            raise ValueError(
                f"column {name!r}, row {row + 1} {problem}; expected the name of a split: train, "
                f"validation or test (to ignore the column: --data.ignore {name})"
            )
        splits.setdefault(split, []).append(row)
    return splits
