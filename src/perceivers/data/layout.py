"""Where a table or the classes of a folder lie, and the files of a class. Imports no torch."""

from pathlib import Path

from ..modalities.table.config import TABLE_SUFFIXES

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
    """The table that a path is, or that its folder holds as "manifest.csv" (or another kind).

    Raises:
        ValueError: a folder with several.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        found = [f for f in sorted(path.glob("manifest.*")) if f.suffix.lower() in TABLE_SUFFIXES]
        if len(found) > 1:
            raise ValueError(
                f"{path} holds {' and '.join(f.name for f in found)}; point at one of them"
            )
        return found[0] if found else None
    return path if path.is_file() and path.suffix.lower() in TABLE_SUFFIXES else None


def class_locations(path: Path, lines: frozenset[str]) -> dict[str, dict[str, Path]]:
    """The classes of each split ("train", "validation", "test") by name, with where they lie.

    Classes are sub-folders, with or without split folders above them. A folder without split
    folders is all "train".

    Args:
        path: a folder.
        lines: suffixes of files that are a class each, of an example a line, in a folder without
            sub-folders; none: classes are folders alone.

    Returns:
        {split: {class name: folder, or file of lines}}; a split without classes is empty.
    """
    # A folder called "train" is a split if it holds classes; else it is the class of trains.
    roots = [
        folder
        for folder in _folders(path)
        if folder.name.lower() in SPLIT_NAMES and _classes(folder, lines)
    ]
    return {
        "train" if root is path else SPLIT_NAMES[root.name.lower()]: {
            place.name if place.is_dir() else place.stem: place for place in _classes(root, lines)
        }
        for root in roots or [path]
    }


def class_files(place: Path, suffixes: frozenset[str], noun: str) -> list[Path]:
    """The files of a class that is a folder, by name.

    Raises:
        ValueError: there are none, or some lie deeper.
    """
    files = sorted(f for f in place.rglob("*") if f.suffix.lower() in suffixes)
    nested = next((f for f in files if f.parent != place), None)
    if nested is not None:
        raise ValueError(
            f"{nested} lies deeper than its class {place.name!r}; expected all {noun} of "
            f"a class directly in {place}: move them there"
        )
    if not files:
        raise ValueError(
            f"class {place.name!r} is empty: {place} holds no {noun}; add some or remove the folder"
        )
    return files


def _classes(root: Path, lines: frozenset[str]) -> list[Path]:
    folders = _folders(root)
    if folders or not lines:
        return folders
    return sorted(f for f in root.iterdir() if f.suffix.lower() in lines)


def _folders(path: Path) -> list[Path]:
    return sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith("."))
