"""Contents of a folder of files by class or of a table: numbers, and sentences about them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..data.config import DataConfig, Task
from ..data.unused import name_counts
from ..errors import listed
from ..modalities import FileModality
from ..modalities.measures import Measures
from ..modalities.table.numbers import PLAIN, NumberFormat

LINES = "lines of text"
MAX_NAMED = 5  # suffixes that `count_files` names at most, and columns with the same remark
MAX_COLUMNS = 12  # columns that are described one by one at most


@dataclass(frozen=True)
class Sample:
    """Measurements of some of the files of a modality."""

    measures: Measures
    """Distributions of the measurements of `FileModality.probe`."""
    num_files: int
    """Number of files that were inspected."""
    unreadable: tuple[str, ...]
    """The inspected files that could not be read, each with the reason."""


@dataclass(frozen=True)
class FolderContents:
    """Contents of a folder of files by class."""

    modality: FileModality
    """Modality of the files."""
    suffixes: dict[str, int]
    """Number of files by suffix without dot; {LINES: number of lines} if each line of a text file
    is an example."""
    classes: tuple[str, ...]
    """Class names in the order of the labels."""
    splits: dict[str, int]
    """Number of examples by split: "train", and "validation" and "test" if the folder has them."""
    sample: Sample
    """Measurements of some of the files."""
    strays: dict[str, int] = field(default_factory=dict)
    """Number of other files in the class folders by suffix; they are ignored."""
    hidden: int = 0
    """Number of hidden files and files of operating systems; they are ignored."""

    @property
    def num_examples(self) -> int:
        """Number of examples in all splits."""
        return sum(self.splits.values())

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The inspected files that could not be read, each with the reason."""
        return self.sample.unreadable

    def sentence(self) -> str:
        """Describe the folder: "3,000 wav files in 10 classes, 8 kHz mono, median 0.42 s"."""
        description = self.modality.describe(self.sample.measures)
        held_out = _held_out(self.splits)
        return (
            f"{count_files(self.suffixes)} in {len(self.classes)} classes{held_out}, {description}"
        )

    def remarks(self) -> list[str]:
        """Describe files that are unreadable or ignored, one line for each kind of problem."""
        lines = []
        if bad := self.unreadable:
            count = f"{len(bad):,} of the {self.sample.num_files:,} inspected files"
            lines.append(f"{count} cannot be read: {first_few(bad)}")
        if self.strays:
            lines.append(f"files of another type, which are ignored: {count_files(self.strays)}")
        if self.hidden:
            lines.append(f"hidden or system files, which are ignored: {self.hidden:,}")
        return lines


@dataclass(frozen=True)
class ColumnContents:
    """Contents of a column of a table that the model reads."""

    what: Literal["file", "text", "numeric", "categorical"]
    """Kind of the cells."""
    missing: int
    """Number of empty cells."""
    modality: FileModality | None = None
    """Modality of a column of files or text; None for numbers and categories."""
    suffixes: tuple[str, ...] = ()
    """Suffixes without dot of a column of files, the most frequent first."""
    sample: Sample | None = None
    """Measurements of a column of files or text; None for numbers and categories."""
    categories: tuple[str, ...] = ()
    """Categories that occur in the training rows, for a column of categories."""
    is_id: bool = False
    """Whether the column may only identify the row: text without spaces that differs in each row,
    or numbers that count the rows, in any order."""
    number_format: NumberFormat = PLAIN
    """How the numbers of a numeric column are written."""
    notes: tuple[str, ...] = ()
    """What may be wrong about the column, or was read otherwise than it is written."""

    def words(self, *, numbers: bool = True) -> str:
        """Describe the column: "wav files, 8 kHz mono, median 0.42 s, 12 missing".

        Args:
            numbers: also give what differs between columns of a kind, such as sizes and counts.
        """
        words = {
            "file": f"{' and '.join(self.suffixes)} files",
            "categorical": f"{len(self.categories)} categories" if numbers else "categories",
        }.get(self.what, self.what)
        if self.modality and self.sample and numbers:
            words += f", {self.modality.describe(self.sample.measures)}"
        return words + (f", {self.missing:,} missing" if self.missing and numbers else "")


@dataclass(frozen=True)
class TableContents:
    """Contents of a table of examples."""

    config: DataConfig
    """The options of the user, with the label columns and the task filled in."""
    columns: dict[str, ColumnContents]
    """The columns that the model reads, in the order of the table."""
    splits: dict[str, int]
    """Number of rows in each split."""
    classes: tuple[str, ...]
    """Names of the classes, labels or numbers, in the order of the model's outputs."""
    empty: tuple[str, ...] = ()
    """Columns that are ignored because all their cells in the training rows are empty."""
    index: tuple[str, ...] = ()
    """Columns that are ignored because they hold the index of a DataFrame."""
    leaks: tuple[str, ...] = ()
    """Columns that alone predict the label of every training row."""
    constant: tuple[str, ...] = ()
    """Columns whose cells are the same in every training row; the model reads them."""
    split_column: str | None = None
    """The column that assigns the rows to splits; None if none does."""

    @property
    def task(self) -> Task:
        """The task that the labels define."""
        assert self.config.task != "auto"
        return self.config.task

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The inspected files that could not be read, each with the reason."""
        samples = (column.sample for column in self.columns.values() if column.sample)
        return tuple(bad for sample in samples for bad in sample.unreadable)

    def columns_of(self, what: str) -> dict[str, ColumnContents]:
        """Return the columns of one kind, such as "numeric"."""
        return {name: column for name, column in self.columns.items() if column.what == what}

    def sentence(self) -> str:
        """Describe the table: "1,200 rows: photo (png files), age (numeric), kind (4 classes)"."""
        words = describe_columns(self.columns)
        target = {
            "classification": f"{len(self.classes)} classes",
            "multilabel": f"any of {len(self.classes)} labels",
            "regression": "to predict",
        }[self.task]
        words.append(f"{listed(self.config.label)} ({target})")
        held_out = _held_out(self.splits)
        return f"{sum(self.splits.values()):,} rows{held_out}: {', '.join(words)}"

    def remarks(self) -> list[str]:
        """Describe unreadable files, formats of numbers, and suspect columns, one line for each."""
        lines = []
        if self.split_column and self.split_column.lower() != "split":
            lines.append(
                f"column {self.split_column!r} assigns the rows to splits; to ignore it: "
                f"--data.ignore {self.split_column}"
            )
        if self.index:
            lines.append(
                f"index of a DataFrame, which is ignored: {listed(self.index)}; it may tell the "
                "label, because rows are often sorted by it before they are shuffled"
            )
        lines += _first_lines(note for column in self.columns.values() for note in column.notes)
        for name, column in self.columns.items():
            if column.sample and (bad := column.sample.unreadable):
                count = f"{len(bad):,} of the {column.sample.num_files:,} inspected files"
                few = first_few(bad)
                lines.append(f"{name}: {count} cannot be read; their rows are skipped: {few}")
        if self.empty:
            lines.append(f"empty columns, which are ignored: {listed(self.empty)}")
        if self.constant:
            every = "WARNING: all columns are" * (len(self.constant) == len(self.columns))
            lines.append(
                f"{every or 'columns that are'} the same in every training row, so that they tell "
                f"a model nothing: {listed(self.constant)}"
            )
        if ids := [name for name, column in self.columns.items() if column.is_id]:
            lines.append(
                f"different in each row: {listed(ids)}; the model reads them; if they only "
                f"identify the rows, leave them out: --data.ignore {','.join(ids[:MAX_COLUMNS])}"
            )
        lines += _first_lines(
            f"WARNING: {name} alone tells the label of every training row; if it is not known for "
            f"new examples, leave it out: --data.ignore {name}"
            for name in self.leaks
        )
        return lines


def describe_columns(columns: Mapping[str, ColumnContents]) -> list[str]:
    """Describe each column, "age (numeric)"; if there are many, those of a kind together.

    Args:
        columns: contents of the columns by name.
    """
    if len(columns) <= MAX_COLUMNS:
        return [f"{name} ({column.words()})" for name, column in columns.items()]
    groups: dict[str, list[str]] = {}
    for name, column in columns.items():
        groups.setdefault(column.words(numbers=False), []).append(name)
    words = [f"{len(names):,} × {kind}: {listed(names, 6)}" for kind, names in groups.items()]
    return [" · ".join(words[: MAX_COLUMNS - 1] + ["…"] * (len(words) >= MAX_COLUMNS))]


def _first_lines(lines: Iterable[str]) -> list[str]:
    """Return the first few lines, and how many there are if these are not all."""
    each = list(lines)
    few = each[:MAX_NAMED]
    return few + [f"… and {len(each) - len(few):,} more such columns"] * (len(each) > len(few))


def count_files(suffixes: Mapping[str, int]) -> str:
    """Describe how many files there are of each suffix: "2,900 jpg and 100 png files".

    Args:
        suffixes: number of files by suffix without dot, the most frequent first, or
            {LINES: number of lines}.

    Returns:
        The description; empty if there are no files.
    """
    if LINES in suffixes:
        return f"{suffixes[LINES]:,} {LINES}"
    return name_counts(suffixes)


def first_few(problems: tuple[str, ...]) -> str:
    """Join the first three problems in one line, with an ellipsis if there are more."""
    return "; ".join(problems[:3]) + ("; …" if len(problems) > 3 else "")


def _held_out(splits: Mapping[str, int]) -> str:
    """Describe the splits that are not for training: " (100 for validation and 200 for test)"."""
    counts = [f"{count:,} for {name}" for name, count in splits.items() if name != "train"]
    return f" ({' and '.join(counts)})" if counts else ""
