"""Save and load a model as `config.json` and `model.safetensors`; nothing is ever unpickled."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from .errors import weight_mismatches
from .models.build import build
from .models.classifier import PerceiverClassifier
from .models.config import ModelConfig, from_dict, to_dict

FORMAT = 1
CONFIG, WEIGHTS = "config.json", "model.safetensors"


def save(model: PerceiverClassifier, directory: str | Path) -> None:
    """Write a model so that `load` gives it back. Files that are there are replaced whole or not.

    Args:
        model: as built by `create`, `build` or `load`.
        directory: made if it is not there. A training run's other settings in its `config.json`
            are kept.

    Raises:
        OSError: the disk is full or not writable; what was there before is still there.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    save_weights(model, directory)
    write_config(directory, model=to_dict(model.config), labels=list(model.labels))


def save_weights(model: PerceiverClassifier, directory: Path) -> None:
    """Only the weights and buffers, atomically."""
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(
        directory / WEIGHTS, lambda path: save_file(state, path, metadata={"format": "pt"})
    )


def write_config(directory: Path, **sections: Any) -> None:
    """Merge sections into `config.json`, atomically."""
    path = directory / CONFIG
    data = read_json(path) if path.exists() else {}
    write_json(path, {**data, "format": FORMAT, **sections})


def write_json(path: Path, data: dict[str, Any]) -> None:
    """A JSON object to a file, atomically."""
    text = json.dumps(data, indent=1) + "\n"
    write_atomically(path, lambda part: part.write_text(text))


def load(directory: str | Path) -> PerceiverClassifier:
    """A saved model, in eval mode on CPU.

    Args:
        directory: what `save` or a training run wrote, or the name of such a repository on the
            Hugging Face hub.

    Raises:
        ValueError: the files are of another version, damaged, or do not fit each other.
        OSError: they are not there.
    """
    path = Path(directory)
    if not path.exists() and _could_be_hub_name(str(directory)):
        path = _download(str(directory))
    config = read_config(path)
    try:
        model = build(from_dict(ModelConfig, config["model"], "model"), tuple(config["labels"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path / CONFIG}: not a complete model description ({error})") from None
    _load_weights(model, path / WEIGHTS)
    return model.eval()


def read_config(directory: Path) -> dict[str, Any]:
    """`config.json` of a saved model or run, its format checked."""
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


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file."""
    try:
        data = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: not valid JSON ({error}); restore it from a copy") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(data).__name__}")
    return data


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then put it in place; if it fails, `path` stays."""
    part = path.with_name(path.name + ".part")
    try:
        write(part)
        part.chmod(0o644)  # safetensors makes files that only their owner can read
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or error
        raise OSError(
            f"could not write {path}: {reason}; the file as it was before is untouched. "
            "Free some space or choose another directory"
        ) from error


def _load_weights(model: PerceiverClassifier, path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; the run may have ended before its first epoch")
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path}: damaged or cut short ({error}); copy or download it again"
        ) from None
    problems = weight_mismatches(
        {name: tensor.shape for name, tensor in state.items()},
        {name: tensor.shape for name, tensor in model.state_dict().items()},
    )
    if problems:
        raise ValueError(f"{path} does not fit its {CONFIG}: {'; '.join(problems)}")
    model.load_state_dict(state)


def _could_be_hub_name(name: str) -> bool:
    return name.count("/") == 1 and not name.startswith((".", "/", "~"))


def _download(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError:
        raise FileNotFoundError(
            f"{name} is no directory here; to load it from the Hugging Face hub: "
            "pip install 'perceivers[data]'"
        ) from None
    try:
        return Path(snapshot_download(name, allow_patterns=[CONFIG, WEIGHTS]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(
            f"{name} is no directory here, and the Hugging Face hub did not give it "
            f"({type(error).__name__}); check the name or your connection"
        ) from None
