"""What is to be predicted: files, folders, patterns, texts and stdin, as single examples."""

import glob
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.folder import line_sources
from ..data.layout import find_manifest, is_hidden, used_suffixes, visible_files
from ..data.split_names import parse_split, split_of
from ..modalities.accepts import accepted_suffixes, describe_files
from ..modalities.clips import without_clips
from ..modalities.fusion.rows import RowReader
from ..modalities.reader import ArrayReader
from ..modalities.text.reader import TextReader
from ..reading import check_limit, limits
from .predictor import Predictor

log = logging.getLogger(__name__)

STDIN = "-"
MAX_NAMED = 5  # suffixes of unused files that are named


@dataclass(frozen=True)
class Input:
    """One example to predict."""

    name: str
    """Name of the file, or of the row of a table; "-" for stdin, empty for a text."""
    source: Any
    """What `Predictor.prepare` takes, or the ValueError that prevents it."""
    truth: str | None = None
    """The class, if the folder of the file is named after it."""
    text: str | None = None
    """The text itself, if it was given as such."""


def find_inputs(
    arguments: Sequence[str],
    predictor: Predictor,
    *,
    texts: Sequence[str] = (),
    stdin: Path | None = None,
) -> Iterator[Input]:
    """Yield the examples that arguments stand for, in a fixed order and one at a time.

    A folder stands for the files anywhere below it that the model reads, sorted by path; of a
    folder with a manifest, a model of tables reads the rows. If the name of a sub-folder is a
    class of the model, it is the truth of its files. A pattern (`*.png`) that is no file stands for
    the files that match it.

    Args:
        arguments: paths, patterns, or "-" for stdin: the bytes of a file, or one text.
        predictor: the predictor, which says what is read.
        texts: texts to predict after the files.
        stdin: a file that holds what is on stdin; None: it is read.

    Raises:
        ValueError: texts for a model that does not read texts.
    """
    reader = without_clips(predictor.reader)
    if texts and not isinstance(reader, TextReader):
        raise ValueError(f"got texts, but {describe_files(reader)}")
    for argument in arguments:
        if argument == STDIN:
            yield _of_stdin(stdin, predictor)
        elif not argument.strip():  # "$FILE" of a variable that is not set
            yield Input(
                argument, ValueError("an empty name; expected a file, a folder or a pattern")
            )
        else:
            for path in _matches(argument):
                yield from _of_path(path, predictor)
    for text in texts:
        yield Input("", text.encode(errors="surrogateescape"), text=text)


def read_stdin() -> bytes:
    """Return the bytes on stdin.

    Raises:
        ValueError: there are none, or more than `Limits.file_bytes`.
    """
    raw = sys.stdin.buffer.read(limits().file_bytes + 1) if sys.stdin else b""
    if not raw:
        raise ValueError("nothing on stdin; expected the bytes of a file")
    check_limit("file_bytes", len(raw), "bytes or more")
    return raw


def _of_stdin(file: Path | None, predictor: Predictor) -> Input:
    try:
        with predictor.reading():
            return Input(STDIN, read_stdin() if file is None else file)
    except ValueError as error:
        return Input(STDIN, error)


def _matches(argument: str) -> list[str]:
    """Return the paths that an argument stands for: itself, or those that match a pattern."""
    if not glob.has_magic(argument) or Path(argument).exists():
        return [argument]
    found = sorted(glob.glob(argument, recursive=True))
    return [path for path in found if not is_hidden(Path(path))] or [argument]


def _of_path(name: str, predictor: Predictor) -> Iterator[Input]:
    path = Path(name)
    if path.is_dir():
        yield from _of_folder(path, predictor)
    elif glob.has_magic(name) and not path.exists():
        yield Input(name, ValueError(f"{name}: no file matches this pattern"))
    else:
        yield from (Input(*pair) for pair in predictor.sources(path))


def _of_folder(folder: Path, predictor: Predictor) -> Iterator[Input]:
    reader = without_clips(predictor.reader)
    if isinstance(reader, RowReader) and (table := find_manifest(str(folder))):
        yield from (Input(*pair) for pair in predictor.sources(table))
        return
    lone = reader.lone_suffixes if isinstance(reader, ArrayReader) else frozenset()
    suffixes, used = used_suffixes([folder], accepted_suffixes(reader), lone), 0
    unused: Counter[str] = Counter()
    for name in sorted(
        map(str, visible_files(folder))
    ):  # text takes a tenth of the memory of paths
        path = Path(name)
        if path.suffix.lower() in suffixes:
            used += 1
            yield from _of_file(path, folder, predictor)
        else:
            unused[path.suffix.lower() or "without suffix"] += 1
    others = ", ".join(f"{count:,} {suffix}" for suffix, count in unused.most_common(MAX_NAMED))
    if not used:
        holds = f"holds only other files ({others})" if others else "holds no files"
        yield Input(str(folder), ValueError(f"{folder} {holds}; {describe_files(reader)}"))
    elif others:
        log.info("%s: files that are not predicted: %s; %s", folder, others, describe_files(reader))


def _of_file(path: Path, folder: Path, predictor: Predictor) -> Iterable[Input]:
    """Return a file of a folder, or the lines of a text file that is named after a class."""
    classes = predictor.labels if predictor.model.config.task == "classification" else ()
    parents = path.relative_to(folder).parent.parts
    while parents and parents[0] not in classes and split_of(parents[0]):
        parents = parents[1:]
    if parents and parents[0] not in classes and (parsed := parse_split(parents[0])):
        parents = (parsed[1], *parents[1:])  # "cats-test"
    if parents and parents[0] in classes:
        return [Input(str(path), path, parents[0])]
    if not parents and path.stem in classes and isinstance(predictor.reader, TextReader):
        try:
            with predictor.reading():
                return [Input(*source, path.stem) for source in line_sources(path)]
        except ValueError as error:
            return [Input(str(path), error)]
    return (Input(*pair) for pair in predictor.sources(path))
