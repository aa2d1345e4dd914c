"""Import and export of the Keras example's weights, and comparison with Keras' own logits.

https://keras.io/examples/vision/perceiver_image_classification/
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import weight_mismatches
from ..modalities.image.adapter import ImageAdapter
from ..models.build import build, build_on_meta
from ..models.keras_example import KerasExample
from .keras_file import Datasets, open_weights, read_array, weight_file, write_weights
from .keras_layout import (
    MARKS,
    NORMALISATION,
    PARTS,
    Entry,
    Shapes,
    config_of,
    find_parts,
    layout,
    require_expressible,
)
from .keras_reference import build_keras_example, import_keras

NORM_EPS = 1e-7  # smallest standard deviation in Keras' Normalization


def from_keras(
    source: Any,
    *,
    num_iterations: int | None = None,
    channels: int = 3,
    dropout: float | None = None,
    attention_dropout: float = 0.1,
    pixel_max: float = 255.0,
    labels: Sequence[str] | None = None,
) -> KerasExample:
    """Convert the Keras example's model to a model with the same logits, in eval mode.

    The result takes images (B, S, S, C) of the example's size S×S. If the example's `Normalization`
    layer is part of the Keras model, its constants become those of the adapter. Otherwise the
    adapter does not normalise: pass normalised floats, or call `model.adapter.set_normalisation`.

    Args:
        source: the live model, built; or the path of its `.weights.h5` or `.keras` file, of which
            only arrays are read. The shapes of the arrays determine every size.
        num_iterations: number of times the model attends to the input, which a file does not
            contain. None: a live model's attribute `num_iterations`, else the example's 2.
        channels: channels of the images, from which the patch size follows.
        dropout: dropout rate of feed-forwards and logits. None: a live model's `dropout_rate`, else
            0.2.
        attention_dropout: dropout rate of attention weights.
        pixel_max: value of white in the images that `Normalization` was adapted to; in this package
            white is 1.
        labels: class names. None: numbers.

    Raises:
        ValueError: the source is not such a model or file, or entries are missing, surplus or of
            another shape; the message lists all of them.
        FileNotFoundError: there is no such file.
        ImportError: h5py is not installed.
    """
    if num_iterations is None:
        num_iterations = int(getattr(source, "num_iterations", 2))
    if dropout is None:
        dropout = float(getattr(source, "dropout_rate", 0.2))
    if num_iterations < 1:
        raise ValueError(f"num_iterations={num_iterations}; expected at least 1")
    with weight_file(source) as path, open_weights(path) as datasets:
        parts = _require_parts(source, datasets)
        constants = {m[1]: n for n in datasets if (m := NORMALISATION.fullmatch(n))}
        shapes = _shapes(datasets)
        config = config_of(
            shapes,
            parts,
            num_iterations=num_iterations,
            channels=channels,
            attention_dropout=attention_dropout,
            dropout=dropout,
        )
        blank = build_on_meta(config)
        assert isinstance(blank, KerasExample)
        entries = layout(blank, parts)
        _require_fit(source, shapes, entries)
        model = build(config, None if labels is None else tuple(labels))
        assert isinstance(model, KerasExample)
        state = {e.name: e.read(read_array(datasets[e.path])) for e in entries}
        model.load_state_dict(state, strict=False)  # all but the adapter's constants
        if "0" in constants and "1" in constants:
            mean, variance = (read_array(datasets[constants[i]]) for i in "01")
            _set_normalisation(model, mean, variance, pixel_max)
    return model.eval()


def to_keras(model: KerasExample, path: str | Path) -> None:
    """Write a `.weights.h5` file that the example's own Keras model loads with `load_weights`.

    The Keras model must be built first, by calling it on a batch. The normalising constants are not
    written, because the example keeps them outside its model, in `data_augmentation`.

    Args:
        model: the model to export.
        path: the file; its name must end in `.weights.h5`, which Keras requires.

    Raises:
        ValueError: the name ends otherwise, or the example's code cannot express the model.
        OSError: the file cannot be written.
        ImportError: h5py is not installed.
    """
    if not isinstance(model, KerasExample):
        raise ValueError(
            f"got {type(model).__name__}; expected a KerasExample, from "
            "perceivers.create('keras-cifar100') or from_keras"
        )
    if not str(path).endswith(".weights.h5"):
        raise ValueError(f"{path}: Keras loads weights only from names that end in .weights.h5")
    require_expressible(model.config)
    state = model.state_dict()
    write_weights(Path(path), {e.path: e.write(state[e.name]) for e in layout(model)})


def difference(model: KerasExample, source: Any, *, seed: int = 0) -> float:
    """Return the largest absolute difference between the model's logits and Keras' own.

    The Keras model (`keras_reference.build_keras_example`) gets its weights from the source, array
    by array and unchanged. Both models get the same two images of normally distributed pixels.

    Args:
        model: result of `from_keras(source)`.
        source: a live Keras model or the path of its file.
        seed: seed of the images.

    Raises:
        ImportError: Keras or h5py is not installed.
        ValueError: the source does not fit the model.
    """
    keras = import_keras()
    with tempfile.TemporaryDirectory() as directory, keras.device("cpu"):
        reference = build_keras_example(model.config)
        copy = Path(directory) / "copy.weights.h5"
        with weight_file(source) as path, open_weights(path) as datasets:
            entries = layout(model, _require_parts(source, datasets))
            _require_fit(source, _shapes(datasets), entries)
            pairs = zip(layout(model), entries, strict=True)
            write_weights(copy, {to.path: read_array(datasets[at.path]) for to, at in pairs})
        reference.load_weights(copy)
        adapter = _images_of(model)
        shape = (2, *adapter.shape, adapter.channels)
        images = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        training, device = model.training, adapter.mean.device
        with torch.no_grad():
            ours = model.eval()(images.to(device)).cpu().numpy()
            normalised = adapter.normalise(images.to(device)).cpu().numpy()
        model.train(training)
        theirs = keras.ops.convert_to_numpy(reference(normalised, training=False))
    return float(np.abs(ours - theirs).max())


def _require_parts(source: Any, datasets: Datasets) -> dict[str, str]:
    """Return the path of each part; raise ValueError if none of the example's parts exists."""
    parts = find_parts(datasets)
    if not parts:
        groups = sorted({name.split("/")[0] for name in datasets})
        raise ValueError(
            f"{_name(source)} holds no Perceiver of the Keras example: found "
            f"{len(datasets)} arrays in {', '.join(groups) or 'no groups'}; expected the parts "
            f"{', '.join(MARKS)}. A live Keras model must be built: call it on a batch first. A "
            "file of Keras 2 must be loaded in Keras 2 and saved again by Keras 3"
        )
    return {**PARTS, **parts}


def _shapes(datasets: Datasets) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array that is a weight."""
    return {n: d.shape for n, d in datasets.items() if not NORMALISATION.fullmatch(n)}


def _require_fit(source: Any, shapes: Shapes, entries: list[Entry]) -> None:
    problems = weight_mismatches(shapes, {e.path: e.shape for e in entries})
    if problems:
        raise ValueError(f"{_name(source)} is not the Keras example's model: {'; '.join(problems)}")


def _set_normalisation(
    model: KerasExample, mean: np.ndarray, variance: np.ndarray, pixel_max: float
) -> None:
    adapter = _images_of(model)
    channels = adapter.channels
    if mean.size != channels or variance.size != channels:
        raise ValueError(
            f"Normalization has constants of shape {mean.shape}; expected one number for each of "
            f"the {channels} channels"
        )
    std = np.maximum(np.sqrt(variance), NORM_EPS)
    adapter.set_normalisation(
        torch.from_numpy(mean.reshape(-1) / pixel_max),
        torch.from_numpy(std.reshape(-1) / pixel_max),
    )


def _images_of(model: KerasExample) -> ImageAdapter:
    """Return the adapter, which is an image adapter in every model of the example."""
    assert isinstance(model.adapter, ImageAdapter)
    return model.adapter


def _name(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else f"the {type(source).__name__}"
