"""Models with outputs of their own, neither classes nor numbers of a table: what they answer."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ..data.layout import visible_files
from ..exported import ExportedModel
from ..modalities import FileModality, build_reader, modality_of
from ..modalities.accepts import check_suffix
from ..modalities.files import PathOrBytes
from ..modalities.reader import Reader
from ..models.base import PerceiverModel
from ..reading import Limits, limits_of, using

Model = PerceiverModel | ExportedModel


@dataclass(frozen=True)
class Answer:
    """What a model gives for one example."""

    words: str
    """The answer in words."""
    data: Mapping[str, Any]
    """The answer as plain data, without what only `files` hold."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Contents of files, by the ends of their names: those about a/b.csv are b with these ends,
    such as "-forecast.csv"."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the files hold, as plain data for programs that take no files."""


@dataclass(frozen=True)
class Asked:
    """An example that a model is asked about."""

    name: str
    """Its name, to print."""
    stem: str
    """The beginning of the names of the files about it."""
    source: Any
    """What `Answerer.prepare` takes."""
    paths: tuple[Path, ...] = ()
    """The files that it is read from, which are not replaced."""
    named: Mapping[str, str] = field(default_factory=dict)
    """Its name as plain data, such as {"file": "a/b.csv"}."""


class Answerer(ABC):
    """Reads examples as in training, and answers with what the model gives for them.

    There is one subclass for each kind of output; `answerer` in `perceivers.predict.outputs`
    chooses it. `prepare` decodes, and `answer` runs the model, so that a service can do the two in
    different threads.

    Args:
        model: the model, or what it was exported to.
        limits: the limits that it was trained with.
        top_k: number of classes in an answer, of models that give classes beside other outputs.

    Raises:
        ValueError: answers of this kind cannot be given for the inputs of the model.
    """

    writes_files: ClassVar[bool] = True
    """Whether answers have files."""
    hint: ClassVar[str] = ""
    """What a user has to know to write a text for the model."""
    nothing_served: ClassVar[str] = ""
    """Why no service can answer with such models; empty: it can."""

    def __init__(self, model: Model, *, limits: Limits | None = None, top_k: int = 5) -> None:
        self.model, self.limits, self.top_k = model.eval(), limits or Limits(), top_k
        self.check()

    def check(self) -> None:  # noqa: B027
        """Raise a ValueError unless examples of the model's inputs can be answered."""

    @property
    def takes_texts(self) -> bool:
        """Whether an example may be a text that is typed, not only a file."""
        return False

    @property
    def more_suffixes(self) -> frozenset[str]:
        """Suffixes of files that are read besides those of the reader."""
        return frozenset()

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes or channels; empty if the outputs have no names."""
        return tuple(self.model.labels)

    @property
    def reader(self) -> Reader:
        """The reader of the files that the model reads."""
        return build_reader(self.model.config.input)

    def reading(self) -> AbstractContextManager[None]:
        """Return a context in which the limits for reading the examples hold."""
        return using(limits_of(self.limits))

    def prepare(self, source: Any) -> Any:
        """Decode an example.

        Args:
            source: path or bytes of a file; a text for a model of texts.

        Returns:
            What `answer` takes.

        Raises:
            ValueError: it cannot be read; the message does not name it.
        """
        if isinstance(source, Path):
            check_suffix(source, self.reader, self.more_suffixes)
        with self.reading():
            return self.read(source)

    @abstractmethod
    def read(self, source: PathOrBytes) -> Any:
        """Decode an example within the limits that hold; see `prepare`."""

    @abstractmethod
    def answer(self, example: Any) -> Answer:
        """Run the model on an example that `prepare` returned.

        Raises:
            ValueError: the model cannot take this example; the message does not name it.
        """

    def predict_prepared(self, examples: Sequence[Any], *, top_k: int = 5) -> list[Answer]:
        """Answer several examples, one after another; `top_k` is that of the answerer."""
        return [self.answer(example) for example in examples]

    def asked(self, names: Sequence[str], texts: Sequence[str] = ()) -> Iterator[Asked]:
        """Return the examples that arguments of a command stand for.

        Args:
            names: paths of files, or of folders, of which all files are taken that the model reads.
            texts: texts that were typed.

        Raises:
            ValueError: a folder holds no such files, or the model reads no texts.
        """
        if texts and not self.takes_texts:
            raise ValueError("--text is for models that classify or complete texts; give files")
        for name in self._files(names):
            path = Path(name)
            yield Asked(name, path.stem, path, (path,), {"file": name})
        for number, text in enumerate(texts, 1):
            yield Asked("--text", f"text-{number}", text.encode(errors="surrogateescape"))

    def _files(self, names: Sequence[str]) -> Iterator[str]:
        modality = modality_of(self.model.config.input)
        suffixes = modality.suffixes if isinstance(modality, FileModality) else frozenset()
        for name in names:
            if not Path(name).is_dir():
                yield name
                continue
            files = [f for f in visible_files(Path(name)) if f.suffix.lower() in suffixes]
            if not files:
                raise ValueError(f"{name} holds no files that this model reads; give other files")
            yield from sorted(map(str, files))
