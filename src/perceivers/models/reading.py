"""Which reader makes a model's examples of files. Imports no torch of its own."""

from collections.abc import Callable
from typing import Any

from ..data.readers import ImageReader, PointReader, Reader, SoundReader, TextReader
from .inputs import ImageConfig, InputConfig, MelConfig, PointsConfig, TextConfig

READERS: dict[type[InputConfig], Callable[[Any], Reader]] = {
    ImageConfig: lambda c: ImageReader(c.image_size, c.channels, c.patch_stride or c.patch_size),
    MelConfig: lambda c: SoundReader(
        c.num_samples, c.sample_rate, c.channels, c.hop_length * c.patch_frames
    ),
    PointsConfig: lambda c: PointReader(c.num_points, c.channels),
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
