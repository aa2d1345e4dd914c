"""Find the table of a data set, the classes of a folder and the files of a class.

Imports no torch.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..modalities.table.config import TABLE_SUFFIXES
from ..modalities.table.parquet import holds_images
from .split_names import split_classes, split_of, splits_of

# Files and folders that operating systems leave behind, beside those whose name starts with a dot.
SYSTEM_NAMES = frozenset(
    {"__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "lost+found"}
    | {"system volume information", "@eadir", "#recycle", "__pycache__"}
)
# Names, without ending, of texts that describe a data set.
DESCRIPTIONS = frozenset({"readme", "license", "licence", "copying", "changelog", "citation"})


def is_hidden(path: Path) -> bool:
    """Return whether a file or folder is hidden, or left behind by an operating system."""
    name = path.name.lower()
    # "~$" begins the names of the locks of office programs, "~" ends those of backups.
    return name.startswith((".", "~$")) or name.endswith("~") or name in SYSTEM_NAMES


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
        if not named and len(folders) < 2 and not any(split_of(f.name) for f in folders):
            parquet = [file for file in tables if file.suffix.lower() == ".parquet"]
            named = [file for file in tables if file not in parquet]
            if not named and len(parquet) == 1 and not holds_images(parquet[0]):
                named = parquet
        if len(named) > 1:
            names = " and ".join(f.name for f in named[:5])
            splits = any(split_of(f.stem) for f in named)
            fix = ", or put all rows into one table with a column called split" if splits else ""
            raise ValueError(f"{path} holds {names}; point at one of them: --data {named[0]}{fix}")
        return named[0] if named else None
    return path if path.is_file() and path.suffix.lower() in TABLE_SUFFIXES else None


def _is_table(file: Path) -> bool:
    return file.suffix.lower() in TABLE_SUFFIXES and not is_hidden(file) and file.is_file()


def class_locations(path: Path, line_suffixes: frozenset[str]) -> dict[str, dict[str, Path]]:
    """Find the classes of each split of a folder, and where the files of each class lie.

    Classes are sub-folders, either directly in `path` or in split folders such as "train" and
    "Test_set". The split may also be part of the name of a class ("cats-train", "cats-test"), or
    lie below the classes, if every class has split folders and nothing else, as in ModelNet:
    chair/train, chair/test. Without split folders, all classes belong to "train". A folder without
    sub-folders may hold classes that are files with one example per line.

    Args:
        path: the folder.
        line_suffixes: suffixes of files with one example per line; empty: classes are sub-folders
            only.

    Returns:
        {split: {class name: folder or file}} with the splits "train", "validation" and "test"; the
        dictionary of a split without classes is empty.

    Raises:
        ValueError: two folders stand for the same split, such as "val" and "valid"; or the folders
            are splits or folds without classes.
    """
    roots = _split_roots(path, line_suffixes)
    if not roots and (below := _splits_below_classes(path)):
        return below
    if roots:
        return {
            split: {_name(place): place for place in _class_paths(root, line_suffixes)}
            for split, root in roots.items()
        }
    places = {_name(place): place for place in _class_paths(path, line_suffixes)}
    try:
        parsed = split_classes(places)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    splits: dict[str, dict[str, Path]] = {"train": {}} if not parsed else {}
    for name, place in places.items():
        split, class_ = parsed.get(name, ("train", name))
        splits.setdefault(split, {})[class_] = place
    return splits


def _split_roots(path: Path, line_suffixes: frozenset[str]) -> dict[str, Path]:
    """Return the folder of each split that holds classes; empty if there are no split folders.

    A folder called "train" without classes is a class of its own. A split folder that holds nothing
    but a folder of its own name, as some archives do, stands for that one.
    """
    holding = {f.name: f for f in _folders(path) if _class_paths(f, line_suffixes)}
    folders: dict[str, Path] = {}
    for name, split in splits_of(holding).items():
        if split in folders:
            raise ValueError(
                f"{path} holds both {folders[split].name!r} and {name!r}, and each stands for the "
                f"{split} split; move their files into one folder"
            )
        folders[split] = holding[name]
    return {split: _without_repetition(f, line_suffixes) for split, f in folders.items()}


def _without_repetition(folder: Path, line_suffixes: frozenset[str]) -> Path:
    """Return train/train for a folder train that holds classes nowhere else."""
    inner = folder / folder.name
    if _folders(folder) == [inner] and _class_paths(inner, line_suffixes):
        return inner
    return folder


def _splits_below_classes(path: Path) -> dict[str, dict[str, Path]]:
    """Return the classes of each split of a folder like chair/train, chair/test; else nothing."""
    splits: dict[str, dict[str, Path]] = {}
    for class_ in _folders(path):
        below = _folders(class_)
        names = [split_of(folder.name) for folder in below]
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
    inside = {folder for root in roots for folder in (root, *root.parents)}
    for folder in _folders(path):
        if folder not in inside and any(
            f.suffix.lower() in suffixes for f in visible_files(folder)
        ):
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
    if nested is not None and split_of(nested.parent.name):
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
            f"directly in its folder: move them to {folder}, or, if {folder.name!r} is a split "
            f"and {nested.relative_to(folder).parts[0]!r} a class, name the split train, "
            "validation or test"
        )
    if not files:
        endings = sorted({f.suffix.lower() or f.name for f in visible_files(folder)})
        only = f", only files of another kind ({', '.join(endings[:5])})" if endings else ""
        raise ValueError(
            f"class {folder.name!r} is empty: {folder} holds no {noun}{only}; add some or remove "
            "the folder"
        )
    return files


def _name(place: Path) -> str:
    """Return the name of a class: that of its folder, or of its file without the suffix."""
    return place.name if place.is_dir() else place.stem


def _class_paths(root: Path, line_suffixes: frozenset[str]) -> list[Path]:
    folders = _folders(root)
    if folders or not line_suffixes:
        return folders
    described = {file.name for file in descriptions(root, line_suffixes)}
    return sorted(f for f in _line_files(root, line_suffixes) if f.name not in described)


def descriptions(root: Path, line_suffixes: frozenset[str]) -> list[Path]:
    """Return the texts that describe a data set, where its classes are the texts beside them.

    They are called readme, license and the like, and there are two other texts at least.

    Args:
        root: the folder that holds the classes.
        line_suffixes: suffixes of files with one example per line.
    """
    if _folders(root):
        return []
    files = _line_files(root, line_suffixes)
    found = [file for file in files if file.stem.lower() in DESCRIPTIONS]
    return found if len(files) - len(found) >= 2 else []


def _line_files(root: Path, suffixes: frozenset[str]) -> list[Path]:
    return [f for f in root.iterdir() if f.suffix.lower() in suffixes and not is_hidden(f)]


def _folders(path: Path) -> list[Path]:
    return sorted(f for f in path.iterdir() if f.is_dir() and not is_hidden(f))
