"""Readers of files that hold what is to be predicted of each element, such as its class."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from typing_extensions import override

from ..errors import listed, unknown
from .files import PathOrBytes
from .notices import notice
from .reader import ArrayReader, Example, Examples, Reader

# B examples · E places that can have a label: points, bytes or pixels

IGNORED = -1  # the class of a place without a label
CONTENT, LABELS = "content", "labels"  # parts of an example
MAX_CLASSES = 1000
NAMES_FILE = "classes.txt"  # beside the files
MAX_VALUE = 2**53  # of a label; larger floats are no exact whole numbers

NamedSource = tuple[str, Any]  # name for messages; what is decoded


@dataclass(frozen=True)
class TargetReader(Reader):
    """Decodes files to examples that hold what is to be predicted of their elements.

    An example is {"content": what `reader` decodes, "labels": an array of the targets}.
    """

    reader: ArrayReader
    """The reader of the files without their targets."""

    @property
    @override
    def noun(self) -> str:
        return self.reader.noun

    @property
    @override
    def suffixes(self) -> frozenset[str]:
        return self.reader.suffixes

    @property
    @override
    def nbytes(self) -> int:
        return 2 * self.reader.nbytes

    @property
    @override
    def has_clips(self) -> bool:
        return False

    @property
    @abstractmethod
    def layout(self) -> str:
        """Say where targets are expected, for messages."""

    def sources(self, path: Path) -> list[NamedSource]:
        """Return the examples of a file; none if it holds targets of another file.

        Raises:
            ValueError: the file cannot be read; the message names it.
        """
        return [(str(path), str(path))]

    def files_of(self, source: Any) -> tuple[Path, ...]:
        """Return the files that one of `sources` is read from."""
        return (Path(source),)

    @abstractmethod
    def targets(self, examples: Examples) -> Tensor:
        """Return the targets of decoded examples, (B, …)."""

    @abstractmethod
    @override
    def decode(self, source: Any) -> dict[str, np.ndarray]: ...

    @override
    def decode_whole(self, source: PathOrBytes) -> Example:
        raise ValueError("a whole file has no labels here; leave out own_size")

    @override
    def clips(self, source: PathOrBytes, count: int) -> Example:
        raise ValueError(f"labelled {self.noun} have no clips; leave clips out")

    @override
    def batch(self, examples: Examples) -> Any:
        assert isinstance(examples, dict)
        return self.reader.batch(examples[CONTENT])

    @override
    def lengths(self, examples: Examples) -> Tensor | None:
        assert isinstance(examples, dict)
        return self.reader.lengths(examples[CONTENT])


@dataclass(frozen=True)
class LabelledReader(TargetReader):
    """Decodes files to examples whose elements have classes.

    The labels of an example are int16 (E): the index of a class, or -1 where there is none. Each
    modality with labels derives its own reader.
    """

    classes: tuple[str, ...] = ()
    """Names of the classes in the order of their indices."""
    names: Mapping[int, str] = field(default_factory=dict)
    """Names of the values that stand for classes in files; empty: a class is named by its value."""
    label: str | None = None
    """Name of what holds the labels, where they have a name; None: it is recognised."""

    unnamed: ClassVar[str] = ""
    """Where the labels are, if they have no name."""

    @abstractmethod
    def survey(self, source: PathOrBytes) -> Counter[str]:
        """Count the labels of an example by the name of their class, without decoding the rest.

        Raises:
            ValueError: the labels cannot be read, or do not fit the example.
        """

    def companions(self, path: Path) -> tuple[Path, ...]:
        """Return the files that are read with a file of `sources`, such as its mask."""
        return ()

    def unused_class_words(self, name: str) -> str:
        """Return what may be why no element has a named class; it follows a sentence."""
        return ""

    @override
    def targets(self, examples: Examples) -> Tensor:
        """Return the index of the class of each element, int64 (B, E), padded with -1."""
        assert isinstance(examples, dict)
        return _padded(examples[LABELS])

    def indices(self, values: np.ndarray) -> np.ndarray:
        """Return the index of the class of each value, int16; those below 0 have no label.

        Raises:
            ValueError: a value stands for no class.
        """
        found = np.full(values.shape, IGNORED, np.int16)
        if (unlabelled := values < 0).any():
            which = "no element with a label" if unlabelled.all() else "elements without a label"
            notice(f"has {which}, of which nothing is learned or scored")
        for value in np.unique(values[values >= 0]).tolist():
            name = self.name_of(value)
            if name not in self.classes:
                raise unknown("class of elements", name, self.classes)
            found[values == value] = self.classes.index(name)
        return found

    def name_of(self, value: int) -> str:
        """Return the name of the class that a value stands for.

        Raises:
            ValueError: classes have names, and this one has none.
        """
        if self.names and value not in self.names:
            raise ValueError(
                f"label {value} has no name; the names are of {listed(map(str, self.names))}: add "
                "it to the file of names, or correct the label"
            )
        return self.names.get(value, str(value))

    def count(self, values: np.ndarray) -> Counter[str]:
        """Count values (E,) by the name of their class; those below 0 have no label."""
        found, counts = np.unique(values[values >= 0], return_counts=True)
        if len(found) > MAX_CLASSES:
            raise ValueError(
                f"{len(found):,} different labels; expected at most {MAX_CLASSES} classes: numbers "
                "that were measured are no classes"
            )
        pairs = zip(found.tolist(), counts.tolist(), strict=True)
        return Counter({self.name_of(value): count for value, count in pairs})


def whole_numbers(values: np.ndarray, what: str) -> np.ndarray:
    """Return labels as int64; NaN becomes -1.

    Args:
        values: labels as they are stored.
        what: what they are called in messages.

    Raises:
        ValueError: some are no whole numbers.
    """
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{what} is {values.dtype}; expected whole numbers")
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), IGNORED, values.astype(np.float64))
        if (wrong := (values != np.round(values)) | (np.abs(values) > MAX_VALUE)).any():
            raise ValueError(
                f"{what} holds {values[wrong][0]:g}; expected whole numbers, one for each class"
            )
    elif values.dtype == np.uint64 and (wrong := values > MAX_VALUE).any():
        raise ValueError(f"{what} holds {values[wrong][0]}; expected the small numbers of classes")
    return values.astype(np.int64)


def split_labels(examples: Examples, reader: Reader | None, labels: Tensor) -> tuple[Any, Tensor]:
    """Return the raw batch of examples, and their labels.

    Args:
        examples: examples as the reader decodes them.
        reader: the reader; None: examples are used as they are.
        labels: labels of the examples, (B, …), which the targets of a `TargetReader` replace.

    Returns:
        The raw batch, and labels (B, …).
    """
    if isinstance(reader, TargetReader):
        labels = reader.targets(examples)
    return reader.batch(examples) if reader else examples, labels


def without_labels(reader: Reader) -> Reader:
    """Return the reader inside a `TargetReader`; any other reader is returned unchanged."""
    return reader.reader if isinstance(reader, TargetReader) else reader


def _padded(labels: Tensor | Sequence[Tensor]) -> Tensor:
    if isinstance(labels, Tensor):
        return labels.long()
    return pad_sequence([x.long() for x in labels], batch_first=True, padding_value=IGNORED)


def read_names(folder: Path) -> dict[int, str]:
    """Read the names of classes by their value from `classes.txt` in a folder, if there is one.

    Line i, counted from 0, has the name of the classes that value i stands for.

    Raises:
        ValueError: the file cannot be read, a name is there twice, or a line before others is
            empty.
    """
    from .text.decode import decode

    path = folder / NAMES_FILE
    if not path.exists():
        return {}
    try:
        lines = decode(path).rstrip("\n").split("\n")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    names = {value: line.strip() for value, line in enumerate(lines) if line.strip()}
    if names and len(names) <= max(names):
        value = next(value for value in range(max(names)) if value not in names)
        raise ValueError(
            f"{path}: line {value + 1} is empty, so that value {value} has no name, and "
            "predictions could not have the values of the classes; name it, such as unused"
        )
    if twice := [name for name, count in Counter(names.values()).items() if count > 1]:
        raise ValueError(f"{path}: {twice[0]!r} is there twice; expected each class once")
    return names
