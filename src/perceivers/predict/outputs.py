"""Models whose outputs are neither classes nor numbers: which they are, and what they give."""

from pathlib import Path

import torch

from ..checkpoint import load, local_directory, read_model_config
from ..exported import SUFFIX
from ..machine import placement
from ..models.base import PerceiverModel
from ..models.config import ModelConfig


def load_if_other(model: str, device: str = "auto") -> PerceiverModel | None:
    """Load a model that is no classifier or regressor; None if it is one, or an exported model.

    Args:
        model: directory of a run or saved model, or hf://owner/name.
        device: where it runs.

    Raises:
        ValueError: the files are damaged or do not fit each other.
        OSError: they do not exist.
    """
    if Path(model).suffix.lower() == SUFFIX:
        return None
    path = local_directory(model)
    if isinstance(read_model_config(path)[0], ModelConfig):
        return None
    where: torch.device = placement(device).device
    loaded = load(path)
    assert isinstance(loaded, PerceiverModel)  # a resampler has no `read_model_config`
    return loaded.to(where)
