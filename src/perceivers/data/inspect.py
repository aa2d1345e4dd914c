"""What a folder of files by class holds, found by looking into some of them."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import images, points, sound, text, video
from .clip_readers import SOUND_SUFFIXES, SoundReader, VideoReader
from .found import LINES, Found, Modality, Spread, of_kinds
from .layout import class_places, members
from .reader import ArrayReader
from .readers import ImageReader, PointReader, TextReader

Measured = dict[str, float]

LOOKED_AT = 200  # files looked into, at most
LOOKED_AT_BYTES = 256 * 10**6  # of kinds that are read whole to be measured
FEW = 5  # files looked into where a suffix says too little
STRAY = 0.05  # share of files of other modalities that are left out: a list beside the pictures

# A suffix of two modalities is of the first that can read its files.
SUFFIXES: dict[Modality, frozenset[str]] = {
    "image": ImageReader.suffixes,
    "video": VideoReader.suffixes,
    "sound": SOUND_SUFFIXES | VideoReader.suffixes,
    "points": PointReader.suffixes,
    "text": TextReader.suffixes,
}
READERS: dict[Modality, type[ArrayReader]] = {
    "image": ImageReader,
    "video": VideoReader,
    "sound": SoundReader,
    "points": PointReader,
    "text": TextReader,
}


def inspect(path: str | Path, *, seed: int = 0) -> Found:
    """Look at a folder of files by class, as `folder.read_source` reads it.

    All files are counted; up to `LOOKED_AT` of them, drawn by the seed, are looked into, of points
    and texts no more than `LOOKED_AT_BYTES`. Sound and videos are measured by their headers, images
    by theirs. An unreadable file is named in `Found.unreadable`.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: not a folder, no files of a known kind, fewer than two classes, files of several
            modalities, a class without files or with files deeper down, or nothing readable.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no folder {path}; check the path given to --data")
    if not path.is_dir():
        raise ValueError(f"{path} is a file; expected a folder with one sub-folder a class")
    splits = class_places(path, TextReader.suffixes)
    classes = tuple(sorted({name for places in splits.values() for name in places}))
    if not classes:
        held = of_kinds(_suffixes([path]))
        raise ValueError(
            f"{path} has no sub-folders{f', only {held}' if held else ''}; expected one folder of "
            "files for each class, or of texts one .txt file of lines each"
        )
    if len(classes) < 2:
        held = of_kinds(_suffixes([p for places in splits.values() for p in places.values()]))
        raise ValueError(
            f"{path} has one class, {classes[0]!r}, with {held or 'no files'}; expected at least "
            "two: a folder each"
        )
    if any(place.is_file() for places in splits.values() for place in places.values()):
        return _of_lines(splits, classes)
    return _of_files(path, splits, classes, random.Random(seed))


def _of_lines(splits: dict[str, dict[str, Path]], classes: tuple[str, ...]) -> Found:
    """Texts, an example a line."""
    lengths: list[float] = []
    counts = dict.fromkeys(splits, 0)
    for split, places in splits.items():
        for place in places.values():
            try:
                lines = text.decode_lines(place)
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from None
            counts[split] += len(lines)
            lengths += [len(line.encode()) for line in lines]
    if not lengths:
        raise ValueError(f"the {len(classes)} files of text are empty; expected an example a line")
    measures = {"bytes": Spread.of(lengths)}
    return Found("text", {LINES: len(lengths)}, classes, counts, measures, len(lengths))


def _of_files(
    path: Path,
    splits: dict[str, dict[str, Path]],
    classes: tuple[str, ...],
    drawn: random.Random,
) -> Found:
    places = [place for classes_of in splits.values() for place in classes_of.values()]
    suffixes = _suffixes(places)
    modality, kinds = _modality(path, places, suffixes, drawn)
    wanted, noun = frozenset(f".{kind}" for kind in kinds), READERS[modality].noun
    held = {
        split: [f for place in classes_of.values() for f in members(place, wanted, noun)]
        for split, classes_of in splits.items()
    }
    files = [file for of_split in held.values() for file in of_split]
    looked = look_into(modality, files, drawn)
    known = {suffix for of in SUFFIXES.values() for suffix in of}
    strays = {k: n for k, n in suffixes.items() if k not in kinds and f".{k}" in known}
    return Found(
        modality,
        kinds,
        classes,
        {split: len(of_split) for split, of_split in held.items()},
        looked.measures,
        looked.looked_at,
        looked.unreadable,
        strays,
    )


def _suffixes(places: Sequence[Path]) -> dict[str, int]:
    """How many files lie in and under these folders, by suffix without dot, most first."""
    found = Counter(
        file.suffix.lower().lstrip(".") or "nameless"
        for place in places
        for file in ([place] if place.is_file() else place.rglob("*"))
        if not file.name.startswith(".") and file.is_file()
    )
    return dict(found.most_common())


def _modality(
    path: Path, places: Sequence[Path], suffixes: dict[str, int], drawn: random.Random
) -> tuple[Modality, dict[str, int]]:
    """The modality of nearly all known files, and how many of its suffixes there are."""
    by: dict[Modality, dict[str, int]] = {}
    for suffix, count in suffixes.items():
        possible = candidates(suffix)
        if possible:
            modality = possible[0]
            if len(possible) > 1:
                files = [
                    f for p in places for f in p.rglob("*") if f.suffix.lower() == f".{suffix}"
                ]
                modality = told_apart(possible, sorted(files), drawn)
            by.setdefault(modality, {})[suffix] = count
    if not by:
        raise ValueError(
            f"{path} holds {of_kinds(suffixes) or 'no files'}; expected images, videos, sound "
            "files, point clouds or texts, one folder of them for each class"
        )
    modality = max(by, key=lambda name: sum(by[name].values()))
    total = sum(sum(kinds.values()) for kinds in by.values())
    if sum(by[modality].values()) < (1 - STRAY) * total:
        each = " and ".join(f"{of_kinds(by[name])} ({READERS[name].noun})" for name in by)
        raise ValueError(
            f"{path} mixes modalities: {each}; expected files of one in all classes: move the "
            "others elsewhere"
        )
    return modality, by[modality]


@dataclass(frozen=True)
class Looked:
    """What some of many files hold; see `Found`."""

    measures: dict[str, Spread]
    looked_at: int
    unreadable: tuple[str, ...]


def look_into(modality: Modality, files: Sequence[Path], drawn: random.Random) -> Looked:
    """Measure up to `LOOKED_AT` of the files; ValueError if none of these can be read."""
    measured, unreadable = _look(modality, drawn.sample(files, min(LOOKED_AT, len(files))))
    if not measured:
        noun = READERS[modality].noun
        raise ValueError(
            f"none of {len(unreadable)} {noun} can be read; the first: {unreadable[0]}"
        )
    names = dict.fromkeys(name for found in measured for name in found)
    return Looked(
        {name: Spread.of([found[name] for found in measured if name in found]) for name in names},
        len(measured) + len(unreadable),
        tuple(unreadable),
    )


def candidates(suffix: str) -> list[Modality]:
    """The modalities that have files of a suffix (without its dot)."""
    return [name for name, of in SUFFIXES.items() if f".{suffix}" in of]


def told_apart(
    possible: Sequence[Modality], files: Sequence[Path], drawn: random.Random
) -> Modality:
    """Which modality can read most of a few files; the first of those that read equally many."""
    few = drawn.sample(files, min(FEW, len(files)))
    readable = {modality: len(_look(modality, few)[0]) for modality in possible}
    if not any(readable.values()):
        return "text" if "text" in possible else possible[0]
    return max(possible, key=lambda modality: readable[modality])


def _look(modality: Modality, files: Sequence[Path]) -> tuple[list[Measured], list[str]]:
    """The measures of each readable file, and what is wrong with the others."""
    measured: list[Measured] = []
    unreadable: list[str] = []
    read = 0
    for file in files:
        try:
            if modality in ("points", "text"):
                read += file.stat().st_size
                if read > LOOKED_AT_BYTES and measured:
                    break
            measured.append(PROBES[modality](file))
        except (ValueError, OSError) as error:
            unreadable.append(f"{file}: {error}")
    return measured, unreadable


def _probe_image(file: Path) -> Measured:
    info = images.probe(file)
    return {"height": info.height, "width": info.width, "channels": info.channels}


def _probe_sound(file: Path) -> Measured:
    info = sound.probe(file)
    return {"sample_rate": info.rate, "channels": info.channels, "seconds": info.seconds}


def _probe_video(file: Path) -> Measured:
    info = video.probe(file)
    measured = {
        "frames": info.frames,
        "frame_rate": info.rate,
        "seconds": info.seconds,
        "height": info.height,
        "width": info.width,
        "has_sound": float(info.has_sound),
    }
    if info.has_sound:
        heard = sound.probe(file)
        measured |= {"sample_rate": heard.rate, "sound_seconds": heard.seconds}
    return measured


def _probe_points(file: Path) -> Measured:
    info = points.probe(file)
    return {"points": info.num_points, "channels": info.channels, "faces": info.num_faces}


def _probe_text(file: Path) -> Measured:
    return {"bytes": len(text.decode(file).encode())}


PROBES: dict[Modality, Callable[[Path], Measured]] = {
    "image": _probe_image,
    "video": _probe_video,
    "sound": _probe_sound,
    "points": _probe_points,
    "text": _probe_text,
}
