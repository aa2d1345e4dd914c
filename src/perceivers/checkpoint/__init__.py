"""Saved models and runs: `config.json` and `model.safetensors`; nothing is ever unpickled."""

from .description import (
    CONFIG,
    METRICS_FILE,
    local_directory,
    read_config,
    read_limits,
    read_model_config,
    read_run_id,
    write_config,
)
from .models import (
    WEIGHTS,
    check_rebuildable,
    check_weights,
    load,
    load_classifier,
    load_generator,
    load_model,
    load_trained,
    load_weights,
    original,
    save,
    save_weights,
)

__all__ = [
    "CONFIG",
    "METRICS_FILE",
    "WEIGHTS",
    "check_rebuildable",
    "check_weights",
    "load",
    "load_classifier",
    "load_generator",
    "load_model",
    "load_trained",
    "load_weights",
    "local_directory",
    "original",
    "read_config",
    "read_limits",
    "read_model_config",
    "read_run_id",
    "save",
    "save_weights",
    "write_config",
]
