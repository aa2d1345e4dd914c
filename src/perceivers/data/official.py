"""Sound and text data sets in the file layout of their authors: FSDD and rt-polarity."""

import re
from pathlib import Path

import torch

from ..modalities.reader import Reader
from ..modalities.sound.reader import SoundReader
from ..modalities.text.decode import decode_lines
from ..modalities.text.reader import TextReader
from ..reading import file_errors
from .file_examples import FileExamples, FileSplits, NamedSource

RECORDING = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav")
TEST_RECORDINGS = 5  # recordings 0 to 4 of each speaker and digit are the official test split
POLARITY = {"negative": "rt-polarity.neg", "positive": "rt-polarity.pos"}


def has_official_files(name: str, path: Path) -> bool:
    """Return whether `path` holds official files of the data set that `read_official` can read."""
    if name == "fsdd":
        return bool(_recordings(path))
    return name == "rt-polarity" and all((path / file).is_file() for file in POLARITY.values())


def read_official(
    name: str, path: Path, reader: Reader, *, strict: bool
) -> tuple[FileSplits, tuple[str, ...]]:
    """Return the splits and the class names of "fsdd" or "rt-polarity".

    Args:
        name: name of the data set.
        path: folder of its files; for "fsdd" also the folder above "recordings".
        reader: sound reader for "fsdd", text reader for "rt-polarity".
        strict: stop at an unreadable file instead of skipping it.

    Returns:
        The examples of each split ("train", for "fsdd" also "test"), and the class names.

    Raises:
        ValueError: the reader is of another modality, or a text file is damaged.
    """
    expected = SoundReader if name == "fsdd" else TextReader
    if not isinstance(reader, expected):
        raise ValueError(
            f"{name} holds {expected.noun}, and the model reads {reader.noun}; choose a model with "
            "another input, or other data"
        )
    if name == "fsdd":
        return _read_fsdd(path, reader, strict)
    files: list[NamedSource] = []
    numbers: list[int] = []
    for number, file in enumerate(POLARITY.values()):
        with file_errors(path / file, "file of texts"):
            lines = decode_lines(path / file)
        files += [(f"{path / file} line {i}", line.encode()) for i, line in enumerate(lines, 1)]
        numbers += [number] * len(lines)
    return {"train": _file_examples(files, numbers, reader, strict)}, tuple(POLARITY)


def _read_fsdd(path: Path, reader: Reader, strict: bool) -> tuple[FileSplits, tuple[str, ...]]:
    """Return the splits of the Free Spoken Digit Dataset, {digit}_{speaker}_{index}.wav."""
    splits: FileSplits = {}
    for split in ("train", "test"):
        recordings = [
            (file, int(match[1]))
            for file, match in _recordings(path)
            if (int(match[3]) < TEST_RECORDINGS) == (split == "test")
        ]
        files: list[NamedSource] = [(str(file), str(file)) for file, _ in recordings]
        digits = [digit for _, digit in recordings]
        splits[split] = _file_examples(files, digits, reader, strict)
    return splits, tuple("0123456789")


def _recordings(path: Path) -> list[tuple[Path, re.Match[str]]]:
    """Return the recordings of FSDD, each with the parts of its name; empty if there are none."""
    folder = path / "recordings" if (path / "recordings").is_dir() else path
    if not folder.is_dir():
        return []
    matches = ((file, RECORDING.fullmatch(file.name)) for file in sorted(folder.iterdir()))
    return [(file, match) for file, match in matches if match]


def _file_examples(
    files: list[NamedSource], numbers: list[int], reader: Reader, strict: bool
) -> FileExamples:
    return FileExamples(files, torch.tensor(numbers), torch.arange(len(files)), reader, strict)
