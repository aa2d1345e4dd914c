"""Published sets of sound and text as their authors lay them out."""

import re
from pathlib import Path

import torch

from ..modalities.reader import Reader
from ..modalities.sound.reader import SoundReader
from ..modalities.text.decode import decode_lines
from ..modalities.text.reader import TextReader
from .examples import FileExamples, NamedSource, Tables

RECORDING = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav")
TEST_RECORDINGS = 5  # of each speaker and digit the first: upstream's test split
POLARITY = {"negative": "rt-polarity.neg", "positive": "rt-polarity.pos"}


def has_official_files(name: str, path: Path) -> bool:
    """Whether the set of this name lies there as published."""
    if name == "fsdd":
        return bool(_recordings(path))
    return name == "rt-polarity" and all((path / file).is_file() for file in POLARITY.values())


def read_official(
    name: str, path: Path, reader: Reader, *, strict: bool
) -> tuple[Tables, tuple[str, ...]]:
    """Tables by split and the class names of "fsdd" or "rt-polarity".

    Raises:
        ValueError: the reader is of another modality, or a text is damaged.
    """
    wanted = SoundReader if name == "fsdd" else TextReader
    if not isinstance(reader, wanted):
        raise ValueError(f"{name} holds {wanted.noun}, and the model reads {reader.noun}")
    if name == "fsdd":
        return _fsdd(path, reader, strict)
    files: list[NamedSource] = []
    numbers: list[int] = []
    for number, file in enumerate(POLARITY.values()):
        lines = decode_lines(path / file)
        files += [(f"{path / file} line {i}", line.encode()) for i, line in enumerate(lines, 1)]
        numbers += [number] * len(lines)
    return {"train": _table(files, numbers, reader, strict)}, tuple(POLARITY)


def _fsdd(path: Path, reader: Reader, strict: bool) -> tuple[Tables, tuple[str, ...]]:
    """Free Spoken Digit Dataset: {digit}_{speaker}_{index}.wav."""
    tables: Tables = {}
    for split in ("train", "test"):
        chosen = [
            (file, int(match[1]))
            for file, match in _recordings(path)
            if (int(match[3]) < TEST_RECORDINGS) == (split == "test")
        ]
        files: list[NamedSource] = [(str(file), str(file)) for file, _ in chosen]
        tables[split] = _table(files, [digit for _, digit in chosen], reader, strict)
    return tables, tuple("0123456789")


def _recordings(path: Path) -> list[tuple[Path, re.Match[str]]]:
    folder = path / "recordings" if (path / "recordings").is_dir() else path
    if not folder.is_dir():
        return []
    found = ((file, RECORDING.fullmatch(file.name)) for file in sorted(folder.iterdir()))
    return [(file, match) for file, match in found if match]


def _table(
    files: list[NamedSource], numbers: list[int], reader: Reader, strict: bool
) -> FileExamples:
    return FileExamples(files, torch.tensor(numbers), torch.arange(len(files)), reader, strict)
