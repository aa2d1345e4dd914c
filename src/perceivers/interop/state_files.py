"""State dicts in files of other libraries, read as weights only."""

import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..files import check_content
from ..reading import reason


def read_state(path: str | Path) -> Mapping[str, Tensor]:
    """Read a state dict from a file, as weights only: nothing in the file is executed.

    Args:
        path: a safetensors file, or a file written by `torch.save`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or holds anything but a state dict of tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; expected a saved state dict")
    check_content(path)
    bad = f"{path}: damaged, or not a file of weights"
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except Exception as error:
            raise ValueError(f"{bad} ({reason(error)})") from error
    with open(path, "rb") as file:
        start = file.read(2)
    if start != b"PK" and start[:1] != b"\x80":  # neither a zip archive nor a pickle
        raise ValueError(
            f"{bad}: it begins with {start!r}, not as files of torch.save; expected a state dict "
            "saved by torch or safetensors, or a file of Keras"
        )
    try:
        with warnings.catch_warnings(action="ignore"):  # of the version of the pickle
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} holds more than tensors, or is damaged, so it was not read: it could execute "
            "code. Save the weights alone: torch.save(module.state_dict(), path)"
        ) from error
    except Exception as error:  # torch's messages end in advice that is unsafe or about torch
        raise ValueError(f"{bad} ({type(error).__name__} of torch.load)") from error
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if isinstance(state, dict):
        state = dict(_flattened(state))
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path}: expected a state dict of tensors, got {type(state).__name__}")
    return state


def _flattened(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the entries of dictionaries in a dictionary by their joined names: a.b.c."""
    for name, value in state.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", item) for inner, item in _flattened(value))
        else:
            yield name, value
