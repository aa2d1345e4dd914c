"""From a trained model and files to labels."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .adapters.grid import GridAdapter
from .checkpoint import load
from .core import Inputs
from .data.images import decode, from_pixels, to_array
from .models.classifier import PerceiverClassifier
from .models.inputs import require_images

Prediction = list[tuple[str, float]]


Progress = Callable[[float], None]
HELD_PIXELS = 2**22  # of an image that goes through the model in one piece


class Predictor:
    """Classify images with a trained model, prepared exactly as in training.

    Args:
        model: a run directory, a saved model's directory, a hub name, or the model itself.
        batch_size: images that go through the model at once.
        own_size: read each image at its own size and shape, every pixel of it, instead of resized
            to what the model was trained on. One too large to hold is read in parts. Only models
            with Fourier positions, or none, take other sizes than their own.
        progress: called with the share that is done while an image is read in parts.

    Example:
        >>> predictor = Predictor("runs/digits-…")                  # doctest: +SKIP
        >>> predictor(["three.png"], top_k=2)                       # doctest: +SKIP
        [[('3', 0.98), ('5', 0.01)]]
    """

    def __init__(
        self,
        model: str | Path | PerceiverClassifier,
        *,
        batch_size: int = 64,
        own_size: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self.model = (load(model) if isinstance(model, str | Path) else model).eval()
        self.batch_size = 1 if own_size else batch_size
        self.own_size, self.progress = own_size, progress

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in output order."""
        return self.model.labels

    def __call__(self, images: Sequence[Any], *, top_k: int = 5) -> list[Prediction]:
        """The likeliest classes of each image.

        Args:
            images: paths, files' bytes, Pillow images or arrays (H, W) or (H, W, C) of uint8; a
                `.npy` file of such an array too.
            top_k: how many classes to give, likeliest first; at most all.

        Returns:
            For each image, (label, probability) pairs.

        Raises:
            ValueError: an image could not be read; the message names it.
        """
        if isinstance(images, str | Path | bytes):
            raise ValueError("got one image; expected a list of them: predictor([image])")
        if top_k < 1:
            raise ValueError(f"top_k={top_k}; expected at least 1")
        results: list[Prediction] = []
        for start in range(0, len(images), self.batch_size):
            chunk = images[start : start + self.batch_size]
            probabilities = self._probabilities([self.prepare(image) for image in chunk])
            top = probabilities.topk(min(top_k, len(self.labels)))
            for values, indices in zip(top.values.tolist(), top.indices.tolist(), strict=True):
                results.append(
                    [(self.labels[i], value) for i, value in zip(indices, values, strict=True)]
                )
        return results

    def prepare(self, image: Any) -> np.ndarray:
        """One image as the model takes it, uint8 (H, W, C)."""
        config = require_images(self.model.config.input)
        size, channels = None if self.own_size else config.image_size, config.channels
        if isinstance(image, str | Path | bytes):
            try:
                pixels = decode(image, channels=channels, size=size)
            except ValueError as error:
                name = "image" if isinstance(image, bytes) else image
                raise ValueError(f"{name}: {error}") from None
        elif isinstance(image, np.ndarray | Tensor):
            pixels = from_pixels(np.asarray(image), channels=channels, size=size)
        else:
            pixels = to_array(image, channels=channels, size=size)
        return whole_patches(pixels, config.patch_stride or config.patch_size)

    @torch.inference_mode()
    def _probabilities(self, images: list[np.ndarray]) -> Tensor:
        device = next(self.model.parameters()).device
        if self.own_size and math.prod(images[0].shape[:2]) > HELD_PIXELS:
            logits = self.model.classify_stream(self._stream(images[0]))
        else:
            logits = self.model(torch.from_numpy(np.stack(images)).to(device))
        return logits.float().softmax(dim=-1).cpu()

    def _stream(self, image: np.ndarray) -> "_Watched":
        passes = sum(cross is not None for cross in self.model.perceiver.cross_order)
        adapter = self.model.adapter
        assert isinstance(adapter, GridAdapter)
        elements = math.prod(adapter.grid_size(*image.shape[:2])) * passes
        return _Watched(adapter.stream(image), elements, self.progress)


class _Watched:
    """A stream that tells how far all passes over it have come."""

    def __init__(self, stream: Iterable[Inputs], total: int, tell: Progress | None) -> None:
        self.stream, self.total, self.tell, self.done = stream, total, tell, 0

    def __iter__(self) -> Iterator[Inputs]:
        for part in self.stream:
            yield part
            self.done += part.content.shape[1]
            if self.tell:
                self.tell(self.done / self.total)


def whole_patches(pixels: np.ndarray, stride: int) -> np.ndarray:
    """The middle of an image (H, W, C) that divides into steps of `stride`."""
    height, width = (max(size // stride, 1) * stride for size in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[max(top, 0) : max(top, 0) + height, max(left, 0) : max(left, 0) + width]


def each(
    predictor: Predictor, files: Sequence[Path], top_k: int
) -> Iterator[tuple[Path, Prediction | ValueError]]:
    """Every file with its prediction, or with the error that says why it has none."""
    for start in range(0, len(files), predictor.batch_size):
        chunk = files[start : start + predictor.batch_size]
        prepared = [_attempt(predictor.prepare, file) for file in chunk]
        readable = [image for image in prepared if not isinstance(image, ValueError)]
        predictions = iter(predictor(readable, top_k=top_k))
        for file, image in zip(chunk, prepared, strict=True):
            yield file, image if isinstance(image, ValueError) else next(predictions)


def _attempt(function: Callable[[Any], np.ndarray], argument: Any) -> np.ndarray | ValueError:
    try:
        return function(argument)
    except ValueError as error:
        return error
