"""Classes of the elements of files, written as files of the same modality."""

import io
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from typing_extensions import override

from ..exported import device_of
from ..modalities import ImageConfig, InputConfig, PointsConfig, TextConfig, build_reader
from ..modalities.files import PathOrBytes
from ..modalities.image import decode as images
from ..modalities.image.opening import pillow
from ..modalities.image.reader import ImageReader
from ..modalities.palette import coloured, palette
from ..modalities.points import decode as points
from ..modalities.points.meshes import Cloud
from ..modalities.points.ply import ply_bytes
from ..modalities.points.reader import PointReader
from ..modalities.text.decode import decode, encode
from ..modalities.text.labels import SUFFIX, line_of, spans_of, texts_of
from .answers import Answer, Answerer, Model
from .formatting import finite

SEED = 0  # of the order in which the points of a large cloud are taken
MAX_PALETTE = 256
MAX_GREY = 2**16 - 1  # value of a mask of 16 bits


class ElementAnswerer(Answerer):
    """Gives each element of a file a class, in a file of the same modality.

    A cloud becomes a coloured ply file with the property `label`, an image a mask (png with a
    palette, or of 16 bits if a class is called 256 or more), texts become jsonl with spans. A text
    is a whole file, or a line of a jsonl file.
    """

    @property
    @override
    def takes_texts(self) -> bool:
        return isinstance(self.model.config.input, TextConfig)

    @property
    @override
    def more_suffixes(self) -> frozenset[str]:
        return frozenset({SUFFIX} if self.takes_texts else ())

    @override
    def check(self) -> None:
        config = self.model.config.input
        if type(config) not in KINDS:
            raise ValueError(
                f"inputs of kind {config.kind!r} are not labelled from files; pass tensors: "
                "perceivers.load(…)(batch)"
            )

    @override
    def read(self, source: PathOrBytes) -> Any:
        return KINDS[type(self.model.config.input)][0](self.model, source)

    @override
    def answer(self, example: Any) -> Answer:
        classes, files, details = KINDS[type(self.model.config.input)][1](self.model, example)
        counts = count_classes(classes, self.labels)
        words = ", ".join(f"{label} {count:,}" for label, count in counts.items())
        return Answer(words, {"elements": counts}, files, details)


Found = tuple[np.ndarray, dict[str, bytes], dict[str, Any]]
"""Indices of the classes of all elements, files, and what they hold as plain data."""


def _read_cloud(model: Model, source: PathOrBytes) -> Cloud:
    cloud = points.read(source)
    if not isinstance(cloud, Cloud):
        raise ValueError("a mesh, whose points are sampled; give a cloud of points")
    return cloud


def _label_cloud(model: Model, cloud: Cloud) -> Found:
    classes, values = label_points(model, cloud), label_values(model.labels)
    content = ply_bytes(
        cloud.values[:, : points.AXES].astype(np.float64),
        {"label": np.array(values, np.int32)[classes]},
        coloured(classes, len(model.labels)),
        tuple(f"label {v} {name}" for v, name in zip(values, model.labels, strict=True)),
    )
    return classes, {".ply": content}, {"classes": classes.tolist()}


def label_points(model: Model, cloud: Cloud) -> np.ndarray:
    """Return the index of the class of each point of a cloud, (M,).

    A cloud that is larger than the examples of the training is read in parts of their size, each a
    random subset of the whole, so that every point is seen as densely sampled as in training.

    Args:
        model: a model of segmentation that reads points.
        cloud: the cloud.
    """
    reader = build_reader(model.config.input)
    assert isinstance(reader, PointReader)
    total, size = len(cloud.values), reader.num_points
    order = np.random.default_rng(SEED).permutation(total)
    classes = np.empty(total, np.int64)
    for start in range(0, total, size):
        part = order[min(start, max(0, total - size)) :][:size]
        example, _ = reader.prepare(Cloud(cloud.values[part]))
        classes[part] = _said(model, torch.from_numpy(example))[: len(part)]
    return classes


def _read_image(model: Model, source: PathOrBytes) -> np.ndarray:
    reader = build_reader(model.config.input)
    assert isinstance(reader, ImageReader)
    return images.decode(
        source, channels=reader.channels, size=None, value_range=reader.value_range
    )


def _label_image(model: Model, pixels: np.ndarray) -> Found:
    classes, values = label_pixels(model, pixels), label_values(model.labels)
    if max(values) > MAX_GREY:
        raise ValueError(
            f"a class is called {max(values)}, and masks hold values of up to {MAX_GREY:,}; train "
            "on masks with smaller ones"
        )
    if max(values) < MAX_PALETTE:
        mask = pillow().fromarray(np.array(values, np.uint8)[classes]).convert("P")
        colours = np.zeros((MAX_PALETTE, 3), np.uint8)
        colours[values] = palette(len(values))
        mask.putpalette(colours.tobytes())
    else:  # 16 bits have no palette
        mask = pillow().fromarray(np.array(values, np.uint16)[classes])
    file = io.BytesIO()
    mask.save(file, "png")
    return classes, {".png": file.getvalue()}, {}


def label_pixels(model: Model, pixels: np.ndarray) -> np.ndarray:
    """Return the index of the class of each pixel of an image, (H, W).

    The image is covered with squares of its shorter side, or of the part of it that the reader cuts
    out, each of which is resized as in training; the classes are enlarged to the nearest pixel.

    Args:
        model: a model of segmentation that reads images.
        pixels: the upright image, uint8 (H, W, C).
    """
    reader = build_reader(model.config.input)
    assert isinstance(reader, ImageReader)
    channels, size = reader.channels, reader.size
    height, width = pixels.shape[:2]
    side = max(1, round(reader.crop * min(height, width)))
    classes = np.empty((height, width), np.int64)
    starts = [[*range(0, length - side, side), length - side] for length in (height, width)]
    for top, left in itertools.product(*starts):
        rows, columns = slice(top, top + side), slice(left, left + side)
        square = images.fit(pixels[None, rows, columns], channels=channels, size=size)[0]
        said = pillow().fromarray(_said(model, torch.from_numpy(square)).astype(np.int32))
        nearest = pillow().Resampling.NEAREST
        classes[rows, columns] = np.asarray(said.resize((side, side), nearest))
    return classes


def _read_texts(model: Model, source: PathOrBytes) -> list[str]:
    if isinstance(source, Path) and source.suffix.lower() == SUFFIX:
        return texts_of(source)
    return [decode(source)]


def _label_texts(model: Model, texts: list[str]) -> Found:
    lines, said = [], []
    for text in texts:
        classes = label_bytes(model, text)
        said.append(classes)
        spans = spans_of(text, [model.labels[index] for index in classes.tolist()])
        lines.append(line_of(text, spans))
    content = ("\n".join(lines) + "\n").encode()
    details = {"texts": [json.loads(line) for line in lines]}
    return np.concatenate(said or [np.empty(0, np.int64)]), {SUFFIX: content}, details


def label_bytes(model: Model, text: str) -> np.ndarray:
    """Return the index of the class of each UTF-8 byte of a text, (L,).

    A text that is longer than those of the training is read in parts of whole characters.

    Args:
        model: a model of segmentation that reads texts.
        text: the text.
    """
    assert isinstance(model.config.input, TextConfig)
    most, parts, rest = model.config.input.max_length, [], text.encode()
    while rest:
        part = rest[:most].decode(errors="ignore")
        length = len(part.encode())
        if not length:
            raise ValueError(f"a character takes more than the {most} bytes that the model reads")
        parts.append(_said(model, encode([part], most)[0])[:length])
        rest = rest[length:]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


@torch.inference_mode()
def _said(model: Model, example: torch.Tensor) -> np.ndarray:
    """Return the indices of the classes of one example, shaped as the example."""
    batch = example[None].to(device_of(model))
    logits: Any = model(batch)
    said: np.ndarray = finite(logits[0]).argmax(-1).cpu().numpy()
    return said


def count_classes(classes: np.ndarray, labels: Sequence[str]) -> dict[str, int]:
    """Count elements by the name of their class, the most frequent first."""
    counts = np.bincount(classes.ravel(), minlength=len(labels))
    order = np.argsort(-counts, kind="stable")
    return {labels[i]: int(counts[i]) for i in order if counts[i]}


def label_values(labels: Sequence[str]) -> list[int]:
    """Return the values that stand for classes in files: those they are named by, or 0, 1, …."""
    if all(label.isdecimal() for label in labels):
        return [int(label) for label in labels]
    return list(range(len(labels)))


# What reads a file, and what labels it, by the input of the model.
KINDS: dict[type[InputConfig], tuple[Callable[..., Any], Callable[..., Found]]] = {
    PointsConfig: (_read_cloud, _label_cloud),
    ImageConfig: (_read_image, _label_image),
    TextConfig: (_read_texts, _label_texts),
}
