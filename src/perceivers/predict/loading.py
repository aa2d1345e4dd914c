"""From the name of a model, or the model itself, to the model of a `Predictor`."""

from pathlib import Path

import torch

from ..checkpoint import load_classifier, local_directory, read_limits
from ..exported import SUFFIX, ExportedModel
from ..machine import placement
from ..models.classifier import PerceiverClassifier
from ..models.config import ModelConfig
from ..reading import Limits


def load_model(
    model: str | Path | PerceiverClassifier | ExportedModel,
    device: str | torch.device | None,
    *,
    own_size: bool,
) -> tuple[PerceiverClassifier | ExportedModel, Limits]:
    """Return a model on its device, and the limits that it was trained with.

    Args:
        model: what a `Predictor` takes.
        device: the device; None: CUDA if there is a GPU, or for a model given as an object its own.
        own_size: whether files are to be read at their own size.

    Raises:
        ValueError: it is something else, has no outputs, or does not take these options.
        OSError: it cannot be read.
    """
    saved = Limits()
    if isinstance(model, str | Path):
        if Path(model).suffix.lower() == SUFFIX:
            model, device = _load_exported(model, device, own_size), None
            saved = model.limits
        else:
            path, device = local_directory(model), "auto" if device is None else device
            model, saved = load_classifier(path), read_limits(path)
    if not hasattr(model, "config"):
        raise ValueError(
            f"got {type(model).__name__} as the model; expected the directory of a run or of a "
            "saved model, a hub name, or a model"
        )
    if not (
        isinstance(model, PerceiverClassifier | ExportedModel)
        and isinstance(model.config, ModelConfig)
    ):
        raise ValueError(
            f"got a model of kind {model.config.kind!r}, which has no classes or numbers as "
            "outputs; call it with a batch, or use perceivers predict"
        )
    if not model.config.num_classes:
        raise ValueError(
            "the model has no outputs (num_classes=0); use model.encode(batch) or model(batch) "
            "for features"
        )
    return model if device is None else model.to(placement(str(device)).device), saved


def _load_exported(
    path: str | Path, device: str | torch.device | None, own_size: bool
) -> ExportedModel:
    """Load an exported model; the message of an error says which option it does not take."""
    if own_size:
        raise ValueError(
            f"{path}: exported models read files at the model's size; leave own_size out"
        )
    if device is not None and torch.device(device).type != "cpu":
        raise ValueError(f"{path}: exported models run on the CPU; leave out device={device}")
    return ExportedModel(path)
