"""Files rebuilt by autoencoders of one modality: images, sounds and films."""

import io
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..files import write_atomically
from ..modalities import AudioConfig, ImageConfig, InputConfig, VideoConfig, build_reader
from ..modalities.image.opening import pillow
from ..modalities.reader import Example, collate, to_device
from ..modalities.video.decode import probe
from ..modalities.video.encode import write_mkv
from ..models.base import PerceiverModel
from .film import psnr

WHITE = 255


@dataclass(frozen=True)
class RebuiltFile:
    """A file as a model rebuilds it."""

    file: str
    """The file."""
    psnr: float
    """Peak signal-to-noise ratio to what the model read of it, in dB, with a peak of 1."""
    written: Path
    """The rebuilt file."""


@torch.inference_mode()
def rebuild(model: PerceiverModel, example: Example) -> Example:
    """Return what an autoencoder makes of an example, in the form of the example.

    Args:
        model: a model of the task reconstruction.
        example: an example as its reader decodes it. Parts that are not rebuilt stay as they are.
    """
    batch: Any = build_reader(model.config.input).batch(collate([example]))
    outputs = model.eval()(to_device(batch, next(model.parameters()).device))
    if isinstance(example, dict):
        rebuilt = {name: _like(example[name], outputs[name]) for name in outputs if name in example}
        return {**example, **rebuilt}
    return _like(example, outputs)


def _like(example: np.ndarray, output: torch.Tensor) -> np.ndarray:
    """Return an output of one example with the type and the shape of the example."""
    values = output[0].float().cpu().numpy().reshape(example.shape)
    if example.dtype == np.uint8:
        return np.rint(WHITE * values.clip(0, 1)).astype(np.uint8)
    return values.astype(example.dtype)


def rebuild_file(model: PerceiverModel, source: Path, folder: Path) -> RebuiltFile:
    """Rebuild what a model reads of a file, and write it as a file of the same modality.

    Args:
        model: an autoencoder of images, sounds or films.
        source: the file.
        folder: existing directory for NAME.png, NAME.wav or NAME.mkv.

    Raises:
        ValueError: the file cannot be read or would be replaced, or the model reads something else.
        OSError: the result cannot be written.
    """
    config: Any = model.config.input
    if type(config) not in WRITERS:
        raise ValueError(
            f"inputs of kind {config.kind!r} are not rebuilt from files; pass tensors: model(batch)"
        )
    suffix, write = WRITERS[type(config)]
    target = folder / f"{source.stem}{suffix}"
    if target.exists() and target.samefile(source):
        raise ValueError(f"{source} would be replaced; choose another --out")
    example = build_reader(config).decode(source)
    made = rebuild(model, example)
    assert isinstance(made, np.ndarray)
    scale = WHITE if made.dtype == np.uint8 else 1
    given, said = (torch.from_numpy(x.astype(np.float32) / scale) for x in (example, made))
    write_atomically(target, lambda part: write(part, made, config, source))
    return RebuiltFile(str(source), psnr(said, given), target)


def _write_png(part: Path, pixels: np.ndarray, config: Any, source: Path) -> None:
    image = pillow().fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.save(part, "png")


def _write_wav(part: Path, samples: np.ndarray, config: Any, source: Path) -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(config.channels)
        out.setsampwidth(2)
        out.setframerate(config.sample_rate)
        out.writeframes((samples.clip(-1, 1) * 32_767).round().astype("<i2").tobytes())
    part.write_bytes(file.getvalue())


def _write_film(part: Path, frames: np.ndarray, config: Any, source: Path) -> None:
    write_mkv(part, frames, len(frames) / (config.seconds or probe(source).seconds))


Writer = Callable[[Path, np.ndarray, Any, Path], None]
# Suffix of the result by the input of the model, and what writes it.
WRITERS: dict[type[InputConfig], tuple[str, Writer]] = {
    ImageConfig: (".png", _write_png),
    AudioConfig: (".wav", _write_wav),
    VideoConfig: (".mkv", _write_film),
}
