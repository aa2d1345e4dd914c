"""From a trained model and files to labels."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .checkpoint import load
from .data.images import decode, to_array
from .models.classifier import PerceiverClassifier
from .models.inputs import require_images

Prediction = list[tuple[str, float]]


class Predictor:
    """Classify images with a trained model, prepared exactly as in training.

    Args:
        model: a run directory, a saved model's directory, a hub name, or the model itself.
        batch_size: images that go through the model at once.

    Example:
        >>> predictor = Predictor("runs/digits-…")                  # doctest: +SKIP
        >>> predictor(["three.png"], top_k=2)                       # doctest: +SKIP
        [[('3', 0.98), ('5', 0.01)]]
    """

    def __init__(self, model: str | Path | PerceiverClassifier, *, batch_size: int = 64) -> None:
        self.model = (load(model) if isinstance(model, str | Path) else model).eval()
        self.batch_size = batch_size

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in output order."""
        return self.model.labels

    def __call__(self, images: Sequence[Any], *, top_k: int = 5) -> list[Prediction]:
        """The likeliest classes of each image.

        Args:
            images: paths, files' bytes, Pillow images or arrays (H, W) or (H, W, C) of uint8.
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
            chunk = [self.prepare(image) for image in images[start : start + self.batch_size]]
            probabilities = self._probabilities(torch.from_numpy(np.stack(chunk)))
            top = probabilities.topk(min(top_k, len(self.labels)))
            for values, indices in zip(top.values.tolist(), top.indices.tolist(), strict=True):
                results.append(
                    [(self.labels[i], value) for i, value in zip(indices, values, strict=True)]
                )
        return results

    def prepare(self, image: Any) -> np.ndarray:
        """One image as the model takes it, uint8 (H, W, C)."""
        config = require_images(self.model.config.input)
        size, channels = config.image_size, config.channels
        if isinstance(image, str | Path | bytes):
            try:
                return decode(image, channels=channels, size=size)
            except ValueError as error:
                name = "image" if isinstance(image, bytes) else image
                raise ValueError(f"{name}: {error}") from None
        if isinstance(image, np.ndarray | Tensor):
            image = _to_pillow(np.asarray(image))
        return to_array(image, channels=channels, size=size)

    @torch.inference_mode()
    def _probabilities(self, batch: Tensor) -> Tensor:
        device = next(self.model.parameters()).device
        return self.model(batch.to(device)).float().softmax(dim=-1).cpu()


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


def _to_pillow(array: np.ndarray) -> Any:
    from PIL import Image

    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        raise ValueError(
            f"array of {array.dtype} and shape {array.shape}; expected uint8 of shape "
            "(height, width) or (height, width, channels)"
        )
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    return Image.fromarray(array)
