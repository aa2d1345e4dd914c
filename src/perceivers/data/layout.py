"""Find the table of a data set, the classes of a folder and the files of a class.

Imports no torch.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..modalities.table.config import TABLE_SUFFIXES
from ..modalities.table.parquet import holds_images

# Names of folders, files and table cells that stand for a split, in lower case.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}

# Files and folders that operating systems leave behind, beside those whose name starts with a dot.
SYSTEM_NAMES = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


def is_hidden(path: Path) -> bool:
    """Return whether a file or folder is hidden, or left behind by an operating system."""
    return path.name.startswith(".") or path.name.lower() in SYSTEM_NAMES


def count_hidden(folder: Path) -> int:
    """Count the files anywhere below a folder that `visible_files` leaves out."""
    return sum(not f.is_dir() for f in folder.rglob("*")) - sum(1 for _ in visible_files(folder))


def visible_files(folder: Path) -> Iterator[Path]:
    """Yield the files anywhere below a folder, except hidden ones and those in hidden folders.

    Links to files that do not exist are yielded too, so that reading them says so.
    """
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parents
        hidden = is_hidden(path) or any(is_hidden(part) for part in parts if part.name)
        if not hidden and not path.is_dir():
            yield path


def parquet_files(folder: Path) -> list[Path]:
    """Return the parquet files anywhere below a folder, sorted by path."""
    return sorted(f for f in visible_files(folder) if f.suffix.lower() == ".parquet")


def find_manifest(source: str) -> Path | None:
    """Return the path of the table at `source`; None if there is none.

    The table of a folder is the one called "manifest.csv" (or .tsv, .jsonl, .ndjson, .parquet). It
    may have another name if it is the only table, unless the folder has sub-folders that could be
    classes. Parquet files that hold images of their own, as on the hub, are no tables.

    Args:
        source: path of a table, or of a folder that holds one.

    Raises:
        ValueError: a folder holds several.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        tables = [f for f in sorted(path.iterdir()) if _is_table(f)]
        named = [f for f in tables if f.name.startswith("manifest.")]
        folders = _folders(path)
        if (
            not named
            and len(folders) < 2
            and not any(f.name.lower() in SPLIT_NAMES for f in folders)
        ):
            parquet = [file for file in tables if file.suffix.lower() == ".parquet"]
            named = [file for file in tables if file not in parquet]
            if not named and len(parquet) == 1 and not holds_images(parquet[0]):
                named = parquet
        if len(named) > 1:
            names = " and ".join(f.name for f in named[:5])
            raise ValueError(f"{path} holds {names}; point at one of them: --data {named[0]}")
        return named[0] if named else None
    return path if path.is_file() and path.suffix.lower() in TABLE_SUFFIXES else None


def _is_table(file: Path) -> bool:
    return file.suffix.lower() in TABLE_SUFFIXES and not is_hidden(file) and file.is_file()


def class_locations(path: Path, line_suffixes: frozenset[str]) -> dict[str, dict[str, Path]]:
    """Find the classes of each split of a folder, and where the files of each class lie.

    Classes are sub-folders, either directly in `path` or in split folders such as "train" and
    "test". Split folders may also lie below the classes, if every class has them and nothing else,
    as in ModelNet: chair/train, chair/test. Without split folders, all classes belong to "train". A
    folder without sub-folders may hold classes that are files with one example per line.

    Args:
        path: the folder.
        line_suffixes: suffixes of files with one example per line; empty: classes are sub-folders
            only.

    Returns:
        {split: {class name: folder or file}} with the splits "train", "validation" and "test"; the
        dictionary of a split without classes is empty.

    Raises:
        ValueError: two folders stand for the same split, such as "val" and "valid".
    """
    # A folder called "train" is a split if it holds classes, else a class of its own.
    split_folders = [
        folder
        for folder in _folders(path)
        if folder.name.lower() in SPLIT_NAMES and _class_paths(folder, line_suffixes)
    ]
    for folder, other in itertools.combinations(split_folders, 2):
        split = SPLIT_NAMES[folder.name.lower()]
        if split == SPLIT_NAMES[other.name.lower()]:
            raise ValueError(
                f"{path} holds both {folder.name!r} and {other.name!r}, and each stands for the "
                f"{split} split; move their files into one folder"
            )
    if not split_folders and (below := _splits_below_classes(path)):
        return below
    return {
        "train" if root is path else SPLIT_NAMES[root.name.lower()]: {
            location.name if location.is_dir() else location.stem: location
            for location in _class_paths(root, line_suffixes)
        }
        for root in split_folders or [path]
    }


def _splits_below_classes(path: Path) -> dict[str, dict[str, Path]]:
    """Return the classes of each split of a folder like chair/train, chair/test; else nothing."""
    splits: dict[str, dict[str, Path]] = {}
    for class_ in _folders(path):
        below = _folders(class_)
        names = [SPLIT_NAMES.get(folder.name.lower()) for folder in below]
        others = any(f.is_file() and not is_hidden(f) for f in class_.iterdir())
        if not below or None in names or len(set(names)) < len(names) or others:
            return {}
        for folder, split in zip(below, names, strict=True):
            splits.setdefault(str(split), {})[class_.name] = folder
    return splits if "train" in splits else {}


def check_beside_splits(
    path: Path, splits: Mapping[str, Mapping[str, Path]], suffixes: frozenset[str]
) -> None:
    """Refuse class folders that lie beside split folders, where no example of them would be read.

    Args:
        path: the folder.
        splits: its classes by split, from `class_locations`.
        suffixes: suffixes of the files of examples, in lower case with their dot.

    Raises:
        ValueError: a folder beside the split folders has such files.
    """
    roots = {place.parent for classes in splits.values() for place in classes.values()}
    if not roots or path in roots:
        return
    for folder in _folders(path):
        if folder not in roots and any(f.suffix.lower() in suffixes for f in visible_files(folder)):
            names = " and ".join(sorted(root.name for root in roots))
            raise ValueError(
                f"{folder} lies beside the split folders {names}, so its files would not be used; "
                "move it into one of them, or out of this folder"
            )


def used_suffixes(
    places: Iterable[Path], suffixes: frozenset[str], lone: frozenset[str]
) -> frozenset[str]:
    """Return the suffixes of the files that are examples.

    Args:
        places: the folders of the classes; files among them are passed over.
        suffixes: suffixes of the files that are read, in lower case with their dot.
        lone: those whose files are examples only where no file of the others is.
    """
    others = suffixes - lone
    if not lone:
        return suffixes
    files = (file for place in places if place.is_dir() for file in visible_files(place))
    return others if any(file.suffix.lower() in others for file in files) else suffixes


def class_files(folder: Path, suffixes: frozenset[str], noun: str) -> list[Path]:
    """Return the files of the folder of a class, sorted by path.

    Args:
        folder: the folder.
        suffixes: suffixes of the files, in lower case with their dot.
        noun: what the files are called, in the plural, for messages.

    Raises:
        ValueError: the folder holds no such files, or has some in sub-folders.
    """
    files = sorted(f for f in visible_files(folder) if f.suffix.lower() in suffixes)
    nested = next((f for f in files if f.parent != folder), None)
    if nested is not None and nested.parent.name.lower() in SPLIT_NAMES:
        split = nested.parent.name
        raise ValueError(
            f"{nested.parent} is a split below its class, where other classes or files have none; "
            "expected such folders and nothing else in every class, or the split above: move the "
            f"files to {folder.parent / split / folder.name}, and those of the other splits "
            "likewise"
        )
    if nested is not None:
        raise ValueError(
            f"{nested} lies deeper than its class {folder.name!r}; expected all {noun} of a class "
            f"directly in {folder}: move them there"
        )
    if not files:
        endings = sorted({f.suffix.lower() or f.name for f in visible_files(folder)})
        only = f", only files of another kind ({', '.join(endings[:5])})" if endings else ""
        raise ValueError(
            f"class {folder.name!r} is empty: {folder} holds no {noun}{only}; add some or remove "
            "the folder"
        )
    return files


def _class_paths(root: Path, line_suffixes: frozenset[str]) -> list[Path]:
    folders = _folders(root)
    if folders or not line_suffixes:
        return folders
    return sorted(
        f for f in root.iterdir() if f.suffix.lower() in line_suffixes and not is_hidden(f)
    )


def _folders(path: Path) -> list[Path]:
    return sorted(f for f in path.iterdir() if f.is_dir() and not is_hidden(f))
