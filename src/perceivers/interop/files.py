"""Conversion of another library's weights, and the difference between both models."""

import inspect
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core import Resampler
from ..errors import listed, unknown
from ..hub import is_hub_name
from ..modalities.array.adapter import ArrayAdapter
from ..models.base import PerceiverModel
from ..models.classifier import PerceiverClassifier
from ..reading import file_errors
from . import keras, perceiver_pytorch, resampler, transformers
from .state_files import read_state

HDF5 = b"\x89HDF\r\n\x1a\n"
# Largest difference of logits between two models that count as equal; rounding stays well below.
MAX_DIFFERENCE = 1e-2


@dataclass(frozen=True)
class Converted:
    """Result of `convert`."""

    model: PerceiverModel | Resampler
    """The converted model, in eval mode."""
    library: str
    """Name of the library that the weights come from, with its version if it is installed."""
    difference: float | None
    """Largest absolute difference between the outputs of the library and of `model` on a random
    batch. None: it was not measured."""
    why_not: str = ""
    """The reason if `difference` could not be measured, else empty; also empty for a resampler."""


def convert(
    source: str | Path,
    *,
    input_shape: Sequence[int] | None = None,
    labels: Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    **arguments: Any,
) -> Converted:
    """Convert weights of the Keras example, of perceiver-pytorch or of transformers to a model.

    The library is recognised by the content. If it is installed, it computes the logits of
    the same weights on the same random batch, and the two models are compared. The weights of a
    resampler, which are recognised by their names too, become a `Resampler`.

    Args:
        source: a `.weights.h5` or `.keras` file; a state dict in a torch or safetensors file; or,
            for transformers, a folder in the format of the Hugging Face hub, or hf://owner/name.
        input_shape: input shape of a perceiver-pytorch model, as in `from_perceiver_pytorch`; not
            needed for the Keras example, whose file determines it.
        labels: class names. None: numbers.
        mean: mean that images in [0, 1] were normalised with in training, one number or one per
            channel. It becomes part of the model, which then normalises its input itself.
        std: standard deviation, in the same form.
        **arguments: options that the file does not determine, those of `from_keras`,
            `from_perceiver_pytorch` or `from_resampler`; none for transformers.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: the file holds no weights of either library, the arguments are wrong, or the
            logits differ from the library's by more than rounding.
    """
    if is_hub_name(str(source)):
        source = transformers.download_model(str(source))
    if Path(source).is_dir():
        shape = {} if input_shape is None else {"input_shape": input_shape}
        _refuse_unknown({**arguments, **shape}, transformers.from_transformers)
        converted = transformers.from_transformers(source, labels=labels, mean=mean, std=std)
        return _compared(converted, source, "transformers", transformers.difference)
    if not Path(source).is_file():
        raise FileNotFoundError(
            f"{source} is no file or folder; expected weights saved by another library"
        )
    module: Any
    model: PerceiverClassifier
    with file_errors(source, "file of weights"):
        if is_keras(Path(source)):
            library, module = "keras", keras
            _refuse_unknown(arguments, keras.from_keras)
            model = keras.from_keras(source, labels=labels, **arguments)
        else:
            state = read_state(source)
            if "prefix" in arguments or resampler.holds_resampler(state):
                given = {"input_shape": input_shape, "labels": labels, "mean": mean, "std": std}
                return _resampler(state, given, arguments)
            if not any(name.endswith("latents") for name in state):
                raise ValueError(
                    f"the weights {listed(state, 4)} are of no known model; expected those of "
                    f"perceiver-pytorch or of the resampler of {listed(resampler.LIBRARIES)}"
                )
            library, module = "perceiver-pytorch", perceiver_pytorch
            model = perceiver_pytorch.from_perceiver_pytorch(
                state, input_shape=input_shape, labels=labels, **arguments
            )
    if mean is not None or std is not None:
        adapter = model.adapter
        assert isinstance(adapter, ArrayAdapter)  # both libraries take grids alone
        channels = adapter.mean
        adapter.set_normalisation(
            _constants("mean", mean or [0.0], channels), _constants("std", std or [1.0], channels)
        )
    return _compared(model, source, library, module.difference)


def _resampler(
    state: Mapping[str, Tensor], given: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Converted:
    """Convert the weights of a resampler; refuse settings that it does not have."""
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    library = resampler.recognise(shapes, arguments.get("prefix"))[1].name
    if wrong := [name for name, value in given.items() if value is not None]:
        raise ValueError(
            f"{', '.join(wrong)} cannot be set: these are weights of the resampler of {library}, "
            "which reads features and has no labels"
        )
    _refuse_unknown(arguments, resampler.from_resampler)
    model = resampler.from_resampler(state, **arguments)
    return Converted(model, f"the resampler of {library}", None)


def _compared(
    model: PerceiverModel,
    source: str | Path,
    library: str,
    measure: Callable[[Any, str | Path], float],
) -> Converted:
    """Compare a converted model with the library, if that is installed."""
    try:
        with file_errors(source, "file of weights"):
            difference = measure(model, source)
    except ImportError as error:
        return Converted(model, library, None, str(error))
    if not difference < MAX_DIFFERENCE:
        raise ValueError(
            f"{source}: on a random batch the outputs of {library} and of the converted model "
            f"differ by {difference:.2g}; expected at most rounding: check the arguments"
        )
    return Converted(model, f"{library} {version(library)}", difference)


def _constants(name: str, values: Sequence[float], like: Tensor) -> Tensor:
    if len(values) not in (1, len(like)) or (name == "std" and not all(v > 0 for v in values)):
        raise ValueError(
            f"{name}={list(values)}; expected one number or {len(like)}, one per channel"
            + (", above 0" if name == "std" else "")
        )
    return torch.tensor(values).expand_as(like)


def is_keras(path: Path) -> bool:
    """Return whether a file holds Keras weights, by its suffix or its content.

    The suffix counts so that a damaged Keras file gets an error message about Keras files.
    """
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
            raise unknown(f"argument of {function.__name__}", name, known)
