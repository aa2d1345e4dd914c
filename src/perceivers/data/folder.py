"""Folders of files by class: each class is a sub-folder, or a text file of one example per line."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from ..modalities.reader import ArrayReader, Reader
from ..modalities.text.decode import numbered_lines
from ..modalities.text.reader import TextReader
from .file_examples import FileExamples, FileSplits, NamedSource
from .layout import (
    check_beside_splits,
    class_files,
    class_locations,
    count_hidden,
    descriptions,
    used_suffixes,
)
from .unused import check_masks, check_unused, count_endings, loose_files, name_counts, unused_files

log = logging.getLogger(__name__)


def read_folder(path: Path, reader: Reader, *, strict: bool) -> tuple[FileSplits, tuple[str, ...]]:
    """Return the splits and the class names of a folder of files by class.

    The layouts are those of `layout.class_locations`. Classes that are files of one example per
    line are read only as texts. No example is decoded yet.

    Args:
        path: the folder.
        reader: reader of the files.
        strict: stop at an unreadable file instead of skipping it.

    Returns:
        The examples of each split ("train", "validation", "test"), and the class names, sorted.

    Raises:
        ValueError: there are no classes, a class has no files or has some in sub-folders, two
            folders stand for one split, a class lies beside the splits, most files are of endings
            that are not read, or a file of lines cannot be read.
    """
    line_suffixes = reader.suffixes if isinstance(reader, TextReader) else frozenset()
    locations = class_locations(path, line_suffixes)
    check_masks(locations)
    places = [location for classes in locations.values() for location in classes.values()]
    lone = reader.lone_suffixes if isinstance(reader, ArrayReader) else frozenset()
    suffixes = used_suffixes(places, reader.suffixes, lone)
    check_beside_splits(path, locations, suffixes)
    sources = {
        split: {
            name: _class_sources(location, suffixes, reader.noun)
            for name, location in classes.items()
        }
        for split, classes in locations.items()
    }
    for split, classes in sources.items():
        if not classes:
            raise ValueError(
                f"{path} has no sub-folders; expected one folder of {reader.noun} for each class"
            )
        log.debug("%s: %d classes", split, len(classes))
    labels = tuple(sorted({name for classes in sources.values() for name in classes}))
    for root in {place.parent for place in places if place.is_file()}:
        if described := descriptions(root, line_suffixes):
            names = ", ".join(sorted(file.name for file in described))
            log.info("%s: not read, because they describe the data: %s", root, names)
    if hidden := count_hidden(path):
        log.info("%d hidden or system files ignored", hidden)
    _check_endings(path, places, sources, suffixes, reader.noun)
    splits = {}
    for split, classes in sources.items():
        files = [file for class_ in classes.values() for file in class_]
        numbers = [labels.index(name) for name, class_ in classes.items() for _ in class_]
        splits[split] = FileExamples(
            files, torch.tensor(numbers), torch.arange(len(files)), reader, strict
        )
    return splits, labels


def _check_endings(
    path: Path,
    folders: Sequence[Path],
    sources: Mapping[str, Mapping[str, list[NamedSource]]],
    suffixes: frozenset[str],
    noun: str,
) -> None:
    """Log the files of the class folders that are not read; refuse if they are the most."""
    unused = unused_files(folders, suffixes)
    members = [files for classes in sources.values() for files in classes.values()]
    used = [Path(name) for files in members for name, _ in files]
    check_unused(path, used, unused, noun, suffixes)
    if unused:
        counts = name_counts(count_endings(unused))
        log.warning(
            "%s: not read in the class folders: %s; this model reads %s", path, counts, noun
        )
    roots = {path, *(folder.parent for folder in folders if folder.is_dir())}
    loose = loose_files(roots, suffixes)
    if loose:
        counts = name_counts(count_endings(loose))
        log.warning(
            "%s: not read, because they lie beside the folders of the classes: %s", path, counts
        )


def _class_sources(location: Path, suffixes: frozenset[str], noun: str) -> list[NamedSource]:
    """Return the examples of a class: the files of a folder, or the lines of a file."""
    if location.is_dir():
        files = class_files(location, suffixes, noun)
        return [(str(file), str(file)) for file in files]
    return class_lines(location)


def class_lines(location: Path) -> list[NamedSource]:
    """Return the examples of a class that is a text file, which has one on each line.

    Raises:
        ValueError: the file cannot be read, or has no line with text; the message names it.
    """
    sources = line_sources(location)
    if not sources:
        raise ValueError(
            f"class {location.stem!r} is empty: {location} has no line with text; add some or "
            "remove the file"
        )
    return sources


def line_sources(path: Path) -> list[NamedSource]:
    """Return the examples of a text file that holds one on each line.

    Raises:
        ValueError: the file cannot be read; the message names it.
    """
    try:
        lines = numbered_lines(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return [(f"{path} line {i}", line.encode()) for i, line in lines]
