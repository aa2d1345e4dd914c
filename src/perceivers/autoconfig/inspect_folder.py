"""Inspect a folder of files by class: count all files and measure some of them."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..data.layout import class_files, class_locations
from ..modalities import FILE_MODALITIES, FileModality
from ..modalities.measures import Distribution
from .findings import LINES, FolderContents, Sample, count_files

MAX_FILES = 200  # files that are measured
MAX_BYTES = 256 * 10**6  # of files that are read whole to be measured
NUM_TRIED = 5  # files that are tried where a suffix belongs to several modalities
MAX_STRAYS = 0.05  # fraction of files of other modalities that is left out instead of refused


def inspect_folder(path: str | Path, *, seed: int = 0) -> FolderContents:
    """Inspect a folder with one sub-folder of files for each class.

    All files are counted. Up to `MAX_FILES` of them, drawn at random, are measured; of modalities
    whose files are read whole, no more than `MAX_BYTES`. An unreadable file is reported in
    `FolderContents.sample`.

    Args:
        path: the folder, laid out as `data.folder.read_folder` reads it.
        seed: seed of the random draw.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: it is not a folder, holds no files of a known kind, fewer than two classes or
            files of several modalities, a class is empty or has files in sub-folders, or no file
            can be read.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no folder {path}; check the path given to --data")
    if not path.is_dir():
        raise ValueError(f"{path} is a file; expected a folder with one sub-folder a class")
    splits = class_locations(path, line_modality().suffixes)
    classes = tuple(sorted({name for places in splits.values() for name in places}))
    if not classes:
        held = count_files(_suffixes([path]))
        raise ValueError(
            f"{path} has no sub-folders{f', only {held}' if held else ''}; expected one folder of "
            "files for each class, or of texts one .txt file of lines each"
        )
    if len(classes) < 2:
        held = count_files(_suffixes([p for places in splits.values() for p in places.values()]))
        raise ValueError(
            f"{path} has one class, {classes[0]!r}, with {held or 'no files'}; expected at least "
            "two: a folder each"
        )
    if any(place.is_file() for places in splits.values() for place in places.values()):
        return _inspect_lines(splits, classes)
    return _inspect_files(path, splits, classes, random.Random(seed))


def line_modality() -> FileModality:
    """Return the modality whose files may hold one example in each line: text."""
    return next(m for m in FILE_MODALITIES if m.example_per_line)


def _inspect_lines(splits: dict[str, dict[str, Path]], classes: tuple[str, ...]) -> FolderContents:
    """Inspect texts that are the lines of one file for each class."""
    from ..modalities.text.decode import decode_lines

    lengths: list[float] = []
    counts = dict.fromkeys(splits, 0)
    for split, places in splits.items():
        for place in places.values():
            try:
                lines = decode_lines(place)
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from None
            counts[split] += len(lines)
            lengths += [len(line.encode()) for line in lines]
    if not lengths:
        raise ValueError(f"the {len(classes)} files of text are empty; expected an example a line")
    sample = Sample({"bytes": Distribution.of(lengths)}, len(lengths), ())
    return FolderContents(line_modality(), {LINES: len(lengths)}, classes, counts, sample)


def _inspect_files(
    path: Path,
    splits: dict[str, dict[str, Path]],
    classes: tuple[str, ...],
    generator: random.Random,
) -> FolderContents:
    places = [place for places in splits.values() for place in places.values()]
    suffixes = _suffixes(places)
    modality, kept = _main_modality(path, places, suffixes, generator)
    wanted = frozenset(f".{suffix}" for suffix in kept)
    by_split = {
        split: [f for place in places.values() for f in class_files(place, wanted, modality.noun)]
        for split, places in splits.items()
    }
    files = [file for members in by_split.values() for file in members]
    known = {suffix for m in FILE_MODALITIES for suffix in m.suffixes}
    return FolderContents(
        modality,
        kept,
        classes,
        {split: len(members) for split, members in by_split.items()},
        measure_some(modality, files, generator),
        {s: count for s, count in suffixes.items() if s not in kept and f".{s}" in known},
    )


def _suffixes(places: Sequence[Path]) -> dict[str, int]:
    """Count the files in and under folders by suffix without dot, the most frequent first."""
    counts = Counter(
        file.suffix.lower().lstrip(".") or "nameless"
        for place in places
        for file in ([place] if place.is_file() else place.rglob("*"))
        if not file.name.startswith(".") and file.is_file()
    )
    return dict(counts.most_common())


def _main_modality(
    path: Path, places: Sequence[Path], suffixes: dict[str, int], generator: random.Random
) -> tuple[FileModality, dict[str, int]]:
    """Return the modality of nearly all known files, and the number of its files by suffix."""
    by: dict[FileModality, dict[str, int]] = {}
    for suffix, count in suffixes.items():
        possible = candidates(suffix)
        if possible:
            modality = possible[0]
            if len(possible) > 1:
                files = [
                    f for p in places for f in p.rglob("*") if f.suffix.lower() == f".{suffix}"
                ]
                modality = most_readable(possible, sorted(files), generator)
            by.setdefault(modality, {})[suffix] = count
    if not by:
        raise ValueError(
            f"{path} holds {count_files(suffixes) or 'no files'}; expected images, videos, sound "
            "files, point clouds or texts, one folder of them for each class"
        )
    modality = max(by, key=lambda m: sum(by[m].values()))
    total = sum(sum(counts.values()) for counts in by.values())
    if sum(by[modality].values()) < (1 - MAX_STRAYS) * total:
        each = " and ".join(f"{count_files(counts)} ({m.noun})" for m, counts in by.items())
        raise ValueError(
            f"{path} mixes modalities: {each}; expected files of one in all classes: move the "
            "others elsewhere"
        )
    return modality, by[modality]


def measure_some(modality: FileModality, files: Sequence[Path], generator: random.Random) -> Sample:
    """Measure up to `MAX_FILES` of the files.

    Raises:
        ValueError: none of them can be read.
    """
    drawn = generator.sample(files, min(MAX_FILES, len(files)))
    measured, unreadable = _measure(modality, drawn)
    if not measured:
        raise ValueError(
            f"none of {len(unreadable)} {modality.noun} can be read; the first: {unreadable[0]}"
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
    """Return the modalities that have files of a suffix (without its dot)."""
    return [m for m in FILE_MODALITIES if f".{suffix}" in m.suffixes]


def most_readable(
    possible: Sequence[FileModality], files: Sequence[Path], generator: random.Random
) -> FileModality:
    """Return the modality that can read most of a few files; on a tie the first one."""
    few = generator.sample(files, min(NUM_TRIED, len(files)))
    readable = {modality: len(_measure(modality, few)[0]) for modality in possible}
    if not any(readable.values()):  # files without any structure are most likely text
        return next((m for m in possible if m.example_per_line), possible[0])
    return max(possible, key=lambda modality: readable[modality])


def _measure(
    modality: FileModality, files: Sequence[Path]
) -> tuple[list[dict[str, float]], list[str]]:
    """Return the measurements of each readable file, and what is wrong with the others."""
    measured: list[dict[str, float]] = []
    unreadable: list[str] = []
    num_bytes = 0
    for file in files:
        try:
            if modality.measured_whole:
                num_bytes += file.stat().st_size
                if num_bytes > MAX_BYTES and measured:
                    break
            measured.append(modality.probe(file))
        except (ValueError, OSError) as error:
            unreadable.append(f"{file}: {error}")
    return measured, unreadable
