"""Files whose elements have labels: points, bytes of texts, and pixels."""

import dataclasses
import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from ..hub import not_found
from ..modalities.labelled import NAMES_FILE, LabelledReader, NamedSource, read_names
from ..reading import limits, using
from .config import DataConfig
from .file_examples import FileExamples, FileSplits, Unreadable
from .layout import visible_files
from .split_names import splits_of
from .unused import MAX_NAMED, count_endings, name_counts

log = logging.getLogger(__name__)


def read_elements(config: DataConfig, reader: LabelledReader) -> tuple[FileSplits, tuple[str, ...]]:
    """Return the splits of a folder of files with labels, and the names of the classes.

    Folders below the root that are named after splits hold these splits; else all files are one.
    Files are read once to find the classes and to count their labels.

    Args:
        config: path of the folder.
        reader: reader of the files. If it has classes, they are those of a model, and no others may
            be there.

    Returns:
        The examples of each split, whose labels are the number of elements of each class, int32
        (examples, K); and the names of the classes.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: there are no such files, no file can be read, or classes that the reader does
            not have.
    """
    if config.path is None:
        raise ValueError("no data given; point at your folder: --data DIR")
    root = Path(config.path).expanduser()
    if not root.exists():
        raise not_found("folder", config.path)
    reader = dataclasses.replace(reader, names=read_names(root if root.is_dir() else root.parent))
    used: set[Path] = set()
    roots = split_roots(root)
    found = {split: list(_sources(folder, reader, used)) for split, folder in roots.items()}
    if not any(found.values()):
        raise ValueError(
            f"{root} has no {reader.noun} with labels of their elements; expected "
            f"{', '.join(sorted(reader.suffixes))} files: {reader.layout}"
        )
    _log_unused(root, used)
    counts, unreadable = {}, {}
    for split, files in found.items():
        counts[split], unreadable[split] = _survey(files, reader, strict=config.strict)
    classes = _classes(reader, [c for each in counts.values() for c in each], root)
    _log_missing(reader, classes, [c for each in counts.values() for c in each])
    reader = dataclasses.replace(reader, classes=classes)
    splits = {}
    for split, files in found.items():
        rows = [[each[name] for name in classes] for each in counts[split]]
        labels = torch.tensor(rows, dtype=torch.int32).view(len(files), len(classes))
        examples = FileExamples(files, labels, torch.arange(len(files)), reader, config.strict)
        examples.unreadable.update(unreadable[split])
        splits[split] = examples
    return splits, classes


def split_roots(root: Path) -> dict[str, Path]:
    """Return the folder of each split; the root itself is that of the training examples."""
    if root.is_dir():
        folders = {path.name: path for path in root.iterdir() if path.is_dir()}
        if splits := splits_of(folders):
            return {split: folders[name] for name, split in splits.items()}
    return {"train": root}


def _sources(root: Path, reader: LabelledReader, used: set[Path]) -> Iterator[NamedSource]:
    """Yield the examples below a folder, and add the files that they are read from to `used`."""
    files = sorted(visible_files(root)) if root.is_dir() else [root]
    for path in files:
        if path.suffix.lower() in reader.suffixes and (sources := reader.sources(path)):
            used.update((path, *reader.companions(path)))
            yield from sources


def _log_unused(root: Path, used: set[Path]) -> None:
    """Log the files of a folder that are not read, such as masks without an image."""
    if not root.is_dir():
        return
    unused = sorted(f for f in visible_files(root) if f not in used and f != root / NAMES_FILE)
    if unused:
        counts = name_counts(count_endings(unused))
        first = unused[0].relative_to(root)
        log.warning("%s: not read: %s (such as %s)", root, counts, first)


def _log_missing(
    reader: LabelledReader, classes: tuple[str, ...], counts: list[Counter[str]]
) -> None:
    """Log the named classes that no element has."""
    if missing := [name for name in classes if not any(each[name] for each in counts)]:
        few = ", ".join(map(repr, missing[:MAX_NAMED])) + (
            ", …" if len(missing) > MAX_NAMED else ""
        )
        log.warning(
            "no element has the class%s %s%s",
            "" if len(missing) == 1 else "es",
            few,
            reader.unused_class_words(missing[0]),
        )


def _survey(
    files: list[NamedSource], reader: LabelledReader, *, strict: bool
) -> tuple[list[Counter[str]], dict[int, Unreadable]]:
    """Count the labels of each file by class; those that cannot be read are logged."""
    given = limits()

    def count(source: NamedSource) -> Counter[str] | ValueError:
        try:
            with using(given):
                return reader.survey(source[1])
        except ValueError as error:
            return error

    with ThreadPoolExecutor() as pool:
        results = list(pool.map(count, files))
    unreadable = {}
    for index, ((name, _), result) in enumerate(zip(files, results, strict=True)):
        if isinstance(result, ValueError):
            if strict:
                raise ValueError(f"{name}: {result}; repair or remove it, or run without --strict")
            log.warning("skipped %s: %s", name, result)
            unreadable[index] = Unreadable(index, f"{name}: {result}")
    if files and len(unreadable) == len(files):
        raise ValueError(f"none of {len(files)} files can be read; {unreadable[0].problem}")
    return [r if isinstance(r, Counter) else Counter() for r in results], unreadable


def _classes(reader: LabelledReader, counts: list[Counter[str]], root: Path) -> tuple[str, ...]:
    """Return the names of the classes: those of the model, or all that were found."""
    found = {name for each in counts for name in each}
    if reader.classes:
        if new := sorted(found - set(reader.classes)):
            raise ValueError(
                f"elements of {root} have the classes {new[:10]}, but the model was trained on "
                f"{list(reader.classes)[:10]}; use data with the same classes"
            )
        return reader.classes
    if reader.names:
        return tuple(reader.names[value] for value in sorted(reader.names))
    return tuple(sorted(found, key=lambda name: (int(name) if name.isdigit() else -1, name)))
