"""Inspect a table of examples: read all cells and measure some of the files that it names."""

import logging
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np

from ..data.config import DataConfig
from ..data.manifest import Manifest, prefix_errors, read_manifest
from ..data.split_names import describe_doubt
from ..errors import listed, unknown
from ..modalities import FILE_MODALITIES
from ..modalities.measures import Distribution
from ..modalities.table.columns import describe_alike
from ..modalities.table.dates import DateFormat, describe_dates, describe_unread_dates
from ..modalities.table.doubts import describe_format, describe_unread, doubts
from ..modalities.table.kinds import (
    Cells,
    ColumnKind,
    are_codes,
    categories_of,
    infer_kinds,
    parse_numbers,
)
from ..modalities.table.numbers import (
    CODE,
    PLAIN,
    NumberFormat,
)
from ..modalities.table.reader import CellReader
from .findings import ColumnContents, Sample, TableContents
from .inspect_folder import candidates, line_modality, measure_some, most_readable
from .leaks import counts_rows, find_constant, find_leaks

log = logging.getLogger(__name__)

SUFFIX = re.compile(r"\.[a-z][a-z0-9]{1,5}")
MAX_TRIED = 20  # names of a column that are looked for beside the table
# Endings of pictures, sounds and films that are not read; they name files even if these are absent.
MEDIA_SUFFIXES = frozenset(
    [
        ".heic",
        ".heif",
        ".jxl",
        ".psd",
        ".dng",
        ".cr2",
        ".nef",
        ".arw",
        ".svg",
        ".dcm",
        ".nii",
        ".mid",
        ".midi",
        ".rm",
        ".swf",
        ".docx",
        ".pdf",
    ]
)


def inspect_table(path: Path, config: DataConfig, *, seed: int = 0) -> TableContents:
    """Inspect a table of examples as `data.manifest.read_table` reads it.

    All cells are read. Up to `inspect_folder.MAX_FILES` of the files that a column names, drawn at
    random, are measured.

    Args:
        path: path of the table.
        config: options; the fields label, ignore, categorical and task are used.
        seed: seed of the random draw.

    Raises:
        ValueError: the table cannot be learned from; the message names the table and the reason.
    """
    manifest = read_manifest(path, config)
    with prefix_errors(path):
        _check_column_options(manifest, config)
    labels = manifest.read_labels(config)
    with prefix_errors(path):
        kinds = _kinds(manifest, config)
        columns: dict[str, ColumnContents] = {}
        empty = []
        for name, cells in manifest.columns.items():
            column = _inspect_column(name, cells, kinds[name], manifest, random.Random(seed))
            if column is None:
                empty.append(name)
                continue
            doubts_of = [describe_doubt(name, cells)]
            if column.what == "categorical" and name not in config.categorical:
                unread = describe_unread_dates([cell for cell in cells if cell is not None])
                doubts_of.append(f"column {name!r}: {unread}" if unread else "")
            column = replace(column, notes=(*column.notes, *filter(None, doubts_of)))
            columns[name] = column
        if not columns:
            raise ValueError(
                f"all columns except {listed(manifest.labels)} are empty; expected at "
                "least one column to read"
            )
    for line in describe_alike(manifest.names):
        log.warning("%s: %s", path, line)
    return TableContents(
        replace(config, label=tuple(manifest.labels), task=labels.task),
        columns,
        {split: len(rows) for split, rows in manifest.splits.items()},
        labels.names,
        tuple(empty),
        manifest.index,
        tuple(find_leaks(manifest, columns, labels)),
        tuple(find_constant(manifest, columns)),
        manifest.split_column,
    )


def _check_column_options(manifest: Manifest, config: DataConfig) -> None:
    """Check that the columns named by options exist and are not the labels."""
    for option, names, known in (
        ("ignore", config.ignore, manifest.names),
        ("categorical", config.categorical, tuple(manifest.columns)),
    ):
        for name in names:
            if name not in known:
                raise unknown(f"column (--data.{option})", name, known)


def _kinds(manifest: Manifest, config: DataConfig) -> dict[str, ColumnKind]:
    """Return what each input column holds: as declared by the user or by the file, or inferred."""
    declared = dict.fromkeys(config.categorical, ColumnKind("categorical"))
    others = {name: x for name, x in manifest.columns.items() if name not in declared}
    inferred = infer_kinds(others, {m.name: m.suffixes for m in FILE_MODALITIES})
    for name, kind in inferred.items():
        if name in manifest.categorical and kind.what in ("numeric", "text"):
            inferred[name] = ColumnKind("categorical")
        if kind.what in ("text", "categorical"):
            _refuse_unknown_files(name, manifest.columns[name], manifest.path.parent)
    return {name: (declared | inferred)[name] for name in manifest.columns}


def _refuse_unknown_files(name: str, cells: Cells, folder: Path) -> None:
    """Refuse a column of names of files that cannot be read, which would be learnt as text.

    Its cells end in one or two suffixes, and the files lie where the table says, or the suffix is
    one of `MEDIA_SUFFIXES`.
    """
    filled = [cell for cell in cells if cell is not None]
    counts = Counter(PurePath(cell).suffix.lower() for cell in filled)
    common = [suffix for suffix, _ in counts.most_common(2) if SUFFIX.fullmatch(suffix)]
    named = [cell for cell in filled if PurePath(cell).suffix.lower() in common]
    if len(named) < 0.8 * len(filled):
        return
    known = MEDIA_SUFFIXES.intersection(common)
    if known or sum(_is_file(folder / cell) for cell in named[:MAX_TRIED]) >= MAX_TRIED // 4:
        suffixes = " and ".join(sorted(known or common))
        raise ValueError(
            f"column {name!r} names {suffixes} files such as {named[0]!r}, which cannot be read; "
            f"convert them and correct the names, or leave the column out: --data.ignore {name}"
        )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a name, or with a null character
        return False


def _inspect_column(
    name: str, cells: Cells, kind: ColumnKind, manifest: Manifest, generator: random.Random
) -> ColumnContents | None:
    """Return the contents of a column; None if all its cells in the training rows are empty."""
    missing = sum(cell is None for cell in cells)
    filled = [cell for cell in cells if cell is not None]
    if kind.what == "file":
        return _inspect_files(name, filled, missing, manifest.path.parent, generator)
    if kind.what == "text":
        lengths = Distribution.of([len(cell.encode()) for cell in filled])
        has_spaces = any(any(map(str.isspace, cell)) for cell in filled)
        unread = describe_unread(filled) or describe_unread_dates(filled)
        is_id = not has_spaces and not unread and len(set(filled)) == len(filled)
        return ColumnContents(
            "text",
            missing,
            modality=line_modality(),
            sample=Sample({"bytes": lengths}, 0, ()),
            is_id=is_id,
            notes=(f"column {name!r}: {unread}",) if unread else (),
        )
    if kind.what == "numeric":
        return _inspect_numbers(name, cells, kind.number_format)
    training = [cells[row] for row in manifest.splits.get("train", range(len(cells)))]
    categories = categories_of(training)
    if not categories:
        return None
    notes = []
    if are_codes(filled):
        code = next(filter(CODE.fullmatch, filled))
        notes.append(f"column {name!r}: codes such as {code!r} are categories, not numbers")
    return ColumnContents("categorical", missing, categories=categories, notes=tuple(notes))


def _inspect_numbers(name: str, cells: Cells, number_format: NumberFormat) -> ColumnContents:
    """Return the contents of a column of numbers."""
    notes = []
    if isinstance(number_format, DateFormat):
        notes += [f"column {name!r}: {line}" for line in describe_dates(cells, number_format)]
    elif number_format != PLAIN:
        notes.append(f"column {name!r}: {describe_format(cells, number_format)}")
    for doubt in doubts(cells, number_format):
        fix = f": --data.categorical {name}" if doubt.endswith("a code") else ""
        if doubt.endswith("as categories"):
            fix = f": --data.ignore {name} or --data.categorical {name}"
        notes.append(f"column {name!r}: {doubt}{fix}")
    reader = CellReader((name,), (), (), {name: number_format.example})
    screened, problems = reader.screen({name: list(cells)})
    notes += problems
    try:
        values = parse_numbers(screened[name], number_format)
    except ValueError as error:
        raise ValueError(f"column {name!r}, {error}") from None
    return ColumnContents(
        "numeric",
        int(np.isnan(values).sum()),
        is_id=counts_rows(values),
        number_format=number_format,
        notes=tuple(notes),
    )


def _inspect_files(
    name: str, cells: Sequence[str], missing: int, folder: Path, generator: random.Random
) -> ColumnContents:
    """Measure some of the files that a column names."""
    suffixes = Counter(PurePath(cell).suffix.lower().lstrip(".") for cell in cells)
    files = [folder / cell for cell in dict.fromkeys(cells)]
    possible = [m for m in FILE_MODALITIES if all(m in candidates(suffix) for suffix in suffixes)]
    modality = most_readable(possible, files, generator) if len(possible) > 1 else possible[0]
    try:
        sample = measure_some(modality, files, generator)
    except ValueError as error:
        raise ValueError(f"column {name!r}: {error}") from None
    names = tuple(suffix for suffix, _ in suffixes.most_common())
    return ColumnContents("file", missing, modality=modality, suffixes=names, sample=sample)
