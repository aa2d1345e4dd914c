"""Save and load a model as `config.json` and `model.safetensors`; nothing is ever unpickled."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from .errors import weight_mismatches
from .files import read_json, write_atomically, write_json
from .hub import download, is_hub_name, not_found
from .modalities.adapter import Adapter
from .models.build import build
from .models.classifier import PerceiverClassifier
from .models.config import ModelConfig, from_dict, to_dict

FORMAT = 1
CONFIG, WEIGHTS = "config.json", "model.safetensors"


def save(model: PerceiverClassifier, directory: str | Path) -> None:
    """Save a model to a directory, from which `load` restores it. Files are replaced atomically.

    Args:
        model: model from `create`, `build` or `load`.
        directory: created if it does not exist. If it is a run directory, the other settings in
            its `config.json` are kept.

    Raises:
        OSError: the disk is full or not writable; the previous files are unchanged.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    save_weights(model, directory)
    write_config(directory, model=to_dict(model.config), labels=list(model.labels))


def save_weights(model: PerceiverClassifier, directory: Path) -> None:
    """Save only the weights and buffers of a model, atomically.

    Raises:
        OSError: see `save`.
    """
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}

    def write(path: Path) -> None:
        try:
            save_file(state, path, metadata={"format": "pt"})
        except SafetensorError as error:  # a full disk, for one
            raise OSError(str(error)) from error

    write_atomically(directory / WEIGHTS, write)


def write_config(directory: Path, **sections: Any) -> None:
    """Update sections of `config.json`, atomically; the others are kept."""
    path = directory / CONFIG
    data = read_json(path) if path.exists() else {}
    write_json(path, {**data, "format": FORMAT, **sections})


def load(directory: str | Path, *, adapter: Adapter | None = None) -> PerceiverClassifier:
    """Load a saved model, in eval mode on the CPU.

    Args:
        directory: directory written by `save` or by a training run, or the name of such a
            repository on the Hugging Face hub, hf://owner/name.
        adapter: the adapter of a model that was built with one of your own; its weights are loaded
            too.

    Raises:
        ValueError: the files are of another version, damaged, or do not fit each other; or the
            model needs an adapter.
        OSError: the files do not exist.
    """
    path = Path(directory)
    if is_hub_name(str(directory)):
        path = download(str(directory), (CONFIG, WEIGHTS))
    config = read_config(path)
    try:
        described = from_dict(ModelConfig, config["model"], "model"), tuple(config["labels"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path / CONFIG}: not a complete model description ({error})") from None
    model = build(*described, adapter=adapter)
    load_weights(model, path)
    return model.eval()


def read_config(directory: Path) -> dict[str, Any]:
    """Read `config.json` of a saved model or run.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged or of another format version.
    """
    if not directory.exists():
        raise not_found("directory", str(directory))
    path = directory / CONFIG
    if not path.exists():
        raise FileNotFoundError(
            f"{directory} holds no {CONFIG}; expected a directory written by perceivers"
        )
    config = read_json(path)
    version = config.get("format")
    if version != FORMAT:
        raise ValueError(
            f"{path}: format {version!r}, but this version of perceivers reads format {FORMAT}; "
            "install the version of perceivers that wrote it, or train again"
        )
    return config


def load_weights(model: PerceiverClassifier, directory: Path) -> None:
    """Load saved weights and buffers into a model of the same configuration.

    Raises:
        ValueError: the file is damaged or does not fit the model.
        FileNotFoundError: there is none.
    """
    path = directory / WEIGHTS
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; the run may have ended before its first epoch")
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path}: damaged or truncated ({error}); copy or download it again"
        ) from None
    problems = weight_mismatches(
        {name: tensor.shape for name, tensor in state.items()},
        {name: tensor.shape for name, tensor in model.state_dict().items()},
    )
    if problems:
        raise ValueError(f"{path} does not fit its {CONFIG}: {'; '.join(problems)}")
    model.load_state_dict(state)
