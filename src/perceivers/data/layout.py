"""Find the table of a data set, the classes of a folder and the files of a class.

Imports no torch.
"""

from pathlib import Path

from ..modalities.table.config import TABLE_SUFFIXES

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


def find_manifest(source: str) -> Path | None:
    """Return the path of the table at `source`; None if there is none.

    Args:
        source: path of a table, or of a folder that holds one called "manifest.csv" (or .tsv,
            .jsonl, .ndjson, .parquet).

    Raises:
        ValueError: a folder holds several.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        tables = [f for f in sorted(path.glob("manifest.*")) if f.suffix.lower() in TABLE_SUFFIXES]
        if len(tables) > 1:
            raise ValueError(
                f"{path} holds {' and '.join(f.name for f in tables)}; point at one of them"
            )
        return tables[0] if tables else None
    return path if path.is_file() and path.suffix.lower() in TABLE_SUFFIXES else None


def class_locations(path: Path, line_suffixes: frozenset[str]) -> dict[str, dict[str, Path]]:
    """Find the classes of each split of a folder, and where the files of each class lie.

    Classes are sub-folders, either directly in `path` or in split folders such as "train" and
    "test". Without split folders, all classes belong to "train". A folder without sub-folders may
    hold classes that are files with one example per line.

    Args:
        path: the folder.
        line_suffixes: suffixes of files with one example per line; empty: classes are sub-folders
            only.

    Returns:
        {split: {class name: folder or file}} with the splits "train", "validation" and "test"; the
        dictionary of a split without classes is empty.
    """
    # A folder called "train" is a split if it holds classes, else a class of its own.
    split_folders = [
        folder
        for folder in _folders(path)
        if folder.name.lower() in SPLIT_NAMES and _class_paths(folder, line_suffixes)
    ]
    return {
        "train" if root is path else SPLIT_NAMES[root.name.lower()]: {
            location.name if location.is_dir() else location.stem: location
            for location in _class_paths(root, line_suffixes)
        }
        for root in split_folders or [path]
    }


def class_files(folder: Path, suffixes: frozenset[str], noun: str) -> list[Path]:
    """Return the files of the folder of a class, sorted by path.

    Args:
        folder: the folder.
        suffixes: suffixes of the files, in lower case with their dot.
        noun: what the files are called, in the plural, for messages.

    Raises:
        ValueError: the folder holds no such files, or has some in sub-folders.
    """
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in suffixes)
    nested = next((f for f in files if f.parent != folder), None)
    if nested is not None:
        raise ValueError(
            f"{nested} lies deeper than its class {folder.name!r}; expected all {noun} of a class "
            f"directly in {folder}: move them there"
        )
    if not files:
        raise ValueError(
            f"class {folder.name!r} is empty: {folder} holds no {noun}; add some or remove the "
            "folder"
        )
    return files


def _class_paths(root: Path, line_suffixes: frozenset[str]) -> list[Path]:
    folders = _folders(root)
    if folders or not line_suffixes:
        return folders
    return sorted(f for f in root.iterdir() if f.suffix.lower() in line_suffixes)


def _folders(path: Path) -> list[Path]:
    return sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith("."))
