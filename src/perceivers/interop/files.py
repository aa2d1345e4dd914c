"""A file of another library's weights as a model of this package, and how far apart the two are."""

import inspect
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..adapters.grid import GridAdapter
from ..errors import unknown
from ..models.classifier import PerceiverClassifier
from . import keras, perceiver_pytorch

HDF5 = b"\x89HDF\r\n\x1a\n"
MAX_DIFFERENCE = 1e-2  # rounding stays well below it


@dataclass(frozen=True)
class Converted:
    """What `convert` gives."""

    model: PerceiverClassifier
    """The model, in eval mode."""
    library: str
    """Whose weights they were."""
    difference: float | None
    """Largest absolute difference between the library's logits and ours on a random batch."""
    why_not: str = ""
    """If there is no difference: why it could not be measured."""


def convert(
    source: str | Path,
    *,
    input_shape: Sequence[int] | None = None,
    labels: Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    **arguments: Any,
) -> Converted:
    """Read weights of the Keras example or of perceiver-pytorch, told apart by the file's content.

    The library itself, if it is installed, is given the same weights and the same random batch.

    Args:
        source: a `.weights.h5` or `.keras` file, or a state dict in a torch or safetensors file.
        input_shape: see `from_perceiver_pytorch`; the Keras example's file tells it.
        labels: class names; None: numbers.
        mean, std: what images in [0, 1] were normalised with, one number or one a channel; they
            become part of the model, so that files are prepared as they were in training.
        **arguments: what the file does not tell; see `from_keras` and `from_perceiver_pytorch`.

    Raises:
        ValueError: no such file of weights, wrong arguments, or a model whose logits differ from
            the library's by more than rounding.
    """
    if not Path(source).is_file():
        raise FileNotFoundError(f"{source} is no file; expected weights saved by another library")
    module: Any
    model: PerceiverClassifier
    if is_keras(Path(source)):
        library, module = "keras", keras
        _refuse_unknown(arguments, keras.from_keras)
        model = keras.from_keras(source, labels=labels, **arguments)
    else:
        library, module = "perceiver-pytorch", perceiver_pytorch
        model = perceiver_pytorch.from_perceiver_pytorch(
            source, input_shape=input_shape, labels=labels, **arguments
        )
    if mean is not None or std is not None:
        adapter = model.adapter
        assert isinstance(adapter, GridAdapter)  # both libraries read grids alone
        channels = adapter.mean
        adapter.set_normalisation(
            _constants("mean", mean or [0.0], channels), _constants("std", std or [1.0], channels)
        )
    try:
        difference = module.difference(model, source)
    except ImportError as error:
        return Converted(model, library, None, str(error))
    if not difference < MAX_DIFFERENCE:
        raise ValueError(
            f"{source}: on a random batch its logits in {library} and here differ by "
            f"{difference:.2g}; this is another model than the arguments say"
        )
    return Converted(model, f"{library} {version(library)}", difference)


def _constants(name: str, values: Sequence[float], like: Tensor) -> Tensor:
    if len(values) not in (1, len(like)) or (name == "std" and not all(v > 0 for v in values)):
        raise ValueError(
            f"{name}={list(values)}; expected one number or {len(like)}, one a channel"
            + (", above 0" if name == "std" else "")
        )
    return torch.tensor(values).expand_as(like)


def is_keras(path: Path) -> bool:
    """Whether a file is one that Keras saves weights in, by its content or, damaged, its name."""
    if path.suffix in (".h5", ".keras"):
        return True
    with open(path, "rb") as file:
        if file.read(len(HDF5)) == HDF5:
            return True
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return not any(name.endswith("data.pkl") for name in archive.namelist())


def _refuse_unknown(arguments: Mapping[str, Any], function: Callable[..., Any]) -> None:
    known = [name for name in inspect.signature(function).parameters if name != "source"]
    for name in arguments:
        if name not in known:
            raise unknown("argument of the Keras example", name, known)
