"""Classes of the elements of files, written as files of the same modality."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..files import write_atomically
from ..modalities import ImageConfig, InputConfig, PointsConfig, TextConfig, build_reader
from ..modalities.image import decode as images
from ..modalities.image.opening import pillow
from ..modalities.image.reader import ImageReader
from ..modalities.palette import coloured, palette
from ..modalities.points import decode as points
from ..modalities.points.meshes import Cloud
from ..modalities.points.ply import ply_bytes
from ..modalities.points.reader import PointReader
from ..modalities.text.decode import decode, decode_lines, encode
from ..modalities.text.labels import SUFFIX, line_of, parse_line, spans_of
from ..models.perceiver_io import PerceiverIOModel

SEED = 0  # of the order in which the points of a large cloud are taken
MAX_PALETTE = 256


@dataclass(frozen=True)
class LabelledFile:
    """A file whose elements have been given classes."""

    file: str
    """The file."""
    counts: dict[str, int]
    """Number of elements of each class that was said, the most frequent first."""
    written: Path
    """The file with the classes."""


def label_file(model: PerceiverIOModel, source: Path, folder: Path) -> LabelledFile:
    """Give each element of a file a class, and write a file of the same modality.

    Args:
        model: a model of segmentation, in eval mode.
        source: the file. Of texts it is one text, or jsonl with one on each line.
        folder: existing directory to write to. A cloud becomes a coloured ply file with the
            property `label`, an image a mask (png with a palette), texts become jsonl with spans.

    Raises:
        ValueError: the file cannot be read, inputs of this kind are not labelled from files, or the
            file would be replaced.
        OSError: the result cannot be written.
    """
    kind = type(model.config.input)
    if kind not in WRITERS:
        raise ValueError(
            f"inputs of kind {model.config.input.kind!r} are not labelled from files; pass "
            "tensors: model(batch)"
        )
    suffix, label = WRITERS[kind]
    target = folder / f"{source.stem}{suffix}"
    if target.exists() and source.resolve() == target.resolve():
        raise ValueError(f"the result would replace {source}; choose another --out")
    content, classes = label(model, source)
    write_atomically(target, lambda part: part.write_bytes(content))
    return LabelledFile(str(source), count_classes(classes, model.labels), target)


def _label_cloud(model: PerceiverIOModel, source: Path) -> tuple[bytes, np.ndarray]:
    cloud = points.read(source)
    if not isinstance(cloud, Cloud):
        raise ValueError("a mesh, whose points are sampled; give a cloud of points")
    classes, values = label_points(model, cloud), label_values(model.labels)
    content = ply_bytes(
        cloud.values[:, : points.AXES].astype(np.float64),
        {"label": np.array(values, np.int32)[classes]},
        coloured(classes, len(model.labels)),
        tuple(f"label {v} {name}" for v, name in zip(values, model.labels, strict=True)),
    )
    return content, classes


def label_points(model: PerceiverIOModel, cloud: Cloud) -> np.ndarray:
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


def _label_image(model: PerceiverIOModel, source: Path) -> tuple[bytes, np.ndarray]:
    classes, values = label_pixels(model, source), label_values(model.labels)
    if max(values) >= MAX_PALETTE:
        values = list(range(len(values)))
    mask = pillow().fromarray(np.array(values, np.uint8)[classes]).convert("P")
    colours = np.zeros((MAX_PALETTE, 3), np.uint8)
    colours[values] = palette(len(values))
    mask.putpalette(colours.tobytes())
    file = io.BytesIO()
    mask.save(file, "png")
    return file.getvalue(), classes


def label_pixels(model: PerceiverIOModel, source: Path) -> np.ndarray:
    """Return the index of the class of each pixel of an upright image, (H, W).

    The image is covered with squares of its shorter side, each of which is resized as in training;
    the classes are enlarged to the nearest pixel.

    Args:
        model: a model of segmentation that reads images.
        source: the image file.
    """
    reader = build_reader(model.config.input)
    assert isinstance(reader, ImageReader)
    channels, size = reader.channels, reader.size
    pixels = images.decode(source, channels=channels, size=None, value_range=reader.value_range)
    height, width = pixels.shape[:2]
    side, longer = min(height, width), max(height, width)
    classes = np.empty((height, width), np.int64)
    for start in [*range(0, longer - side, side), longer - side]:
        top, left = (start, 0) if height > width else (0, start)
        rows, columns = slice(top, top + side), slice(left, left + side)
        square = images.fit(pixels[None, rows, columns], channels=channels, size=size)[0]
        said = pillow().fromarray(_said(model, torch.from_numpy(square)).astype(np.int32))
        nearest = pillow().Resampling.NEAREST
        classes[rows, columns] = np.asarray(said.resize((side, side), nearest))
    return classes


def _label_texts(model: PerceiverIOModel, source: Path) -> tuple[bytes, np.ndarray]:
    if source.suffix.lower() == SUFFIX:
        texts = [parse_line(line.encode())[0] for line in decode_lines(source)]
    else:
        texts = [decode(source)]
    lines, said = [], []
    for text in texts:
        classes = label_bytes(model, text)
        said.append(classes)
        spans = spans_of(text, [model.labels[index] for index in classes.tolist()])
        lines.append(line_of(text, spans))
    return ("\n".join(lines) + "\n").encode(), np.concatenate(said or [np.empty(0, np.int64)])


def label_bytes(model: PerceiverIOModel, text: str) -> np.ndarray:
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
        parts.append(_said(model, encode([part], most)[0])[:length])
        rest = rest[length:]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


@torch.inference_mode()
def _said(model: PerceiverIOModel, example: torch.Tensor) -> np.ndarray:
    """Return the indices of the classes of one example, shaped as the example."""
    batch = example[None].to(next(model.parameters()).device)
    logits: Any = model(batch)
    said: np.ndarray = logits[0].argmax(-1).cpu().numpy()
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


Writer = Callable[[PerceiverIOModel, Path], tuple[bytes, np.ndarray]]
# Suffix of the result by the input of the model, and what makes it.
WRITERS: dict[type[InputConfig], tuple[str, Writer]] = {
    PointsConfig: (".ply", _label_cloud),
    ImageConfig: (".png", _label_image),
    TextConfig: (SUFFIX, _label_texts),
}
