"""Models whose outputs are neither classes nor numbers: which they are, and how they answer."""

from pathlib import Path

import torch

from ..checkpoint import load, local_directory, read_limits, read_model_config
from ..exported import SUFFIX, ExportedModel, gives_other_outputs
from ..machine import placement
from ..modalities import (
    ElementClassesConfig,
    FlowOutputConfig,
    ForecastConfig,
    FramesOutputConfig,
    FusionOutputConfig,
    OccupancyConfig,
    OutputConfig,
    PixelsOutputConfig,
    TextOutputConfig,
    WaveOutputConfig,
)
from ..models.base import PerceiverModel
from ..models.config import ModelConfig
from ..reading import Limits
from .answers import Answerer, Model
from .elements import ElementAnswerer
from .film import FilmAnswerer
from .flow import FlowAnswerer
from .rebuild import RebuiltAnswerer
from .series import ForecastAnswerer
from .solids import SolidAnswerer
from .text import FilledAnswerer

# How models answer, by their output.
ANSWERERS: dict[type[OutputConfig], type[Answerer]] = {
    ElementClassesConfig: ElementAnswerer,
    ForecastConfig: ForecastAnswerer,
    TextOutputConfig: FilledAnswerer,
    FlowOutputConfig: FlowAnswerer,
    FusionOutputConfig: FilmAnswerer,
    PixelsOutputConfig: RebuiltAnswerer,
    WaveOutputConfig: RebuiltAnswerer,
    FramesOutputConfig: RebuiltAnswerer,
    OccupancyConfig: SolidAnswerer,
}


def answerer(name: str, device: str = "auto", *, top_k: int = 5) -> Answerer | None:
    """Return what answers for a model that is no classifier or regressor; None if it is one.

    Args:
        name: directory of a run or saved model, hf://owner/name, or an exported `.onnx` file.
        device: where it runs; exported models run on the CPU.
        top_k: as of `Answerer`.

    Raises:
        ValueError: the files are damaged or do not fit each other, or nothing is answered about
            files with models of this kind.
        OSError: the files do not exist.
    """
    loaded = _load(name, device)
    if loaded is None:
        return None
    model, limits = loaded
    config = model.config
    if config.task == "language":
        raise ValueError(f"{name} continues texts; use perceivers generate {name} --prompt …")
    output: OutputConfig | None = getattr(config, "output", None)
    kind = ANSWERERS.get(type(output)) if output else None
    if kind is None:
        raise ValueError(
            f"models with input of kind {config.input.kind!r} and these outputs cannot predict "
            "files; pass tensors: perceivers.load(…)(batch)"
        )
    return kind(model, limits=limits, top_k=top_k)


def _load(name: str, device: str) -> tuple[Model, Limits] | None:
    """Load a model that is no classifier or regressor, and the limits that it was trained with."""
    if Path(name).suffix.lower() == SUFFIX:
        if not gives_other_outputs(Path(name)):
            return None
        exported = ExportedModel(name)
        return exported, exported.limits
    path = local_directory(name)
    if isinstance(read_model_config(path)[0], ModelConfig):
        return None
    where: torch.device = placement(device).device
    loaded = load(path)
    assert isinstance(loaded, PerceiverModel)  # a resampler has no `read_model_config`
    return loaded.to(where), read_limits(path)
