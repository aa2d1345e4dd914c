"""From an example in any form to the arrays that a model takes."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..data.examples import middle_clip
from ..data.manifest import RowFiles
from ..modalities.accepts import check_suffix
from ..modalities.clips import without_clips
from ..modalities.files import LazyArray
from ..modalities.fusion.presence import PRESENT
from ..modalities.fusion.rows import Row, RowReader, array_readers
from ..modalities.image.reader import ImageReader
from ..modalities.notices import Notices, collecting
from ..modalities.reader import Example, Reader
from ..modalities.streaming import is_lazy
from ..modalities.table.config import TABLE_SUFFIXES
from ..modalities.text.reader import TextReader
from ..reading import Limits, check_limit, limits, limits_of, using

Prepared = Example | LazyArray | dict[str, Any]


class Preparer:
    """Decodes paths, bytes, open files, rows, arrays and Pillow images as in training.

    Args:
        reader: reader of the model's files, with or without clips.
        own_size: read each file whole.
        limits: the most that is read of one file, whatever else is set; None: the limits that hold
            when it is read, such as those of a service, or else the saved ones.
        saved: the limits that were saved with the model.
    """

    def __init__(
        self, reader: Reader, *, own_size: bool, limits: Limits | None, saved: Limits
    ) -> None:
        self.reader, self.own_size, self.limits, self.saved = reader, own_size, limits, saved
        self.notices = Notices()

    def reading(self) -> AbstractContextManager[None]:
        """Return a context in which the limits for reading examples hold."""
        return using(self.limits or limits_of(self.saved))

    def prepare(self, example: Any) -> Prepared:
        """Decode an example; see `Predictor.prepare`."""
        if _is_prepared(example) and not isinstance(self.reader, ImageReader):
            prepared: Prepared = example
            self._say("an array", _doubts(prepared, without_clips(self.reader)))
            return prepared
        return _writable(self._read(example))

    def sources(self, file: Path) -> Iterable[tuple[str, Any]]:
        """Return what is to be predicted of a file, as the arguments of `predict_sources`.

        Args:
            file: path of a file; of a table, each row is predicted if the model reads rows.
        """
        reader = without_clips(self.reader)
        if not isinstance(reader, RowReader) or file.suffix.lower() not in TABLE_SUFFIXES:
            return [(str(file), file)]
        try:
            with self.reading():
                return RowFiles.read(file, reader)
        except ValueError as error:
            return [(str(file), error)]

    def _read(self, example: Any) -> Prepared:
        if isinstance(without_clips(self.reader), RowReader) and is_row(example):
            example = Row.of(dict(example.items()))
        if hasattr(example, "read"):
            with self.reading():
                example = _content(example)
        if isinstance(example, bytearray | memoryview):
            example = bytes(example)
        if isinstance(example, str | Path | bytes | Row):
            return self._decode(example)
        is_array = isinstance(example, np.ndarray | Tensor)
        if not isinstance(self.reader, ImageReader) or not (is_array or _is_pillow(example)):
            raise ValueError(
                f"got {type(example).__name__}; expected a path or bytes of {self.reader.noun}, or "
                "a file opened for bytes"
            )
        if is_array:
            with collecting() as said:
                pixels = self.reader.from_pixels(np.asarray(example), whole=self.own_size)
            self._say("an array", said)
            return pixels
        return self.reader.from_image(example, whole=self.own_size)

    def _say(self, name: str, texts: list[str]) -> None:
        self.notices.add(name, texts)
        self.notices.log_first()

    def _decode(self, source: str | Path | bytes | Row) -> Prepared:
        decode: Any = self.reader.decode_whole if self.own_size else self.reader.decode
        name = "bytes"
        if not isinstance(source, bytes):
            name = source.name if isinstance(source, Row) else str(source)
        try:
            if isinstance(source, str | Path):
                check_suffix(Path(source), self.reader)
            with collecting() as said, self.reading():
                prepared: Prepared = decode(source)
            typed = isinstance(source, bytes) and isinstance(self.reader, TextReader)
            self._say("a text" if typed else name, [*said, *_constants(prepared, self.reader)])
            return prepared
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


def _content(file: Any) -> bytes:
    """Return the content of an open file, unless it is larger than the limit for whole files."""
    content = file.read(limits().file_bytes + 1)
    if not isinstance(content, bytes):
        raise ValueError(
            f"got a file that gives {type(content).__name__}; open it for bytes: open(path, 'rb')"
        )
    check_limit("file_bytes", len(content), "bytes in an open file", "Give its path")
    return content


def _constants(prepared: Prepared, reader: Reader) -> list[str]:
    """Say of which parts a decoded example tells nothing, because all their elements are equal."""
    if is_lazy(prepared):
        return []
    example: Any = prepared
    parts = _parts(middle_clip(example, reader))
    return [
        f"{f'({part}) ' if part else ''}is {part_reader.constant} once read"
        for part, part_reader in array_readers(without_clips(reader)).items()
        if np.all(parts.get(f"{part}{PRESENT}", True)) and part_reader.is_constant(parts[part])
    ]


def _parts(example: Prepared) -> dict[str, Any]:
    """Return the arrays of an example by part; "" is the part of an example of one modality."""
    return dict(example) if isinstance(example, dict) else {"": example}


def _doubts(example: Prepared, reader: Reader) -> list[str]:
    """Say what is unlikely of arrays that are taken as prepared."""
    parts = _parts(example)
    doubts = []
    for part, part_reader in array_readers(reader).items():
        array = parts.get(part)
        if isinstance(array, np.ndarray) and (doubt := part_reader.doubt(array)):
            doubts.append(doubt)
    return doubts


def _is_pillow(example: Any) -> bool:
    return hasattr(example, "getexif")


def _is_prepared(example: Any) -> bool:
    """Return whether an example is an array or a dictionary of arrays, not the cells of a row."""
    parts = example.values() if isinstance(example, dict) else [example]
    return any(isinstance(part, np.ndarray | LazyArray) for part in parts)


def _writable(prepared: Prepared) -> Prepared:
    """Return the same arrays, copied where they are read-only: decoders may share their memory."""
    if isinstance(prepared, dict):
        return {name: _writable(part) for name, part in prepared.items()}
    return (
        prepared
        if isinstance(prepared, LazyArray)
        else np.require(prepared, requirements=["C", "W"])
    )


def is_row(example: Any) -> bool:
    """Return whether an example is a dictionary by column, or a row of a pandas DataFrame."""
    return isinstance(example, Mapping) or (hasattr(example, "items") and hasattr(example, "index"))
