"""Films with their sound, rebuilt by an autoencoder."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from ..exported import device_of
from ..modalities import (
    AudioConfig,
    FramesOutputConfig,
    FusionConfig,
    FusionOutputConfig,
    LabelOutputConfig,
    VideoConfig,
    WaveOutputConfig,
    build_reader,
)
from ..modalities.files import PathOrBytes
from ..modalities.fusion.presence import PRESENT
from ..modalities.image.opening import png_bytes
from ..modalities.reader import collate, to_device
from ..modalities.video.decode import probe
from ..modalities.video.encode import mkv_bytes
from ..models.config import PerceiverIOConfig
from .answers import Answer, Answerer, Model
from .formatting import Prediction, as_json, finite, probabilities_as_text

COLUMNS = 8  # frames of a strip
LINE = 4  # pixels of white between its lines


@dataclass(frozen=True)
class RebuiltFilm:
    """What a model gives for the film, the sound and the class of a file."""

    frames: np.ndarray
    """uint8 (T, H, W, C)."""
    given: np.ndarray
    """The frames that the model read, uint8 (T, H, W, C)."""
    rate: float
    """Frames per second."""
    sound: np.ndarray | None
    """Samples float32 (S,); None if the model gives no sound."""
    sample_rate: int
    """Samples per second of the sound."""
    classes: Prediction
    """The most probable classes; empty if the model gives none."""
    psnr: dict[str, float]
    """Peak signal-to-noise ratio in dB of each part that the file has, against what was read."""

    def film(self) -> bytes:
        """Return film and sound as the content of an `.mkv` file, see `mkv_bytes`."""
        return mkv_bytes(self.frames, self.rate, self.sound, self.sample_rate)

    def strip(self) -> np.ndarray:
        """Return a picture of up to `COLUMNS` frames, uint8: as read above, as rebuilt below."""
        last = len(self.frames) - 1
        chosen = np.unique(np.linspace(0, last, COLUMNS).round().astype(int))
        read, rebuilt = (np.concatenate(list(x[chosen]), 1) for x in (self.given, self.frames))
        white = np.full((LINE, *read.shape[1:]), 255, np.uint8)
        return np.concatenate([read, white, rebuilt])


class FilmAnswerer(Answerer):
    """Rebuilds the film and the sound of files: a film, and a picture of some of its frames."""

    @override
    def check(self) -> None:
        names_of_parts(self.model)

    @override
    def read(self, source: PathOrBytes) -> "ReadFilm":
        return _read(self.model, source)

    @override
    def answer(self, example: "ReadFilm") -> Answer:
        film = _rebuilt(self.model, example, self.top_k)
        ratios = ", ".join(f"{name} {value:.1f} dB" for name, value in film.psnr.items())
        named = f"{probabilities_as_text(film.classes)}; " if film.classes else ""
        data = {
            "psnr_db": {name: round(value, 2) for name, value in film.psnr.items()},
            "classes": as_json(film.classes, numbers=False),
        }
        files = {".mkv": film.film(), ".png": png_bytes(film.strip())}
        return Answer(f"{named}PSNR of {ratios}", data, files)


def rebuild_film(model: Model, file: str | Path, *, top_k: int = 5) -> RebuiltFilm:
    """Rebuild the film and the sound of a file, and predict its class.

    Args:
        model: an autoencoder of film, such as hf://deepmind/multimodal-perceiver, or what it was
            exported to. It reads the middle of the file. If the file has no sound, the model makes
            it up.
        file: path of a film.
        top_k: number of classes, the most probable first.

    Raises:
        ValueError: the model gives no film, or the file cannot be read.
        OSError: the file does not exist.
    """
    names_of_parts(model)
    try:
        example = _read(model.eval(), Path(file))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    return _rebuilt(model, example, top_k)


@dataclass(frozen=True)
class ReadFilm:
    """What a model reads of a film."""

    example: dict[str, Any]
    """The parts, as the reader of the model decodes them."""
    seconds: float
    """Length of the film that they are from."""


def _read(model: Model, source: PathOrBytes) -> ReadFilm:
    film, _, _ = names_of_parts(model)
    example: Any = build_reader(model.config.input).decode(source)
    if not example[f"{film}{PRESENT}"]:
        raise ValueError("it holds sound alone; expected a film")
    parts: Any = model.config.input
    return ReadFilm(example, parts.parts[film].seconds or probe(source).seconds)


@torch.inference_mode()
def _rebuilt(model: Model, read: ReadFilm, top_k: int) -> RebuiltFilm:
    film, sound, label = names_of_parts(model)
    config: Any = model.config.input
    batch: Any = build_reader(config).batch(collate([read.example]))
    outputs = model(to_device(batch, device_of(model)))
    values = {name: finite(out[0].float()).cpu() for name, out in outputs.items()}
    given = {film: torch.from_numpy(read.example[film]) / 255}
    if read.example.get(f"{sound}{PRESENT}"):
        given[sound] = torch.from_numpy(read.example[sound])
    return RebuiltFilm(
        frames=(values[film] * 255).round().clamp(0, 255).to(torch.uint8).numpy(),
        given=read.example[film],
        rate=len(values[film]) / read.seconds,
        sound=values[sound].numpy() if sound in values else None,
        sample_rate=config.parts[sound].sample_rate if sound in config.parts else 0,
        classes=_likeliest(values[label], model.labels, top_k) if label in values else [],
        psnr={name: psnr(values[name], x) for name, x in given.items() if name in values},
    )


def names_of_parts(model: Model) -> tuple[str, str, str]:
    """Return the names of the outputs that are film, sound and class; "" for one that is missing.

    Raises:
        ValueError: there is no film, or the model does not read what it gives.
    """
    config = model.config
    output = config.output if isinstance(config, PerceiverIOConfig) else None
    parts = output.parts if isinstance(output, FusionOutputConfig) else {}
    kinds = (FramesOutputConfig, WaveOutputConfig, LabelOutputConfig)
    film, sound, label = (
        next((name for name, part in parts.items() if isinstance(part, kind)), "") for kind in kinds
    )
    read = config.input.parts if isinstance(config.input, FusionConfig) else {}
    if not isinstance(read.get(film), VideoConfig) or (
        sound and not isinstance(read.get(sound), AudioConfig)
    ):
        raise ValueError(
            f"the model reads inputs of kind {config.input.kind!r} and gives {list(parts)}; "
            "expected an autoencoder of films with sound"
        )
    return film, sound, label


def _likeliest(logits: Tensor, labels: tuple[str, ...], top_k: int) -> Prediction:
    chances, indices = logits.softmax(-1).topk(min(top_k, len(logits)))
    names = labels or tuple(map(str, range(len(logits))))
    return [(names[i], p) for i, p in zip(indices.tolist(), chances.tolist(), strict=True)]


def psnr(rebuilt: Tensor, read: Tensor) -> float:
    """Return the ratio of the largest value, 1, to the root of the mean squared error, in dB."""
    error = (rebuilt.flatten() - read.flatten()).square().mean().item()
    return -10 * math.log10(max(error, 1e-10))
