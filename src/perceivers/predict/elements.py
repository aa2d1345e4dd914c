"""Classes of the elements of files, written as files of the same modality."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..files import write_atomically
from ..modalities import PointsConfig, build_reader
from ..modalities.elements.output import ElementClasses
from ..modalities.palette import coloured
from ..modalities.points import decode as points
from ..modalities.points.meshes import Cloud
from ..modalities.points.ply import ply_bytes
from ..modalities.points.reader import PointReader
from ..models.perceiver_io import PerceiverIOModel

SEED = 0  # of the order in which the points of a large cloud are taken


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
        source: the file.
        folder: existing directory to write to. A cloud becomes a coloured ply file with the
            property `label`.

    Raises:
        ValueError: the file cannot be read, inputs of this kind are not labelled from files, or the
            file would be replaced.
        OSError: the result cannot be written.
    """
    if not isinstance(model.config.input, PointsConfig):
        raise ValueError(
            f"inputs of kind {model.config.input.kind!r} are not labelled from files; pass "
            "tensors: model(batch)"
        )
    cloud = points.read(source)
    if not isinstance(cloud, Cloud):
        raise ValueError("a mesh, whose points are sampled; give a cloud of points")
    classes = label_points(model, cloud)
    target = folder / f"{source.stem}.ply"
    _check_other(source, target)
    values = label_values(model.labels)
    content = ply_bytes(
        cloud.values[:, : points.AXES].astype(np.float64),
        {"label": np.array(values, np.int32)[classes]},
        coloured(classes, len(model.labels)),
        tuple(f"label {v} {name}" for v, name in zip(values, model.labels, strict=True)),
    )
    write_atomically(target, lambda part: part.write_bytes(content))
    return LabelledFile(str(source), count_classes(classes, model.labels), target)


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
    starts = [min(start, max(0, total - size)) for start in range(0, total, size)]
    classes = np.empty(total, np.int64)
    for start in starts:
        part = order[start : start + size]
        example, _ = reader.prepare(Cloud(cloud.values[part]))
        classes[part] = _said(model, torch.from_numpy(example))[: len(part)]
    return classes


@torch.inference_mode()
def _said(model: PerceiverIOModel, example: torch.Tensor) -> np.ndarray:
    """Return the indices of the classes of one example, shaped as the example."""
    assert isinstance(model.output, ElementClasses)
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


def _check_other(source: Path, target: Path) -> None:
    """Raise a ValueError if writing a file would replace the one that was read."""
    if target.exists() and source.resolve() == target.resolve():
        raise ValueError(f"the result would replace {source}; choose another --out")
