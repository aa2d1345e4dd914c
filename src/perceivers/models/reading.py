"""Which reader makes a model's examples of files. Imports no torch of its own."""

from collections.abc import Callable
from typing import Any

from ..data.clip_readers import SoundReader, VideoReader
from ..data.composed import FusionReader
from ..data.reader import ArrayReader, Reader
from ..data.readers import ImageReader, PointReader, TextReader
from ..data.rows import CellReader, RowReader
from .inputs import (
    AudioConfig,
    FusionConfig,
    ImageConfig,
    InputConfig,
    MelConfig,
    PointsConfig,
    RowsConfig,
    TabularConfig,
    TextConfig,
    VideoConfig,
)

READERS: dict[type[InputConfig], Callable[[Any], Reader]] = {
    ImageConfig: lambda c: ImageReader(c.image_size, c.channels, c.patch_stride or c.patch_size),
    AudioConfig: lambda c: SoundReader(
        c.num_samples, c.sample_rate, c.channels, c.patch_stride or c.patch_size, c.own_length
    ),
    MelConfig: lambda c: SoundReader(
        c.num_samples, c.sample_rate, c.channels, c.hop_length * c.patch_frames, c.own_length
    ),
    VideoConfig: lambda c: VideoReader(
        c.num_frames, c.image_size, c.channels, c.seconds, c.patch_frames, c.own_length
    ),
    FusionConfig: lambda c: FusionReader({name: _of_a_file(c, name) for name in c.parts}),
    RowsConfig: lambda c: RowReader(
        {name: _of_a_row(c, name) for name in c.parts}, c.files, c.texts
    ),
    PointsConfig: lambda c: PointReader(
        c.num_points, c.channels, c.own_length, c.size_channel, c.neighbours
    ),
    TextConfig: lambda c: TextReader(c.max_length),
}


def reader_of(config: InputConfig) -> Reader:
    """What reads files for a model of this input; ValueError if nothing does."""
    if type(config) not in READERS:
        kind = getattr(config, "kind", type(config).__name__)
        raise ValueError(
            f"this model reads {kind} batches, for which there are no files yet: give it tensors, "
            "model(batch)"
        )
    return READERS[type(config)](config)


def _of_a_file(config: FusionConfig, name: str) -> SoundReader | VideoReader:
    """The reader of one modality of a file that holds several."""
    reader = reader_of(config.parts[name])
    if not isinstance(reader, SoundReader | VideoReader):
        raise ValueError(
            f"{name} is read from {reader.noun}, one file each; only sound and pictures of one "
            "file are read together: give the model tensors, model(batch)"
        )
    return reader


def _of_a_row(config: RowsConfig, name: str) -> ArrayReader | CellReader:
    """The reader of one part of a row."""
    part = config.parts[name]
    if isinstance(part, TabularConfig):
        return CellReader(part.numeric, part.categorical, part.categories)
    reader = reader_of(part)
    if not isinstance(reader, ArrayReader) or name not in {**config.files, **config.texts}:
        raise ValueError(
            f"part {name!r} reads {reader.noun}, but model.input.files and model.input.texts name "
            "no column of them, one array a cell"
        )
    return reader
