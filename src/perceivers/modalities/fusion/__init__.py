"""Several modalities in one input: a raw batch is a dictionary of the batches of its parts."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..augmentation import AugmentationConfig
from ..config import InputConfig
from ..label.config import LabelConfig
from ..modality import Modality, modality_of
from ..table.config import TabularConfig
from .config import FusionConfig, FusionOutputConfig, RowsConfig

if TYPE_CHECKING:
    from ..adapter import Adapter
    from ..reader import ArrayReader
    from ..sound.reader import SoundReader
    from ..table.reader import CellReader
    from ..video.reader import VideoReader
    from .adapter import FusionAdapter
    from .output import FusionOutput
    from .reader import FusionReader
    from .rows import RowReader


class Fusion(Modality):
    """Several modalities, read from the tracks of one file or from the columns of a table."""

    configs = (FusionConfig, RowsConfig)
    outputs = (FusionOutputConfig,)

    @override
    def adapter(self, config: Any) -> "FusionAdapter":
        from .adapter import FusionAdapter

        parts = {name: modality_of(part).adapter(part) for name, part in config.parts.items()}
        return FusionAdapter(**{**config.adapter_options(), "parts": parts})

    @override
    def output(self, config: Any, adapter: "Adapter") -> "FusionOutput":
        from .output import FusionOutput

        parts = {n: modality_of(part).output(part, adapter) for n, part in config.parts.items()}
        return FusionOutput(**{**config.options(), "parts": parts})

    @override
    def reader(self, config: Any) -> "FusionReader | RowReader":
        from .reader import FusionReader
        from .rows import RowReader

        if isinstance(config, RowsConfig):
            parts = {name: _column_reader(config, name) for name in config.parts}
            return RowReader(parts, config.files, config.texts)
        # The class of an example is not in its file; it is unknown.
        tracks = [n for n, part in config.parts.items() if not isinstance(part, LabelConfig)]
        return FusionReader({name: _track_reader(config, name) for name in tracks})

    @override
    def measure(self, config: Any, sources: Callable[[], Sequence[Any]]) -> tuple[Any, list[str]]:
        """Measure each part in its own files: those of its column, or all of them."""
        parts: dict[str, InputConfig] = {}
        lines: list[str] = []
        for name, part in config.parts.items():
            column = config.files.get(name, "") if isinstance(config, RowsConfig) else None
            files = functools.partial(_files_of, sources, column)
            parts[name], measured = modality_of(part).measure(part, files)
            lines += [f"{name}: {line}" for line in measured]
        return replace(config, parts=parts) if lines else config, lines

    @override
    def for_labels(self, config: Any, task: str, count: int) -> Any:
        parts = {
            name: modality_of(part).for_labels(part, task, count)
            for name, part in config.parts.items()
        }
        return replace(config, parts=parts)

    @override
    def shading(self, config: Any) -> str:
        parts: Mapping[str, InputConfig] = config.parts
        return " ".join(dict.fromkeys(modality_of(p).shading(p) for p in parts.values()))

    @override
    def aspect(self, example: Any, config: Any) -> float:
        from .draw import aspect

        return aspect(example, config)

    @override
    def draw(self, figure: Any, example: Any, values: Any, config: Any) -> None:
        from .draw import draw

        draw(figure, example, values, config)

    @override
    def words(self, example: Any, config: Any) -> str | None:
        from .draw import words

        return words(example, config)

    @override
    def animation(self, example: Any, values: Any, config: Any) -> bytes | None:
        from .draw import animation

        return animation(example, values, config)

    @override
    def augmentations(self, config: Any) -> frozenset[str]:
        parts: Mapping[str, InputConfig] = config.parts
        return frozenset().union(*(modality_of(p).augmentations(p) for p in parts.values()))

    @override
    def augment(self, batch: Any, config: Any, augmentation: AugmentationConfig) -> Any:
        """Augment each part independently; the masks of missing parts stay as they are."""
        parts: Mapping[str, InputConfig] = config.parts
        return {
            name: modality_of(parts[name]).augment(x, parts[name], augmentation)
            if name in parts
            else x
            for name, x in batch.items()
        }

    @override
    def augmentation_words(self, config: Any, augmentation: AugmentationConfig) -> list[str]:
        words = [
            word
            for part in config.parts.values()
            for word in modality_of(part).augmentation_words(part, augmentation)
        ]
        if dropped := [name for name, probability in config.dropout.items() if probability]:
            words.append(f"leaving out {' or '.join(dropped)}")
        return list(dict.fromkeys(words))

    @override
    def augmentation_remarks(self, config: Any, augmentation: AugmentationConfig) -> list[str]:
        return [
            f"{name}: {remark}"
            for name, part in config.parts.items()
            for remark in modality_of(part).augmentation_remarks(part, augmentation)
        ]

    @override
    def unmixable(self, config: Any) -> str:
        names = (modality_of(part).unmixable(part) for part in config.parts.values())
        return next((name for name in names if name), "")


def _files_of(sources: Callable[[], Sequence[Any]], column: str | None) -> Sequence[Any]:
    """Return the files of a column of rows; None: the sources are the files."""
    if column is None:
        return sources()
    cells = ((row.folder, row.cells.get(column)) for row in sources())
    return [folder / cell for folder, cell in cells if cell is not None]


def _track_reader(config: FusionConfig, name: str) -> "SoundReader | VideoReader":
    """Build the reader of one track of a file."""
    from ..sound.reader import SoundReader
    from ..video.reader import VideoReader

    reader = modality_of(config.parts[name]).reader(config.parts[name])
    if not isinstance(reader, SoundReader | VideoReader):
        raise ValueError(
            f"part {name!r} is read from {reader.noun}, one file each; only the sound and pictures "
            "of one file can be read together. Pass tensors instead: model(batch)"
        )
    return reader


def _column_reader(config: RowsConfig, name: str) -> "ArrayReader | CellReader":
    """Build the reader of one part of a row."""
    from ..reader import ArrayReader
    from ..table.reader import CellReader

    part = config.parts[name]
    if isinstance(part, TabularConfig):
        return CellReader(part.numeric, part.categorical, part.categories, part.number_formats)
    if isinstance(part, FusionConfig):
        raise ValueError(
            f"part {name!r} is itself made of the parts {', '.join(part.parts)}; make each of them "
            "a part of the rows, and name the same column for all in model.input.files"
        )
    reader = modality_of(part).reader(part)
    if not isinstance(reader, ArrayReader) or name not in {**config.files, **config.texts}:
        raise ValueError(
            f"part {name!r} reads {reader.noun}, but neither model.input.files nor "
            "model.input.texts names a column for it"
        )
    return reader
