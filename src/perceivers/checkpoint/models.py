"""Save and load a model; nothing is ever unpickled."""

import os
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from .. import checksums
from ..checksums import MARK, METADATA
from ..core import Resampler
from ..errors import weight_mismatches
from ..files import check_content, read_json, write_atomically
from ..interop import transformers
from ..modalities import CustomConfig
from ..modalities.adapter import Adapter
from ..models.base import PerceiverModel
from ..models.build import build, build_on_meta
from ..models.classifier import PerceiverClassifier
from ..models.config import to_dict
from ..models.perceiver_ar import PerceiverARModel
from ..models.resampler import build_resampler
from ..places import make_directory
from ..reading import file_errors, reason
from .description import (
    CONFIG,
    RESAMPLER,
    local_directory,
    read_config,
    read_model_config,
    read_run_id,
    resampler_error,
    write_config,
)

WEIGHTS = "model.safetensors"
COMPILED = "_orig_mod"  # name of the original inside of a compiled module
PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def save(model: PerceiverModel | Resampler, directory: str | Path) -> None:
    """Save a model to a directory, from which `load` restores it. Files are replaced atomically.

    Args:
        model: model from `create`, `build` or `load`, or a `Resampler`. Of a compiled one the
            original is saved.
        directory: created if it does not exist. If it is a run directory, the other settings in
            its `config.json` are kept.

    Raises:
        ValueError: the model has other weights than its configuration says, for example a new
            head, so that `load` could not rebuild it; or the directory holds a model of the other
            kind. Nothing is written.
        OSError: the disk is full or not writable; the previous files are unchanged.
    """
    model = original(model)
    check_rebuildable(model)
    directory = Path(directory)
    make_directory(directory)
    described = _description(model)
    config = read_json(directory / CONFIG) if (directory / CONFIG).exists() else {}
    if ("model" if isinstance(model, Resampler) else RESAMPLER) in config:
        raise ValueError(f"{directory} holds a model of another kind; choose a new directory")
    run_id = config.get("id")
    if not run_id or {name: config.get(name) for name in described} != described:
        # If the process ends between the two files, they do not pass for one model.
        run_id = checksums.new_run_id()
    save_weights(model, directory, run_id)
    write_config(directory, id=run_id, **described)


def _description(model: PerceiverModel | Resampler) -> dict[str, Any]:
    """Return the sections of `config.json` from which `load` rebuilds the model."""
    if isinstance(model, Resampler):
        return {RESAMPLER: model.options}
    return {"model": to_dict(model.config), "labels": list(model.labels)}


def original(model: nn.Module) -> PerceiverModel | Resampler:
    """Return the model inside of what `torch.compile` and data parallelism wrap around it.

    Raises:
        ValueError: it is none of this library's models.
    """
    while isinstance(model, PARALLEL) or COMPILED in model._modules:
        model = model.get_submodule("module" if isinstance(model, PARALLEL) else COMPILED)
    if not isinstance(model, PerceiverModel | Resampler):
        raise ValueError(
            f"got a {type(model).__name__}; expected a model from perceivers.create or load"
        )
    return model


def check_rebuildable(model: PerceiverModel | Resampler) -> None:
    """Check that a model has the weights that its configuration says.

    Args:
        model: model to be saved.

    Raises:
        ValueError: it does not, or it has not as many labels as outputs.
    """
    rebuilt: nn.Module
    with torch.device("meta"):
        if isinstance(model, Resampler):
            rebuilt = build_resampler(model.options)
        else:
            own = isinstance(model.config.input, CustomConfig)
            adapter = model.adapter if own else None
            rebuilt = build(model.config, tuple(model.labels), adapter=adapter)
    problems = weight_mismatches(
        {name: tensor.shape for name, tensor in _state(model).items()},
        {name: tensor.shape for name, tensor in rebuilt.state_dict().items()},
    )
    if problems:
        raise ValueError(
            f"the model is not the one that its configuration describes: {'; '.join(problems[:5])}"
            f"{', …' if len(problems) > 5 else ''}; load could not rebuild it. Create the model "
            "with the settings you want, such as num_classes, and copy the weights to it"
        )


def _state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return weights and buffers by name, without the prefixes of compiled parts."""
    return {_plain(name): tensor for name, tensor in model.state_dict().items()}


def _plain(name: str) -> str:
    return name.replace(f"{COMPILED}.", "")


def save_weights(model: nn.Module, directory: Path, run_id: str | None = None) -> None:
    """Save only the weights and buffers of a model, with a checksum, atomically.

    Args:
        model: model whose weights are saved.
        directory: existing directory.
        run_id: number of the run; None: the one in `config.json`, if there is one.

    Raises:
        OSError: see `save`.
    """
    state = {name: tensor.contiguous() for name, tensor in _state(model).items()}
    mark = checksums.mark(run_id or read_run_id(directory) or checksums.NO_RUN)

    def write(path: Path) -> None:
        try:
            save_file(state, path, metadata={"format": "pt", MARK: mark})
        except SafetensorError as error:  # a full disk, for one
            raise _system_error(str(error)) from error
        checksums.seal(path, METADATA)

    write_atomically(directory / WEIGHTS, write)


def _system_error(message: str) -> OSError:
    """Return the error of the operating system that a message of safetensors is about."""
    number = re.search(r"\(os error (\d+)\)", message)
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(message)


def load(directory: str | Path, *, adapter: Adapter | None = None) -> PerceiverModel | Resampler:
    """Load a saved model, in eval mode on the CPU.

    A batch is taken as it is. If its images, videos or sounds are of another size than the model
    was trained on, this is said once: `Predictor` turns files into that size.

    Args:
        directory: directory written by `save` or by a training run; a folder of a Perceiver that
            transformers saved (see `interop.from_transformers`); or the name of a repository of
            either on the Hugging Face hub, such as hf://deepmind/vision-perceiver-fourier.
        adapter: the adapter of a model that was built with one of your own; its weights are loaded
            too.

    Raises:
        ValueError: the files are of another version, damaged, or do not fit each other; or the
            model needs an adapter.
        OSError: the files do not exist.
    """
    path = local_directory(directory)
    if transformers.is_transformers_folder(path):
        if adapter is not None:
            raise ValueError(f"{directory} has its own inputs; leave out adapter")
        model = transformers.from_transformers(path)
        model.adapter.expect_sizes(model.config.input)
        return model
    if RESAMPLER in (described := read_config(path)):
        if adapter is not None:
            raise ValueError(f"{directory} holds a resampler, which has no adapter; leave it out")
        return _load_resampler(described[RESAMPLER], path)
    config, labels = read_model_config(path)
    with file_errors(path / CONFIG, "description of a model"):
        if adapter is None:  # compare before weights of any size are allocated
            blank = build_on_meta(config, labels)
    if adapter is None:
        _check_fit(blank, path)
    with file_errors(path / CONFIG, "description of a model"):
        model = build(config, labels, adapter=adapter)
    load_weights(model, path)
    model.adapter.expect_sizes(config.input)
    return model.eval()


def _load_resampler(options: Any, path: Path) -> Resampler:
    with file_errors(path / CONFIG, "description of a resampler"), torch.device("meta"):
        model = build_resampler(options)
    _check_fit(model, path)  # before weights of any size are allocated
    load_weights(model.to_empty(device="cpu"), path)
    return model.eval()


def load_model(directory: str | Path, *, adapter: Adapter | None = None) -> PerceiverModel:
    """Load a saved model that is no resampler; the arguments are those of `load`.

    Raises:
        ValueError: it is a resampler; or as `load`.
        OSError: the files do not exist.
    """
    model = load(directory, adapter=adapter)
    if isinstance(model, Resampler):
        raise resampler_error(directory)
    return model


def load_classifier(
    directory: str | Path, *, adapter: Adapter | None = None
) -> PerceiverClassifier:
    """Load a saved classifier or regressor; the arguments are those of `load`.

    Raises:
        ValueError: the model has other outputs; or as `load`.
        OSError: the files do not exist.
    """
    model = load_model(directory, adapter=adapter)
    if not isinstance(model, PerceiverClassifier):
        raise ValueError(
            f"{directory} holds a model of kind {model.config.kind!r}, which has no classes or "
            "numbers as outputs; expected a classifier or regressor here"
        )
    return model


def load_trained(directory: str | Path, *, adapter: Adapter | None = None) -> PerceiverModel:
    """Load a saved model of any task; the arguments are those of `load`.

    Raises:
        ValueError: the model has no task that it could be trained for; or as `load`.
        OSError: the files do not exist.
    """
    model = load_model(directory, adapter=adapter)
    if model.config.task is None:
        raise ValueError(
            f"{directory} holds a model of kind {model.config.kind!r}, whose outputs have no task "
            "that they could be scored for"
        )
    return model


def load_generator(directory: str | Path) -> PerceiverARModel:
    """Load a saved model that continues texts.

    Raises:
        ValueError: the model does something else; or as `load`.
        OSError: the files do not exist.
    """
    model = load(directory)
    if isinstance(model, PerceiverARModel):
        return model
    kind = "resampler" if isinstance(model, Resampler) else model.config.kind
    raise ValueError(
        f"{directory} holds a model of kind {kind!r}, which does not continue texts; expected a "
        "Perceiver AR, such as a run of the recipe bytes-lm"
    )


def check_weights(directory: Path) -> None:
    """Check that the saved weights are what was written, as far as there are any.

    Raises:
        ValueError: the file is damaged or belongs to another run.
    """
    path = directory / WEIGHTS
    if path.exists():
        _read_weights(path)


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    check_content(path)
    try:
        checksums.verify(path, METADATA, read_run_id(path.parent))
        return load_file(path)
    except Exception as error:
        raise ValueError(
            f"{path}: damaged or truncated ({reason(error)}); copy or download it again"
        ) from error


def load_weights(model: PerceiverModel | Resampler, directory: Path) -> None:
    """Load saved weights and buffers into a model of the same configuration.

    Raises:
        ValueError: the file is damaged, belongs to another run, or does not fit the model.
        FileNotFoundError: there is none.
    """
    path = directory / WEIGHTS
    _check_fit(model, directory)
    state = _read_weights(path)
    model.load_state_dict(
        dict(zip(model.state_dict(), (state[n] for n in _state(model)), strict=True))
    )


def _check_fit(model: nn.Module, directory: Path) -> None:
    """Compare the names and shapes of saved weights with those of a model, by their header."""
    path = directory / WEIGHTS
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; the run may have ended before its first epoch")
    check_content(path)
    damaged = file_errors(path, "or truncated file of weights", "; copy or download it again")
    with damaged, safe_open(path, "pt") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    expected = {name: tensor.shape for name, tensor in _state(model).items()}
    if problems := weight_mismatches(shapes, expected):
        raise ValueError(f"{path} does not fit its {CONFIG}: {'; '.join(problems)}")
