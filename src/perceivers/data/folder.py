"""Folders of files by class."""

import logging
from pathlib import Path

import torch

from ..modalities.reader import Reader
from ..modalities.text.decode import decode_lines
from ..modalities.text.reader import TextReader
from .examples import FileExamples, NamedSource, Tables
from .layout import class_files, class_locations

log = logging.getLogger(__name__)


def read_folder(path: Path, reader: Reader, *, strict: bool) -> tuple[Tables, tuple[str, ...]]:
    """A folder with one sub-folder a class, or split folders above such; of texts also files."""
    lines = reader.suffixes if isinstance(reader, TextReader) else frozenset()
    found = {
        split: {name: _members(place, reader) for name, place in places.items()}
        for split, places in class_locations(path, lines).items()
    }
    for split, classes in found.items():
        if not classes:
            raise ValueError(
                f"{path} has no sub-folders; expected one folder of {reader.noun} for each class"
            )
        log.debug("%s: %d classes", split, len(classes))
    labels = tuple(sorted({name for classes in found.values() for name in classes}))
    tables = {}
    for split, classes in found.items():
        files = [file for members in classes.values() for file in members]
        numbers = [labels.index(name) for name, members in classes.items() for _ in members]
        tables[split] = FileExamples(
            files, torch.tensor(numbers), torch.arange(len(files)), reader, strict
        )
    return tables, labels


def _members(place: Path, reader: Reader) -> list[NamedSource]:
    """The files of a class by name, or the lines of one."""
    if not place.is_dir():
        try:
            lines = decode_lines(place)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        return [(f"{place} line {i}", line.encode()) for i, line in enumerate(lines, 1)]
    files = class_files(place, reader.suffixes, reader.noun)
    return [(str(file), str(file)) for file in files]
