"""What a table of examples holds, found by looking into some of the files that it names."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import ClassVar, Literal

from ..errors import unknown
from .column_kinds import Cells, Kind, categories_of, infer_kinds, numbers
from .config import DataConfig, Task
from .found import SAID, Modality, Spread
from .inspect import SUFFIXES, Looked, candidates, look_into, told_apart
from .manifest import Manifest, naming, read_manifest


@dataclass(frozen=True)
class FoundColumn:
    """A column that is read."""

    what: Literal["file", "text", "numeric", "categorical"]
    missing: int
    """Empty cells."""
    modality: Modality | None = None
    """Of files and of text."""
    kinds: tuple[str, ...] = ()
    """Of files: their suffixes without dot, most first."""
    looked: Looked | None = None
    """Of files and of text; see `Found.measures`."""
    categories: tuple[str, ...] = ()
    """Of categories: those of the training rows."""
    is_id: bool = False
    """It may name the row: text without spaces, another in each, or numbers that count by one."""

    def words(self) -> str:
        """Such as "wav files, 8 kHz mono, median 0.42 s, 12 missing"."""
        said = {
            "file": f"{' and '.join(self.kinds)} files",
            "categorical": f"{len(self.categories)} categories",
        }.get(self.what, self.what)
        if self.modality and self.looked:
            said += f", {SAID[self.modality](self.looked.measures)}"
        return said + (f", {self.missing:,} missing" if self.missing else "")


@dataclass(frozen=True)
class FoundTable:
    """What a table of examples holds."""

    modality: ClassVar[Literal["table"]] = "table"

    config: DataConfig
    """How to read it: as was asked for, and the labels and task that were found."""
    columns: dict[str, FoundColumn]
    """Those that are read, in the table's order."""
    splits: dict[str, int]
    """Rows of each split."""
    classes: tuple[str, ...]
    """Names of classes, labels or numbers, in the order of the model's outputs."""
    empty: tuple[str, ...] = ()
    """Columns that are left out, no row or no training row having anything there."""

    @property
    def task(self) -> Task:
        """What the labels are for."""
        assert self.config.task != "auto"
        return self.config.task

    def of(self, what: str) -> dict[str, FoundColumn]:
        """The columns of a kind."""
        return {name: column for name, column in self.columns.items() if column.what == what}

    def sentence(self) -> str:
        """Such as "1,200 rows: photo (png files), age (numeric, 3 missing), kind (4 classes)"."""
        own = [f"{count:,} for {name}" for name, count in self.splits.items() if name != "train"]
        extra = f" ({' and '.join(own)})" if own else ""
        said = [f"{name} ({column.words()})" for name, column in self.columns.items()]
        learnt = {
            "classification": f"{len(self.classes)} classes",
            "multilabel": f"any of {len(self.classes)} labels",
            "regression": "to predict",
        }[self.task]
        said.append(f"{', '.join(self.config.label)} ({learnt})")
        return f"{sum(self.splits.values()):,} rows{extra}: {', '.join(said)}"

    def remarks(self) -> list[str]:
        """What else there is to say, a line each."""
        lines = []
        for name, column in self.columns.items():
            if column.looked and (bad := column.looked.unreadable):
                few = "; ".join(bad[:3]) + ("; …" if len(bad) > 3 else "")
                count = f"{len(bad):,} of the {column.looked.looked_at:,} looked into"
                lines.append(f"{name}: {count} cannot be read, their rows are skipped: {few}")
        if self.empty:
            lines.append(f"left out, being empty: {', '.join(self.empty)}")
        if ids := [name for name, column in self.columns.items() if column.is_id]:
            ways = f"if they only name rows: --data.ignore {','.join(ids)}"
            lines.append(f"another in each row, and read: {', '.join(ids)}; {ways}")
        return lines


def inspect_table(path: Path, asked: DataConfig, *, seed: int = 0) -> FoundTable:
    """Look at a table of examples, as `manifest.read_table` reads it.

    Its cells are all read; of the files that a column names up to `inspect.LOOKED_AT`, drawn by the
    seed, are looked into.

    Args:
        path: of the table.
        asked: its label, ignore, categorical and task are heeded.
        seed: of the files that are looked into.

    Raises:
        ValueError: a table that cannot be learnt from; the message names it and says why.
    """
    manifest = read_manifest(path, asked)
    with naming(path):
        _check_named(manifest, asked)
    labels = manifest.read_labels(asked)
    with naming(path):
        kinds = infer_kinds(manifest.columns, {str(m): of for m, of in SUFFIXES.items()})
        kinds |= {name: Kind("categorical") for name in asked.categorical}
        columns: dict[str, FoundColumn] = {}
        empty = []
        for name, cells in manifest.columns.items():
            column = _column(name, cells, kinds[name], manifest, random.Random(seed))
            if column is None:
                empty.append(name)
            else:
                columns[name] = column
        if not columns:
            raise ValueError(f"all columns beside {', '.join(manifest.labels)} are empty")
    return FoundTable(
        replace(asked, label=tuple(manifest.labels), task=labels.task),
        columns,
        {split: len(rows) for split, rows in manifest.splits.items()},
        labels.names,
        tuple(empty),
    )


def _check_named(manifest: Manifest, asked: DataConfig) -> None:
    """ValueError for names of columns that are not there, or that are what is to be learnt."""
    for option, given, known in (
        ("ignore", asked.ignore, manifest.names),
        ("categorical", asked.categorical, tuple(manifest.columns)),
    ):
        for name in given:
            if name not in known:
                raise unknown(f"column (--data.{option})", name, known)


def _column(
    name: str, cells: Cells, kind: Kind, manifest: Manifest, drawn: random.Random
) -> FoundColumn | None:
    """What a column holds; None: nothing in the training rows."""
    missing = sum(cell is None for cell in cells)
    filled = [cell for cell in cells if cell is not None]
    trained = [cells[row] for row in manifest.splits.get("train", range(len(cells)))]
    if kind.what == "file":
        return _files(name, filled, missing, manifest.path.parent, drawn)
    if kind.what == "text":
        looked = Looked({"bytes": Spread.of([len(cell.encode()) for cell in filled])}, 0, ())
        words = any(any(map(str.isspace, cell)) for cell in filled)
        is_id = not words and len(set(filled)) == len(filled)
        return FoundColumn("text", missing, modality="text", looked=looked, is_id=is_id)
    try:
        values = numbers(cells) if kind.what == "numeric" else None
    except ValueError as error:
        raise ValueError(f"column {name!r}, {error}") from None
    if values is not None:
        there = values[values == values]
        is_id = len(there) > 2 and bool((there[1:] - there[:-1] == 1).all())
        return FoundColumn("numeric", int((values != values).sum()), is_id=is_id)
    known = categories_of(trained)
    return FoundColumn("categorical", missing, categories=known) if known else None


def _files(
    name: str, cells: Sequence[str], missing: int, folder: Path, drawn: random.Random
) -> FoundColumn:
    """A column of files; ValueError if none of those that are looked into can be read."""
    suffixes = Counter(PurePath(cell).suffix.lower().lstrip(".") for cell in cells)
    files = [folder / cell for cell in dict.fromkeys(cells)]
    possible = [m for m in SUFFIXES if all(m in candidates(suffix) for suffix in suffixes)]
    modality = told_apart(possible, files, drawn) if len(possible) > 1 else possible[0]
    try:
        looked = look_into(modality, files, drawn)
    except ValueError as error:
        raise ValueError(f"column {name!r}: {error}") from None
    kinds = tuple(suffix for suffix, _ in suffixes.most_common())
    return FoundColumn("file", missing, modality=modality, kinds=kinds, looked=looked)
