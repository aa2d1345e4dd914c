"""Models whose outputs are neither classes nor numbers: which they are, and what they give."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ..checkpoint import load, local_directory, read_model_config
from ..data.layout import visible_files
from ..exported import SUFFIX, ExportedModel, gives_other_outputs
from ..machine import placement
from ..modalities import FileModality, modality_of
from ..models.base import PerceiverModel
from ..models.config import ModelConfig


def load_if_other(model: str, device: str = "auto") -> PerceiverModel | ExportedModel | None:
    """Load a model that is no classifier or regressor; None if it is one.

    Args:
        model: directory of a run or saved model, hf://owner/name, or an exported `.onnx` file.
        device: where it runs; exported models run on the CPU.

    Raises:
        ValueError: the files are damaged or do not fit each other.
        OSError: they do not exist.
    """
    if Path(model).suffix.lower() == SUFFIX:
        path = Path(model)
        return ExportedModel(path) if gives_other_outputs(path) else None
    path = local_directory(model)
    if isinstance(read_model_config(path)[0], ModelConfig):
        return None
    where: torch.device = placement(device).device
    loaded = load(path)
    assert isinstance(loaded, PerceiverModel)  # a resampler has no `read_model_config`
    return loaded.to(where)


def find_files(names: Sequence[str], model: PerceiverModel) -> list[str]:
    """Return the files that arguments stand for: of a folder those that the model reads, sorted.

    Args:
        names: paths of files or folders.
        model: a model that reads files.

    Raises:
        ValueError: a folder holds no such files.
    """
    config = model.config.input
    modality = modality_of(config)
    suffixes = modality.suffixes if isinstance(modality, FileModality) else frozenset()
    found: list[str] = []
    for name in names:
        if not Path(name).is_dir():
            found.append(name)
            continue
        files = [f for f in visible_files(Path(name)) if f.suffix.lower() in suffixes]
        if not files:
            raise ValueError(f"{name} holds no files that this model reads; give other files")
        found += sorted(map(str, files))
    return found
