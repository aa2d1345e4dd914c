"""Files rebuilt by autoencoders of one modality: images, sounds and films."""

import io
import wave
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from typing_extensions import override

from ..exported import device_of
from ..modalities import AudioConfig, ImageConfig, InputConfig, VideoConfig, build_reader
from ..modalities.files import PathOrBytes
from ..modalities.image.opening import png_bytes
from ..modalities.reader import Example, collate, to_device
from ..modalities.video.decode import probe
from ..modalities.video.encode import mkv_bytes
from .answers import Answer, Answerer, Model
from .film import psnr
from .formatting import finite

WHITE = 255


class RebuiltAnswerer(Answerer):
    """Rebuilds what the model reads of an image, a sound or a film, as a file of the same kind."""

    @override
    def check(self) -> None:
        config = self.model.config.input
        if type(config) not in WRITERS:
            raise ValueError(
                f"inputs of kind {config.kind!r} are not rebuilt from files; pass tensors: "
                "perceivers.load(…)(batch)"
            )

    @override
    def read(self, source: PathOrBytes) -> tuple[np.ndarray, float]:
        config = self.model.config.input
        example: Any = build_reader(config).decode(source)
        if not isinstance(config, VideoConfig):
            return example, 0.0
        return example, config.seconds or probe(source).seconds

    @override
    def answer(self, example: tuple[np.ndarray, float]) -> Answer:
        given, seconds = example
        made = rebuild(self.model, given)
        assert isinstance(made, np.ndarray)
        scale = WHITE if made.dtype == np.uint8 else 1
        read, said = (torch.from_numpy(x.astype(np.float32) / scale) for x in (given, made))
        ratio = psnr(said, read)
        suffix, write = WRITERS[type(self.model.config.input)]
        content = write(made, self.model.config.input, seconds)
        return Answer(f"PSNR of {ratio:.1f} dB", {"psnr_db": round(ratio, 2)}, {suffix: content})


@torch.inference_mode()
def rebuild(model: Model, example: Example) -> Example:
    """Return what an autoencoder makes of an example, in the form of the example.

    Args:
        model: a model of the task reconstruction.
        example: an example as its reader decodes it. Parts that are not rebuilt stay as they are.
    """
    batch: Any = build_reader(model.config.input).batch(collate([example]))
    outputs = model.eval()(to_device(batch, device_of(model)))
    if isinstance(example, dict):
        rebuilt = {name: _like(example[name], outputs[name]) for name in outputs if name in example}
        return {**example, **rebuilt}
    return _like(example, outputs)


def _like(example: np.ndarray, output: torch.Tensor) -> np.ndarray:
    """Return an output of one example with the type and the shape of the example."""
    values = finite(output[0].float()).cpu().numpy().reshape(example.shape)
    if example.dtype == np.uint8:
        return np.rint(WHITE * values.clip(0, 1)).astype(np.uint8)
    return values.astype(example.dtype)


def _png(pixels: np.ndarray, config: Any, seconds: float) -> bytes:
    return png_bytes(pixels)


def _wav(samples: np.ndarray, config: Any, seconds: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(config.channels)
        out.setsampwidth(2)
        out.setframerate(config.sample_rate)
        out.writeframes((samples.clip(-1, 1) * 32_767).round().astype("<i2").tobytes())
    return file.getvalue()


def _film(frames: np.ndarray, config: Any, seconds: float) -> bytes:
    return mkv_bytes(frames, len(frames) / seconds)


Writer = Callable[[np.ndarray, Any, float], bytes]
# Suffix of the result by the input of the model, and what makes its content.
WRITERS: dict[type[InputConfig], tuple[str, Writer]] = {
    ImageConfig: (".png", _png),
    AudioConfig: (".wav", _wav),
    VideoConfig: (".mkv", _film),
}
