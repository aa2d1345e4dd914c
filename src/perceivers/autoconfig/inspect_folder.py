"""Inspect a folder of files by class: count all files and measure some of them."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..data.layout import (
    check_beside_splits,
    class_files,
    class_locations,
    count_hidden,
    used_suffixes,
    visible_files,
)
from ..data.unused import check_masks, check_unused, count_endings, unused_files
from ..modalities import FILE_MODALITIES, FileModality
from ..modalities.measures import Distribution
from ..modalities.notices import collecting
from .findings import LINES, FolderContents, Sample, count_files

MAX_FILES = 200  # files that are measured at most
MAX_BYTES = 256 * 10**6  # total size of measured files, where measuring reads the whole file
NUM_TRIED = 5  # files that are tried if a suffix belongs to several modalities
MAX_STRAYS = 0.05  # up to this fraction, files of other modalities are ignored, not refused


def inspect_folder(
    path: str | Path, *, sure: FileModality | None = None, seed: int = 0
) -> FolderContents:
    """Inspect a folder with one sub-folder of files for each class.

    All files are counted. Up to `MAX_FILES` of them, drawn at random, are measured. If measuring
    reads whole files, their total size is limited to `MAX_BYTES`. Unreadable files are listed in
    `FolderContents.sample`.

    Args:
        path: the folder; see `data.layout.class_places` for its layout.
        sure: the modality that the files are known to be of; None: it is found.
        seed: seed of the random draw.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: the path is a file; the folder has no files of a known modality, fewer than two
            classes, or files of several modalities; most files are of no modality; a class is
            empty, has files in sub-folders or lies beside the split folders; two folders stand for
            one split; or none of the measured files can be read.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no folder {path}; check the path given to --data")
    if not path.is_dir():
        raise ValueError(f"{path} is a file; expected a folder with one sub-folder for each class")
    splits = class_locations(path, line_modality().suffixes)
    check_masks(splits)
    classes = tuple(sorted({name for places in splits.values() for name in places}))
    if not classes:
        files = count_files(_suffixes([path]))
        raise ValueError(
            f"{path} has no sub-folders{f', only {files}' if files else ''}; expected one folder "
            "of files for each class, or for texts one .txt file for each class, with an example "
            "on each line"
        )
    if len(classes) < 2:
        files = count_files(_suffixes([p for places in splits.values() for p in places.values()]))
        raise ValueError(
            f"{path} has one class, {classes[0]!r}, with {files or 'no files'}; expected at least "
            "two classes, each in a sub-folder of its own"
        )
    if any(place.is_file() for places in splits.values() for place in places.values()):
        check_beside_splits(path, splits, line_modality().suffixes)
        contents = _inspect_lines(splits, classes)
    else:
        contents = _inspect_files(path, splits, classes, sure, random.Random(seed))
    return replace(contents, hidden=count_hidden(path))


def line_modality() -> FileModality:
    """Return the modality whose files may have an example on each line: text."""
    return next(m for m in FILE_MODALITIES if m.example_per_line)


def _inspect_lines(splits: dict[str, dict[str, Path]], classes: tuple[str, ...]) -> FolderContents:
    """Inspect a folder with one text file for each class, with an example on each line."""
    from ..data.folder import class_lines

    lengths: list[float] = []
    counts = dict.fromkeys(splits, 0)
    for split, places in splits.items():
        for place in places.values():
            sources = class_lines(place)
            counts[split] += len(sources)
            lengths += [len(line) for _, line in sources]
    sample = Sample({"bytes": Distribution.of(lengths)}, len(lengths), ())
    return FolderContents(line_modality(), {LINES: len(lengths)}, classes, counts, sample)


def _inspect_files(
    path: Path,
    splits: dict[str, dict[str, Path]],
    classes: tuple[str, ...],
    sure: FileModality | None,
    generator: random.Random,
) -> FolderContents:
    """Inspect a folder with one sub-folder of files for each class."""
    places = [place for places in splits.values() for place in places.values()]
    suffixes = _suffixes(places)
    modality, kept = _main_modality(path, places, suffixes, sure, generator)
    wanted = frozenset(f".{suffix}" for suffix in kept)
    check_beside_splits(path, splits, wanted)
    by_split = {
        split: [f for place in places.values() for f in class_files(place, wanted, modality.noun)]
        for split, places in splits.items()
    }
    files = [file for members in by_split.values() for file in members]
    unused = unused_files(places, wanted)
    check_unused(path, files, unused, modality.noun, modality.suffixes)
    return FolderContents(
        modality,
        kept,
        classes,
        {split: len(members) for split, members in by_split.items()},
        measure_some(modality, files, generator),
        count_endings(unused),
    )


def _suffixes(places: Sequence[Path]) -> dict[str, int]:
    """Count files, and the files anywhere below folders, by suffix; the most frequent first."""
    return count_endings(
        file for place in places for file in ([place] if place.is_file() else visible_files(place))
    )


def _main_modality(
    path: Path,
    places: Sequence[Path],
    suffixes: dict[str, int],
    sure: FileModality | None,
    generator: random.Random,
) -> tuple[FileModality, dict[str, int]]:
    """Return the modality of nearly all known files, and the number of its files by suffix."""
    if sure is not None:
        kept = {suffix: n for suffix, n in suffixes.items() if f".{suffix}" in sure.suffixes}
        if not kept:
            raise ValueError(
                f"{path} holds {count_files(suffixes) or 'no files'}; expected {sure.noun} "
                f"({', '.join(sorted(sure.suffixes))})"
            )
        return sure, kept
    counts: dict[FileModality, dict[str, int]] = {}
    # Suffixes of one modality come first: where most files are videos, a .gif is one too.
    for suffix, count in sorted(suffixes.items(), key=lambda item: len(candidates(item[0])) > 1):
        possible = candidates(suffix)
        if possible:
            modality = possible[0]
            if len(possible) > 1:
                files = [
                    f for p in places for f in visible_files(p) if f.suffix.lower() == f".{suffix}"
                ]
                totals = {m: sum(counts.get(m, {}).values()) for m in possible}
                possible = sorted(possible, key=lambda m: -totals[m] if totals[m] > count else 0)
                modality = most_readable(possible, sorted(files), generator)
            counts.setdefault(modality, {})[suffix] = count
    if not counts:
        raise ValueError(
            f"{path} holds {count_files(suffixes) or 'no files'}; expected images, videos, sound "
            "files, time series, point clouds or texts, in one sub-folder for each class"
        )
    totals = {modality: sum(by_suffix.values()) for modality, by_suffix in counts.items()}
    main = max(totals, key=lambda modality: totals[modality])
    if totals[main] < (1 - MAX_STRAYS) * sum(totals.values()):
        listed = " and ".join(f"{count_files(c)} ({m.noun})" for m, c in counts.items())
        raise ValueError(
            f"{path} mixes modalities: {listed}; expected files of one modality in all classes; "
            "move the others to another folder"
        )
    wanted = used_suffixes(places, main.suffixes, main.lone_suffixes)
    return main, {suffix: n for suffix, n in counts[main].items() if f".{suffix}" in wanted}


def measure_some(modality: FileModality, files: Sequence[Path], generator: random.Random) -> Sample:
    """Measure up to `MAX_FILES` of the files, drawn at random.

    Raises:
        ValueError: none of the drawn files can be read.
    """
    drawn = generator.sample(files, min(MAX_FILES, len(files)))
    measured, unreadable = _measure(modality, drawn)
    if not measured:
        raise ValueError(
            f"none of {len(unreadable)} {modality.noun} can be read; first error: {unreadable[0]}"
        )
    names = dict.fromkeys(name for values in measured for name in values)
    return Sample(
        {
            name: Distribution.of([values[name] for values in measured if name in values])
            for name in names
        },
        len(measured) + len(unreadable),
        tuple(unreadable),
    )


def candidates(suffix: str) -> list[FileModality]:
    """Return the modalities whose files may have a suffix (given without its dot)."""
    return [m for m in FILE_MODALITIES if f".{suffix}" in m.suffixes]


def most_readable(
    possible: Sequence[FileModality], files: Sequence[Path], generator: random.Random
) -> FileModality:
    """Return the modality that can read the most of `NUM_TRIED` files; on a tie the first one."""
    few = generator.sample(files, min(NUM_TRIED, len(files)))
    readable = {modality: len(_measure(modality, few)[0]) for modality in possible}
    if not any(readable.values()):  # unreadable by all: most likely a damaged text
        return next((m for m in possible if m.example_per_line), possible[0])
    return max(possible, key=lambda modality: readable[modality])


def _measure(
    modality: FileModality, files: Sequence[Path]
) -> tuple[list[dict[str, float]], list[str]]:
    """Return the measurements of the readable files, and an error message for each other file."""
    measured: list[dict[str, float]] = []
    unreadable: list[str] = []
    num_bytes = 0
    for file in files:
        try:
            if modality.measured_whole:
                num_bytes += file.stat().st_size
                if num_bytes > MAX_BYTES and measured:
                    break
            with collecting():  # what is to be said of it is said when it is decoded
                measured.append(modality.probe(file))
        except (ValueError, OSError) as error:
            unreadable.append(f"{file}: {error}")
    return measured, unreadable
