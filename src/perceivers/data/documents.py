"""Texts without labels, for a model that continues them: documents and windows."""

import logging
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path

import torch
from typing_extensions import override

from ..hub import not_found
from ..modalities.reader import Example
from ..modalities.text.decode import OFFSET, PAD, decode, encode
from ..modalities.text.reader import TextReader
from .assignment import assign, find_saved, first_scored, make_record
from .config import DataConfig
from .examples import Batch, ExampleSet
from .folder import line_sources
from .hold_out import hold_out_missing, whole
from .identity import Identity, hash_bytes
from .layout import is_hidden, visible_files
from .official import POLARITY, has_official_files
from .saved_splits import SavedSplits
from .split_names import splits_of
from .splits import Splits

log = logging.getLogger(__name__)

MIN_FILES = 10  # files from which on whole files are held out, not lines of them
NAMES = ("texts",)  # of the one class that all documents have in `splits.json`

# n windows · S bytes of a window · T bytes of a split


class Documents(ExampleSet):
    """Texts of a split, in order: files, or lines of files.

    Args:
        names: name of each.
        texts: their UTF-8 bytes.
        by: what a document is recognised by when the data is read again: its name or its content.
    """

    def __init__(self, names: Sequence[str], texts: Sequence[bytes], by: str) -> None:
        self._names, self.texts, self.by = list(names), list(texts), by
        self.labels = torch.zeros(len(self._names), dtype=torch.int64)

    @override
    def __getitems__(self, indices: Sequence[int]) -> Batch:
        texts = [self.texts[index] for index in indices]
        return encode(texts, max([1, *map(len, texts)])), self.labels[torch.as_tensor(indices)]

    @override
    def example(self, index: int) -> Example:
        ids, _ = self.__getitems__([index])
        array: Example = ids[0].numpy()
        return array

    @override
    def subset(self, indices: Sequence[int]) -> "Documents":
        chosen = sorted(indices)  # neighbours stay neighbours
        return Documents(self.names(chosen), [self.texts[i] for i in chosen], self.by)

    @override
    def names(self, indices: Sequence[int]) -> list[str]:
        return [self._names[index] for index in indices]

    @override
    def identities(self) -> list[Identity]:
        return [
            Identity(name, hash_bytes(text), self.by)  # type: ignore[arg-type]
            for name, text in zip(self._names, self.texts, strict=True)
        ]

    def joined(self) -> bytes:
        r"""Return all texts as one, each ended by "\n"."""
        return b"".join(text + b"\n" for text in self.texts)


class Windows(ExampleSet):
    r"""Windows of a text, in which each byte of the text is predicted exactly once.

    The text is preceded by "\n", from which its first byte is predicted. The raw batch of a window
    is its ids (B, S), padded at the front; its label is the number of its last bytes that are to be
    predicted.

    Args:
        text: the bytes of the text.
        size: S, bytes of a window.
        step: number of bytes that are predicted in a window, less than S.
        trained_on: the text that a model was trained on, for rivals to learn from; empty: it is
            not known.
    """

    def __init__(self, text: bytes, size: int, step: int, trained_on: bytes) -> None:
        self.text, self.size, self.step, self.trained_on = text, size, step, trained_on
        whole = torch.frombuffer(bytearray(b"\n" + text), dtype=torch.uint8)
        self._ids = torch.cat([torch.full((size,), PAD), whole.to(torch.int16) + OFFSET])
        self._ids = self._ids.to(torch.int16)
        self.ends = torch.arange(0, len(text), step) + step  # of each window, in the text
        self.ends[-1] = len(text)
        self.labels = torch.full((len(self.ends),), step)
        self.labels[-1] = len(text) - (len(self.ends) - 1) * step

    @override
    def __getitems__(self, indices: Sequence[int]) -> Batch:
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        last = self.ends[chosen, None] + self.size + 1
        places = last + torch.arange(-self.size, 0)
        return self._ids[places].long(), self.labels[chosen]

    @override
    def subset(self, indices: Sequence[int]) -> "Windows":
        """Return some of the windows; the text is then the bytes that they predict."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        part = copy(self)
        part.ends, part.labels = self.ends[chosen], self.labels[chosen]
        ends, counts = part.ends.tolist(), part.labels.tolist()
        runs = zip(ends, counts, strict=True)
        part.text = b"".join(self.text[end - count : end] for end, count in runs)
        return part

    @override
    def identities(self) -> list[Identity]:
        """Return names alone: windows overlap, and their documents are what is recognised."""
        return [Identity(name, "", "position") for name in self.names(range(len(self)))]

    @override
    def example(self, index: int) -> Example:
        ids, _ = self.__getitems__([index])
        array: Example = ids[0].numpy()
        return array


def read_documents(
    config: DataConfig,
    reader: TextReader,
    *,
    step: int,
    hold_out: bool = True,
    saved: SavedSplits | None = None,
    scored: bool = False,
    identify: bool = False,
) -> Splits:
    """Read texts without labels, and hold out documents for validation and testing.

    Documents are the files of a folder if it has at least `MIN_FILES`, else the lines of all files
    that are not white space alone. Sub-folders named like splits are splits.

    Args:
        config: path of the data and the fractions to hold out.
        reader: its `max_length` is the size of a window.
        step: number of bytes that are predicted in a window.
        hold_out: hold out a test and a validation split if the data has none of its own.
        saved: the splits of a run, whose documents are found in the data.
        scored: return only the split to score a model on.
        identify: whether `Splits.record` is filled in.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: it holds no texts, a file is no text, or a split would be empty.
    """
    if config.task not in ("auto", "language"):
        raise ValueError(
            f"data.task={config.task}, but the model continues texts and reads no labels; leave it "
            "out, or choose another recipe"
        )
    loaded = _load(config, reader)
    labels = {name: documents.labels for name, documents in loaded.items()}
    if saved is not None:
        chosen = find_saved(saved, loaded, NAMES, config.path)
    else:
        chosen = hold_out_missing(labels, config) if hold_out else whole(labels)
    splits = {name: x for name, x in assign(loaded, chosen).items() if isinstance(x, Documents)}
    texts = {name: documents.joined() for name, documents in splits.items()}
    for name, text in texts.items():
        if not text.strip():
            raise ValueError(f"the {name} split has no text; add some, or hold out another part")
    record = saved
    if identify and saved is None:
        record = make_record(loaded, chosen, NAMES, config.path)
    trained_on = texts.get("train", b"") if hold_out else b""  # else it is other data
    if scored:
        texts = {name: texts[name] for name in first_scored(chosen)}
    sizes = ", ".join(f"{len(text):,} {name}" for name, text in texts.items())
    log.info("data: %s bytes of text", sizes)
    windows: dict[str, ExampleSet] = {
        name: Windows(text, reader.max_length, step, trained_on) for name, text in texts.items()
    }
    return Splits(windows, (), (), "language", record)


def _load(config: DataConfig, reader: TextReader) -> Mapping[str, Documents]:
    """Return the documents of each split that the data has of its own."""
    if config.path is None:
        raise ValueError("no data given; point at a text file or a folder of them: --data PATH")
    path = Path(config.path).expanduser()
    if not path.exists():
        raise not_found("file or folder", config.path)
    if path.is_file():
        return {"train": _documents([path])}
    if has_official_files("rt-polarity", path):
        return {"train": _documents([path / name for name in POLARITY.values()])}
    folders = sorted(f for f in path.iterdir() if f.is_dir() and not is_hidden(f))
    named = splits_of([folder.name for folder in folders])
    places = {split: path / name for name, split in named.items()} or {"train": path}
    found = {}
    for split, place in places.items():
        files = sorted(f for f in visible_files(place) if f.suffix.lower() in reader.suffixes)
        if not files:
            raise ValueError(
                f"{place} has no texts; expected files that end in "
                f"{' or '.join(sorted(reader.suffixes))}, or a text file"
            )
        found[split] = _documents(files)
    return found


def _documents(files: Sequence[Path]) -> Documents:
    """Return files as documents, or the lines of them if they are few."""
    if len(files) < MIN_FILES:
        lines = [line for file in files for line in line_sources(file)]
        return Documents([name for name, _ in lines], [text for _, text in lines], "content")
    texts = []
    for file in files:
        try:
            texts.append(decode(file).encode())
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None
    return Documents([str(file) for file in files], texts, "name")
