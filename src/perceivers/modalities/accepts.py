"""Which files a reader accepts, by their suffixes."""

from pathlib import Path

from . import FILE_MODALITIES
from .clips import without_clips
from .fusion.rows import RowReader
from .reader import ArrayReader, Reader
from .table.config import TABLE_SUFFIXES

WELL_KNOWN = {"jpg", "png", "wav", "mp3", "flac", "mp4", "mov", "ply", "obj", "npy", "txt", "csv"}
MAX_NAMED = 8  # suffixes that a message names


def accepted_suffixes(reader: Reader) -> frozenset[str]:
    """Return the suffixes of the files that a reader accepts, in lower case with their dot.

    A reader of rows accepts tables, and single files of its parts.
    """
    reader = without_clips(reader)
    if not isinstance(reader, RowReader):
        return reader.suffixes
    parts = (part.suffixes for part in reader.parts.values() if isinstance(part, ArrayReader))
    return reader.suffixes.union(*parts)


def describe_files(reader: Reader, others: frozenset[str] = frozenset()) -> str:
    """Describe what a reader accepts, such as "this model reads images (jpg, png, bmp, …)".

    Args:
        reader: the reader.
        others: suffixes of other files that are read, with their dot.
    """
    lone = reader.lone_suffixes if isinstance(reader, ArrayReader) else frozenset()
    suffixes = sorted(suffix.lstrip(".") for suffix in (reader.suffixes - lone) | others)
    suffixes.sort(key=lambda suffix: suffix not in WELL_KNOWN)
    more = [] if len(suffixes) <= MAX_NAMED else ["…"]
    return f"this model reads {reader.noun} ({', '.join(suffixes[:MAX_NAMED] + more)})"


def check_suffix(path: Path, reader: Reader, others: frozenset[str] = frozenset()) -> None:
    """Refuse a file whose suffix belongs to other kinds of files than those that are read.

    Files of unknown suffixes pass, because their content may be readable.

    Args:
        path: the file.
        reader: the reader, not of rows: these know the columns that a file may belong to.
        others: suffixes of other files that are read, with their dot.

    Raises:
        ValueError: the suffix belongs to other kinds; the message does not name the file.
    """
    suffix = path.suffix.lower()
    if isinstance(without_clips(reader), RowReader) or suffix in reader.suffixes | others:
        return
    nouns = [modality.noun for modality in FILE_MODALITIES if suffix in modality.suffixes]
    nouns += ["tables"] if suffix in TABLE_SUFFIXES else []
    if nouns:
        kinds = " or ".join([", ".join(nouns[:-1]), nouns[-1]] if nouns[1:] else nouns)
        raise ValueError(f"{suffix} files are {kinds}; {describe_files(reader, others)}")
