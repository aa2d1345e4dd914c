"""Import and export of the Perceiver models of transformers 5, such as DeepMind's published ones.

The classes are `PerceiverForImageClassification…`, `PerceiverForSequenceClassification` and their
siblings in https://huggingface.co/docs/transformers/model_doc/perceiver.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..errors import listed, missing_extra, weight_mismatches
from ..files import read_json
from ..hub import download
from ..modalities import ConvImageConfig, FusionConfig, ImageConfig, TextConfig
from ..modalities.channels_last import ChannelsLastAdapter
from ..modalities.flow.adapter import FramePairAdapter
from ..models.base import PerceiverModel
from ..models.build import build
from ..models.config import EncoderConfig, PerceiverIOClassifierConfig, PerceiverIOConfig
from ..reading import file_errors
from . import transformers_config as configs
from . import transformers_outputs as outputs
from .state_files import read_state
from .transformers_names import PREFIXES, UNUSED, joined_state, names_of, shape_there, split_state

log = logging.getLogger(__name__)

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
INDEX = "model.safetensors.index.json"
# Of the library's image processor: mean and standard deviation of ImageNet.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def from_transformers(
    source: nn.Module | str | Path,
    *,
    labels: Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> PerceiverModel:
    """Convert a Perceiver of transformers to a model with the same outputs, in eval mode.

    The result takes raw batches, channels last, and normalises images itself; the library's class
    takes `model.adapter.normalise(images)`, channels first. Padding of texts is masked, as the
    library does with the `attention_mask` of its tokenizer. For an example whose mask is all False
    attention returns zeros, and the library's the average of the values. The library's default of
    dropping a tenth of the attention weights in training is left out, as the papers drop none:
    set `attention_dropout` of the configuration for it.

    Args:
        source: an instance of one of the library's classes, or a folder in the format of the
            Hugging Face hub: `config.json` with `model.safetensors` or `pytorch_model.bin`, which
            is read as weights only. The library is not needed for a folder.
        labels: class names. None: those of the configuration.
        mean: mean that pixels in [0, 1] were normalised with in training, one number for each
            channel. None: that of the folder's `preprocessor_config.json`, or of ImageNet, as of
            the library's image processor.
        std: standard deviation, in the same form.

    Raises:
        ValueError: the source is another model, or has settings that this package does not have;
            weights are missing, surplus or of another shape (the message lists all of them); or a
            file is damaged.
        FileNotFoundError: the folder lacks a file.
    """
    processor: Mapping[str, Any] = {}
    if isinstance(source, nn.Module):
        described: Mapping[str, Any] = source.config.to_dict()  # type: ignore[union-attr,operator]
        where, state = type(source).__name__, dict(source.state_dict())
        architecture = where
    else:
        folder = Path(source)
        where, described, processor = str(folder), *_read_description(folder)
        architecture = _architecture(described, where)
        state = read_weights(folder)
    state = split_state(state)
    with file_errors(where, "Perceiver of transformers"):
        _check_architecture(architecture)
        config, names = _config_of(architecture, configs.complete(described))
        chosen = names if labels is None else tuple(labels)
        model = build(config, chosen)
        _load(model, architecture, state)
    if isinstance(config.input, ImageConfig | ConvImageConfig) or mean or std:
        model.adapter.set_normalisation(
            torch.tensor(mean or processor.get("image_mean") or MEAN),
            torch.tensor(std or processor.get("image_std") or STD),
        )
    return model.eval()


def to_transformers(model: PerceiverModel) -> nn.Module:
    """Convert a model to one of the Perceiver classes of transformers, in eval mode.

    Images that the result takes are normalised, `model.adapter.normalise(images)`, and channels
    first.

    Args:
        model: a model with the library's architecture, such as a result of `from_transformers` or
            one of the presets perceiver-io-….

    Raises:
        ValueError: the library has no such model.
        ImportError: the library is not installed.
    """
    architecture, values, labels = _call_of(model)
    module = library_module(architecture, values, labels)
    ours, theirs = model.state_dict(), {}
    for name, other in names_of(architecture, ours).items():
        theirs[other] = ours[name].reshape(shape_there(other, ours[name].shape))
    others = module.state_dict()
    unused = {name: torch.zeros_like(others[name]) for name in UNUSED if name in others}
    module.load_state_dict({**unused, **joined_state(theirs)})
    return module.eval()


def difference(model: PerceiverModel, source: str | Path) -> float:
    """Return the largest absolute difference of the model's outputs from the library's.

    Both get the same small random batch. The library reads its weights from the source by itself.

    Args:
        model: result of `from_transformers(source)`.
        source: the folder that the model was converted from.

    Raises:
        ImportError: the library is not installed.
    """
    try:
        import transformers
    except ImportError:
        raise missing_extra("transformers", "dev") from None
    architecture = _architecture(read_json(Path(source) / CONFIG), str(source))
    with _without_progress_bars(transformers.utils.logging):
        theirs = getattr(transformers, architecture).from_pretrained(source, local_files_only=True)
    x, inputs = _random_batch(model)
    with torch.no_grad():
        return (theirs.eval()(**inputs).logits - model(x)).abs().max().item()


def _random_batch(model: PerceiverModel) -> tuple[Any, dict[str, Any]]:
    """Return a raw batch, and the same as arguments of the library's class."""
    generator = torch.Generator().manual_seed(0)
    adapter, config = model.adapter, cast(Any, model.config.input)
    if isinstance(config, TextConfig):
        ids = torch.randint(6, 262, (2, min(64, config.max_length)), generator=generator)
        return ids, {"inputs": ids}
    if isinstance(adapter, FramePairAdapter):
        frames = torch.rand(1, 2, *adapter.size, adapter.channels, generator=generator)
        return frames, {"inputs": adapter.patches(frames).movedim(-1, 2)}
    assert isinstance(adapter, ChannelsLastAdapter)
    side = config.image_size if getattr(config, "position", "") == "learned" else 32
    x = torch.rand(2, side, side, 3, generator=generator)
    return x, {"inputs": adapter.normalise(x).movedim(-1, 1)}


def library_module(
    architecture: str, values: Mapping[str, Any], labels: Sequence[str] = ()
) -> nn.Module:
    """Build the library's own module with initial weights.

    Args:
        architecture: name of the class.
        values: fields of its `PerceiverConfig`.
        labels: class names; empty: none.

    Raises:
        ImportError: the library is not installed.
    """
    try:
        import transformers
    except ImportError:
        raise missing_extra("transformers", "dev") from None
    config = transformers.PerceiverConfig(**values)
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
    module: nn.Module = getattr(transformers, architecture)(config)
    return module


def is_transformers_folder(folder: Path) -> bool:
    """Return whether a folder's `config.json` was written by transformers."""
    path = folder / CONFIG
    return path.exists() and "model_type" in read_json(path)


def read_model_config(folder: Path) -> tuple[EncoderConfig, tuple[str, ...] | None]:
    """Read the configuration of a folder and the names of its classes, None if they have none.

    Raises:
        ValueError: it describes another model, or has settings that this package does not have.
    """
    described, _ = _read_description(folder)
    architecture = _architecture(described, str(folder))
    with file_errors(folder, "Perceiver of transformers"):
        _check_architecture(architecture)
        return _config_of(architecture, configs.complete(described))


def download_model(name: str, **options: Any) -> Path:
    """Download a model of the Hugging Face hub, this package's or one of transformers.

    Args:
        name: name of the repository, hf://owner/name.
        **options: arguments of `huggingface_hub.snapshot_download`, such as `revision`.

    Raises:
        FileNotFoundError: the hub cannot be reached, or has no such repository or file.
        ValueError: the name has another form.
        ImportError: `huggingface_hub` is not installed.
    """
    safe, pickled = WEIGHTS
    folder = download(name, (CONFIG, PROCESSOR, safe, INDEX, "model-*.safetensors"), **options)
    if not (folder / safe).exists() and not (folder / INDEX).exists():
        folder = download(name, (CONFIG, PROCESSOR, pickled), **options)
    return folder


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read the weights of a folder in the hub's format; nothing in them is executed.

    Raises:
        FileNotFoundError: it holds no weights, or not all parts of them.
        ValueError: a file is damaged, or holds more than tensors.
    """
    for name in WEIGHTS:
        if (folder / name).exists():
            return dict(read_state(folder / name))
    if not (folder / INDEX).exists():
        raise FileNotFoundError(
            f"{folder} holds a {CONFIG} but no weights; expected {' or '.join(WEIGHTS)}: the "
            "download may not be complete"
        )
    parts = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
    if missing := [part for part in parts if not (folder / part).is_file()]:
        raise FileNotFoundError(
            f"{folder} lacks {listed(missing)}, which {INDEX} names; download the rest of it"
        )
    return {name: t for part in parts for name, t in read_state(folder / part).items()}


def _read_description(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what `config.json` and `preprocessor_config.json` of a folder hold."""
    if not (folder / CONFIG).is_file():
        raise FileNotFoundError(
            f"{folder} holds no {CONFIG}; expected a folder in the format of the Hugging Face hub"
        )
    processor = folder / PROCESSOR
    return read_json(folder / CONFIG), read_json(processor) if processor.exists() else {}


def _architecture(described: Mapping[str, Any], where: str) -> str:
    """Return the name of the class that a `config.json` is for."""
    if described.get("model_type") != "perceiver":
        with file_errors(where, "Perceiver of transformers"):
            configs.complete(described)  # raises the error
    names = described.get("architectures")
    if not isinstance(names, list) or len(names) != 1:
        raise ValueError(f"{where}: architectures is {names!r}; expected one of {listed(PREFIXES)}")
    return str(names[0])


def _check_architecture(name: str) -> None:
    if name not in PREFIXES:
        raise ValueError(f"its class is {name}; expected one of {listed(PREFIXES)}")


def _config_of(
    architecture: str, values: Mapping[str, Any]
) -> tuple[EncoderConfig, tuple[str, ...] | None]:
    """Return the configuration and the names of the classes."""
    if architecture in outputs.OTHERS:
        config = outputs.OTHERS[architecture](values)
        has_classes = isinstance(config.input, FusionConfig)
        return config, configs.labels_of(values) if has_classes else None
    return configs.classifier_config(architecture, values), configs.labels_of(values)


def _call_of(model: PerceiverModel) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    """Return the class, the fields of its configuration, and the names of the classes."""
    if isinstance(model.config, PerceiverIOClassifierConfig):
        return *configs.classifier_values(model.config), model.labels
    if isinstance(model.config, PerceiverIOConfig):
        return *outputs.other_values(model.config), model.labels
    raise ValueError(
        f"transformers has no models of kind {model.config.kind!r}; expected one of Perceiver IO"
    )


def _load(model: PerceiverModel, architecture: str, state: Mapping[str, Tensor]) -> None:
    """Load the library's state dict; raise a ValueError that lists all entries that do not fit."""
    ours = model.state_dict()
    names = names_of(architecture, ours)
    expected = {other: shape_there(other, ours[name].shape) for name, other in names.items()}
    got = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if problems := weight_mismatches(got, expected):
        raise ValueError(f"not the weights of {architecture}: {'; '.join(problems)}")
    filled = {
        name: state[other].to(ours[name].dtype).reshape(ours[name].shape)
        for name, other in names.items()
    }
    model.load_state_dict({**ours, **filled})


@contextmanager
def _without_progress_bars(logging: Any) -> Iterator[None]:
    """Keep transformers from drawing a progress bar for files that are read in a moment."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
