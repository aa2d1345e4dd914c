"""`config.json`: what `load` and later commands know of a saved model or run."""

from pathlib import Path
from typing import Any

from ..files import read_json, write_json
from ..hub import is_hub_name, not_found
from ..interop import transformers
from ..models.config import EncoderConfig, from_dict
from ..reading import Limits, file_errors

FORMAT = 1
CONFIG = "config.json"
RESAMPLER = "resampler"  # the section of `config.json` that describes one
METRICS_FILE = "metrics.json"  # scores of a run


def read_config(directory: Path) -> dict[str, Any]:
    """Read `config.json` of a saved model or run.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged or of another format version.
    """
    if not directory.exists():
        raise not_found("directory", str(directory))
    if directory.is_file():
        archive = directory.suffix == ".pt2"
        fix = "; torch.export.load reads archives of torch.export" if archive else ""
        raise ValueError(
            f"{directory} is a file; expected the directory of a run or a saved model{fix}"
        )
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


def read_run_id(directory: Path) -> str | None:
    """Return the number of a run, by which its files are recognised; None if it has none."""
    path = directory / CONFIG
    return read_json(path).get("id") if path.exists() else None


def read_model_config(directory: Path) -> tuple[EncoderConfig, tuple[str, ...]]:
    """Read the configuration and the labels of a saved model or run.

    Raises:
        FileNotFoundError: there is no `config.json`.
        ValueError: it is damaged, of another format version, or describes no model.
    """
    if transformers.is_transformers_folder(directory):
        found, names = transformers.read_model_config(directory)
        return found, names or ()
    config = read_config(directory)
    if RESAMPLER in config:
        raise resampler_error(directory)
    with file_errors(directory / CONFIG, "description of a model"):
        for name, kind in (("model", dict), ("labels", list)):
            if not isinstance(config.get(name), kind):
                raise ValueError(f"not a description of a model: it has no {name}")
        labels = tuple(config["labels"])
        if not all(isinstance(label, str) for label in labels):
            raise ValueError("labels holds something else than texts; restore it from a copy")
        return from_dict(EncoderConfig, config["model"], "model"), labels


def resampler_error(directory: str | Path) -> ValueError:
    """Return the error for a resampler where a model that reads files is expected."""
    return ValueError(
        f"{directory} holds a resampler, which reads features, not files, and has no labels; load "
        "it with perceivers.load"
    )


def read_limits(directory: Path) -> Limits:
    """Read the limits that the files of a run were read with; the defaults for a saved model.

    Raises:
        FileNotFoundError: there is no `config.json`.
        ValueError: it is damaged or of another format version.
    """
    if transformers.is_transformers_folder(directory):
        return Limits()
    with file_errors(directory / CONFIG, "description of a run"):
        saved = (read_config(directory).get("recipe") or {}).get("limits", {})
        return from_dict(Limits, saved, "recipe.limits")


def write_config(directory: Path, **sections: Any) -> None:
    """Update sections of `config.json`, atomically; the others are kept."""
    path = directory / CONFIG
    data = read_json(path) if path.exists() else {}
    write_json(path, {**data, "format": FORMAT, **sections})


def local_directory(directory: str | Path) -> Path:
    """Return the directory of a saved model or run, after its download if it is a hub name."""
    if is_hub_name(str(directory)):
        return transformers.download_model(str(directory))
    return Path(directory)
