"""What a folder of files by class or a table holds, in numbers and in a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..data.config import DataConfig, Task
from ..modalities import FileModality
from ..modalities.measures import Measures

LINES = "lines of text"
MAX_NAMED = 5  # suffixes that are named


@dataclass(frozen=True)
class Sample:
    """Measurements of some of the files of a modality."""

    measures: Measures
    """Distributions of what `FileModality.probe` measures."""
    num_files: int
    """Files that were looked into."""
    unreadable: tuple[str, ...]
    """Those among them that could not be read, each with the reason."""


@dataclass(frozen=True)
class FolderContents:
    """What a folder of files by class holds."""

    modality: FileModality
    suffixes: dict[str, int]
    """Number of files of each suffix, without its dot; {LINES: number of lines} for texts that are
    lines of a file."""
    classes: tuple[str, ...]
    """Class names in the order of the labels."""
    splits: dict[str, int]
    """Number of examples in "train", and in "validation" and "test" if the folder has its own."""
    sample: Sample
    strays: dict[str, int] = field(default_factory=dict)
    """Number of files of other modalities by suffix; they are left out."""

    @property
    def num_examples(self) -> int:
        """Number of examples in all splits."""
        return sum(self.splits.values())

    def sentence(self) -> str:
        """Describe the folder: "3,000 wav files in 10 classes, 8 kHz mono, median 0.42 s"."""
        what = self.modality.describe(self.sample.measures)
        own = _own_splits(self.splits)
        return f"{count_files(self.suffixes)} in {len(self.classes)} classes{own}, {what}"

    def remarks(self) -> list[str]:
        """Describe files that are unreadable or left out, one line each."""
        lines = []
        if bad := self.sample.unreadable:
            total = self.sample.num_files
            lines.append(
                f"{len(bad):,} of the {total:,} looked into cannot be read: {first_few(bad)}"
            )
        if self.strays:
            lines.append(f"left out, being something else: {count_files(self.strays)}")
        return lines


@dataclass(frozen=True)
class ColumnContents:
    """A column of a table that the model will read."""

    what: Literal["file", "text", "numeric", "categorical"]
    missing: int
    """Number of empty cells."""
    modality: FileModality | None = None
    """The modality of files and of text."""
    suffixes: tuple[str, ...] = ()
    """Suffixes of files without dot, the most frequent first."""
    sample: Sample | None = None
    """Measurements of files and of text."""
    categories: tuple[str, ...] = ()
    """Categories of the training rows."""
    is_id: bool = False
    """Whether the column may only name the row: text without spaces that differs in each row, or
    numbers that count by one."""

    def words(self) -> str:
        """Describe the column: "wav files, 8 kHz mono, median 0.42 s, 12 missing"."""
        words = {
            "file": f"{' and '.join(self.suffixes)} files",
            "categorical": f"{len(self.categories)} categories",
        }.get(self.what, self.what)
        if self.modality and self.sample:
            words += f", {self.modality.describe(self.sample.measures)}"
        return words + (f", {self.missing:,} missing" if self.missing else "")


@dataclass(frozen=True)
class TableContents:
    """What a table of examples holds."""

    config: DataConfig
    """The options the user gave, with the label columns and the task filled in."""
    columns: dict[str, ColumnContents]
    """The columns that are read, in the table's order."""
    splits: dict[str, int]
    """Number of rows in each split."""
    classes: tuple[str, ...]
    """Names of classes, labels or numbers, in the order of the model's outputs."""
    empty: tuple[str, ...] = ()
    """Columns that are left out because they have no cells in the training rows."""

    @property
    def task(self) -> Task:
        """The task that the labels are for."""
        assert self.config.task != "auto"
        return self.config.task

    def columns_of(self, what: str) -> dict[str, ColumnContents]:
        """Return the columns of a kind, such as "numeric"."""
        return {name: column for name, column in self.columns.items() if column.what == what}

    def sentence(self) -> str:
        """Describe the table: "1,200 rows: photo (png files), age (numeric), kind (4 classes)"."""
        words = [f"{name} ({column.words()})" for name, column in self.columns.items()]
        target = {
            "classification": f"{len(self.classes)} classes",
            "multilabel": f"any of {len(self.classes)} labels",
            "regression": "to predict",
        }[self.task]
        words.append(f"{', '.join(self.config.label)} ({target})")
        own = _own_splits(self.splits)
        return f"{sum(self.splits.values()):,} rows{own}: {', '.join(words)}"

    def remarks(self) -> list[str]:
        """Describe unreadable files, empty columns and columns that may be ids, one line each."""
        lines = []
        for name, column in self.columns.items():
            if column.sample and (bad := column.sample.unreadable):
                count = f"{len(bad):,} of the {column.sample.num_files:,} looked into"
                few = first_few(bad)
                lines.append(f"{name}: {count} cannot be read, their rows are skipped: {few}")
        if self.empty:
            lines.append(f"left out, being empty: {', '.join(self.empty)}")
        if ids := [name for name, column in self.columns.items() if column.is_id]:
            ways = f"if they only name rows: --data.ignore {','.join(ids)}"
            lines.append(f"another in each row, and read: {', '.join(ids)}; {ways}")
        return lines


def count_files(suffixes: Mapping[str, int]) -> str:
    """Describe numbers of files by suffix: "2,900 jpg and 100 png files"; empty if there are none.

    Args:
        suffixes: number of files by suffix, the most frequent first.
    """
    if LINES in suffixes:
        return f"{suffixes[LINES]:,} {LINES}"
    counts = [f"{count:,} {suffix}" for suffix, count in suffixes.items()]
    if len(counts) > MAX_NAMED:
        rest = sum(suffixes.values()) - sum(list(suffixes.values())[: MAX_NAMED - 1])
        counts = [*counts[: MAX_NAMED - 1], f"{rest:,} other"]
    *first, last = counts or [""]
    listed = f"{', '.join(first)} and {last}" if first else last
    return f"{listed} file{'' if sum(suffixes.values()) == 1 else 's'}" if counts else ""


def first_few(problems: tuple[str, ...]) -> str:
    """Join up to three problems in one line."""
    return "; ".join(problems[:3]) + ("; …" if len(problems) > 3 else "")


def _own_splits(splits: Mapping[str, int]) -> str:
    own = [f"{count:,} for {name}" for name, count in splits.items() if name != "train"]
    return f" ({' and '.join(own)})" if own else ""
