"""The files of class folders that are not read: counted by ending, said, or refused.

Imports no torch.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ..modalities.image.folders import IMAGE_FOLDERS, MASK_FOLDERS
from .layout import DESCRIPTIONS, is_hidden, visible_files

# Endings of the files that describe a data set, in lower case.
DESCRIBING = frozenset(
    {"", ".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".yaml", ".yml"}
    | {".xml", ".toml", ".html", ".htm", ".cff", ".bib", ".log", ".py", ".sh", ".ipynb"}
)
# Names, without ending, of texts and tables that list the classes or the examples of a data set.
LISTS = frozenset({"classes", "class_names", "labels", "names", "categories", "metadata", "index"})
MAX_NAMED = 5  # endings that `name_counts` names at most


def count_endings(files: Iterable[Path]) -> dict[str, int]:
    """Count files by ending in lower case without dot; the most frequent first."""
    counts = Counter(file.suffix.lower().lstrip(".") or "suffixless" for file in files)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def name_counts(counts: Mapping[str, int]) -> str:
    """Describe how many files there are of each ending: "2,900 jpg and 100 png files".

    Args:
        counts: number of files by ending without dot, the most frequent first.

    Returns:
        The description; empty if there are no files.
    """
    words = [f"{count:,} {ending}" for ending, count in counts.items()]
    if len(words) > MAX_NAMED:
        rest = sum(counts.values()) - sum(list(counts.values())[: MAX_NAMED - 1])
        words = [*words[: MAX_NAMED - 1], f"{rest:,} other"]
    *first, last = words or [""]
    listed = f"{', '.join(first)} and {last}" if first else last
    return f"{listed} file{'' if sum(counts.values()) == 1 else 's'}" if words else ""


def unused_files(folders: Iterable[Path], suffixes: Collection[str]) -> list[Path]:
    """Return the files anywhere below the folders of classes that are not read.

    Args:
        folders: the folders; files among them are passed over.
        suffixes: suffixes of the files that are read, in lower case with their dot.
    """
    return [
        file
        for folder in folders
        if folder.is_dir()
        for file in visible_files(folder)
        if file.suffix.lower() not in suffixes
    ]


def loose_files(roots: Iterable[Path], suffixes: Collection[str]) -> list[Path]:
    """Return the files that lie beside the folders of the classes.

    Texts and tables there, and files without an ending, describe the data set, and are left out.
    Where examples are texts or tables themselves, only those with the name of a description are.

    Args:
        roots: the folders that hold the folders of classes.
        suffixes: suffixes of the files that are read, in lower case with their dot.
    """
    return [
        file
        for root in roots
        for file in root.iterdir()
        if not _describes(file, suffixes) and not is_hidden(file) and file.is_file()
    ]


def _describes(file: Path, suffixes: Collection[str]) -> bool:
    """Return whether a file beside the folders of classes seems to describe the data set."""
    suffix = file.suffix.lower()
    if suffix in suffixes:
        return suffix in DESCRIBING and file.stem.lower() in DESCRIPTIONS | LISTS
    return suffix in DESCRIBING


def check_unused(
    path: Path, used: Collection[Path], unused: Sequence[Path], noun: str, suffixes: Iterable[str]
) -> None:
    """Refuse a data set of which most files would not be read.

    A file beside an example of the same name, such as photo.xml or photo.jpg.json beside photo.jpg,
    belongs to the example and does not count.

    Args:
        path: the folder of the data set.
        used: the files of the examples.
        unused: the other files in the folders of the classes.
        noun: what the examples are called, in the plural.
        suffixes: suffixes of the files that are read, in lower case with their dot.

    Raises:
        ValueError: more files are not read than are.
    """
    owners = {file.with_suffix("") for file in used}.union(used)
    strangers = [file for file in unused if not owners & {file.with_suffix(""), _shorter(file)}]
    if len(strangers) > len(used):
        raise ValueError(
            f"{path} holds {name_counts(count_endings(strangers))} that are not read, and only "
            f"{len(used):,} {noun}; {noun} are read from {', '.join(sorted(suffixes))}: convert "
            "the other files, or move them out of the folder"
        )


def check_masks(splits: Mapping[str, Mapping[str, Path]]) -> None:
    """Refuse images and their masks that would be taken for two classes.

    Args:
        splits: the folders of the classes of each split by name.

    Raises:
        ValueError: two folders are called like images and masks, and most images have a file of
            their name among the masks.
    """
    for places in splits.values():
        images = [place for name, place in places.items() if name.lower() in IMAGE_FOLDERS]
        masks = [place for name, place in places.items() if name.lower() in MASK_FOLDERS]
        folders = [*images, *masks]
        if len(images) != 1 or len(masks) != 1 or not all(f.is_dir() for f in folders):
            continue
        stems, found = ({file.stem for file in visible_files(folder)} for folder in folders)
        found |= {stem.rpartition(mark)[0] for stem in found for mark in "_-"}  # such as 1_mask
        if len(stems & found) > len(stems) / 2:
            raise ValueError(
                f"{folders[0]} and {folders[1].name} hold files of the same names, which are no "
                f"classes if {folders[1].name} are masks of the images: to learn a class for each "
                "pixel, call the folders images and masks, and the mask of images/NAME.jpg "
                "masks/NAME.png; if they are two classes, rename a folder"
            )


def _shorter(file: Path) -> Path:
    """Return a path without its last two suffixes: "photo" of photo.seg.png."""
    return file.with_suffix("").with_suffix("")
