"""Weights of perceiver-pytorch's `Perceiver`, both ways (https://pypi.org/project/perceiver-pytorch).

Its model in the terms of this package: gated feed-forwards four times as wide, no biases on
queries, keys and values, latents of spread 1, a LayerNorm after the average. With
`weight_tie_layers` its first layer still has weights of its own, self-attends included.
"""

import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import missing_extra, weight_mismatches
from ..modalities.array.adapter import ArrayAdapter
from ..models.build import build
from ..models.classifier import PerceiverClassifier
from .perceiver_pytorch_call import Arguments, arguments_of, call_of, config_of, read_arguments


def from_perceiver_pytorch(
    source: nn.Module | Mapping[str, Tensor] | str | Path,
    *,
    input_shape: Sequence[int] | None = None,
    labels: Sequence[str] | None = None,
    **arguments: Any,
) -> PerceiverClassifier:
    """A `perceiver_pytorch.Perceiver` as a model of this package, in eval mode: the same logits.

    Args:
        source: the module; or its state dict, in the layout of 0.9, 0.10 or 0.11; or a file of one,
            written by `torch.save` or safetensors. Files are read as weights only.
        input_shape: cells along each axis that the model is for, such as (32, 32): what predicting
            resizes images to. Any other shape still works on tensors.
            Default: (1024,), (224, 224) or (16, 224, 224).
        labels: class names; None: numbers.
        **arguments: the constructor's, for a state dict or file, whose shapes do not tell them all;
            what is left out has the library's default. A module knows them itself.

    Returns:
        A model that takes (B, *axes, channels) and, as the library's, an optional mask (B, M). Of
        an example whose mask is all False the attention reads zeros, the library's the average.

    Raises:
        ValueError: an option this package does not have; arguments that are missing or do not
            exist; keys that are missing, left over or of another shape, all at once; a file that is
            damaged or holds more than tensors.
    """
    if isinstance(source, nn.Module):
        call = arguments_of(source)
        state: Mapping[str, Tensor] = source.state_dict()
    else:
        state = read_state(source) if isinstance(source, str | Path) else source
        call = read_arguments(arguments)
    model = build(config_of(call, input_shape), None if labels is None else tuple(labels))
    _load(model, one_layout(state), call)
    return model.eval()


def to_perceiver_pytorch(model: PerceiverClassifier) -> nn.Module:
    """A `perceiver_pytorch.Perceiver` with this model's weights, in eval mode.

    Its input is what the adapter makes of images: `model.adapter.normalise(images)`.

    Args:
        model: one with the library's architecture, such as `from_perceiver_pytorch` gives or the
            preset perceiver-pytorch-cifar10.

    Raises:
        ValueError: the model has parts that the library does not.
        ImportError: the library is not installed.
    """
    call = call_of(model.config)
    state = {}
    ours = model.state_dict()
    columns = _columns(call)
    for name, ours_names, reordered in _table(call):
        value = torch.cat([ours[part] for part in ours_names])
        state[name] = value[..., columns.argsort()] if reordered else value
    state |= {name: state[first] for name, first in _repeats(call, state).items()}
    module = library_module(call)
    module.load_state_dict(state)
    return module.eval()


def difference(
    model: PerceiverClassifier, source: nn.Module | Mapping[str, Tensor] | str | Path
) -> float:
    """Largest absolute difference between the library's logits and ours on a random batch.

    The library's module is filled from the source, not from our weights.

    Args:
        model: as `from_perceiver_pytorch(source)` gave it.
        source: what it came from.

    Raises:
        ImportError: the library is not installed.
    """
    call = call_of(model.config)
    adapter = model.adapter
    assert isinstance(adapter, ArrayAdapter)
    if isinstance(source, nn.Module):
        module = source.eval()
    else:
        state = read_state(source) if isinstance(source, str | Path) else source
        module = library_module(call)
        module.load_state_dict(one_layout(state))
    sizes = {1: (256,), 2: (24, 20), 3: (6, 8, 7)}.get(call.input_axis, (3,) * call.input_axis)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, *sizes, call.input_channels, generator=generator)
    with torch.no_grad():
        theirs = module.eval()(adapter.normalise(x))
        return (theirs - model.eval()(x)).abs().max().item()


def library_module(call: Arguments) -> nn.Module:
    """The library's own module, freshly initialised."""
    try:
        from perceiver_pytorch import Perceiver
    except ImportError:
        raise missing_extra("perceiver-pytorch", "perceiver-pytorch") from None
    return Perceiver(**asdict(call))


def read_state(path: str | Path) -> Mapping[str, Tensor]:
    """The state dict in a file, as weights only: whatever else it holds is refused, not run."""
    try:
        if Path(path).suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is not there; expected a saved state dict") from None
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path} holds more than tensors, so it was not read: it could run code. "
            "Save the weights alone: torch.save(module.state_dict(), path)"
        ) from None
    except (RuntimeError, EOFError, OSError, SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: damaged, or no file of weights ({_line(error)})") from None
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path}: expected a state dict of tensors, got {type(state).__name__}")
    return state


def one_layout(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Any version's names as those of 0.11, without the prefix a wrapper put before them all."""
    prefix = next((n.removesuffix("latents") for n in state if n.endswith("latents")), "")
    names = {".0.": ".cross_attn.", ".1.": ".cross_ff.", ".2.": ".self_attns."}

    def renamed(name: str) -> str:
        return re.sub(
            r"^(layers\.\d+)(\.[012]\.)", lambda m: m[1] + names[m[2]], name.removeprefix(prefix)
        )

    return {renamed(name): tensor for name, tensor in state.items()}


def _load(model: PerceiverClassifier, state: dict[str, Tensor], call: Arguments) -> None:
    """Fill the model; ValueError with all that does not fit."""
    ours = model.state_dict()
    columns = _columns(call)
    expected: dict[str, torch.Size] = {}
    filled: dict[str, Tensor] = {}
    for name, ours_names, reordered in _table(call):
        shape = torch.cat([ours[part] for part in ours_names]).shape
        expected[name] = shape
        if name in state and state[name].shape == shape:
            value = state[name][..., columns] if reordered else state[name]
            filled |= zip(ours_names, value.float().chunk(len(ours_names)), strict=True)
    repeats = _repeats(call, expected)
    expected |= {name: expected[first] for name, first in repeats.items()}
    problems = weight_mismatches({name: tensor.shape for name, tensor in state.items()}, expected)
    if not problems:
        problems = [
            f"{name} differs from {first}, though weight_tie_layers=True"
            for name, first in repeats.items()
            if not torch.equal(state[name], state[first])
        ]
    if problems:
        raise ValueError(
            f"this is no state dict of perceiver_pytorch.Perceiver({call}): {'; '.join(problems)}"
        )
    model.load_state_dict({**ours, **{name: value.contiguous() for name, value in filled.items()}})


def _repeats(call: Arguments, names: Mapping[str, Any]) -> dict[str, str]:
    """Names under which the library stores a tied layer again, and the names they repeat."""
    return {
        name.replace(f"layers.{layer}.", f"layers.{step}.", 1): name
        for step, layer in enumerate(call.order)
        if step != layer
        for name in names
        if name.startswith(f"layers.{layer}.")
    }


def _table(call: Arguments) -> list[tuple[str, tuple[str, ...], bool]]:
    """(The library's name, ours whose rows in turn are its own, whether columns are inputs)."""
    table: list[tuple[str, tuple[str, ...], bool]] = [("latents", ("perceiver.latents",), False)]

    def add(theirs: str, ours: str, *names: str, columns: bool = False) -> None:
        table.append((theirs, tuple(ours + name for name in names), columns))

    def add_both(theirs: str, ours: str, columns: bool = False) -> None:
        for name in ("weight", "bias"):
            add(f"{theirs}.{name}", ours, f".{name}", columns=columns)

    def add_attention(theirs: str, ours: str, columns: bool = False) -> None:
        add(f"{theirs}.to_q.weight", ours, ".to_q.weight")
        add(f"{theirs}.to_kv.weight", ours, ".to_k.weight", ".to_v.weight", columns=columns)
        add_both(f"{theirs}.to_out", f"{ours}.to_out")

    def add_feed_forward(theirs: str, ours: str) -> None:
        add_both(f"{theirs}.norm", f"{ours}.norm")
        add_both(f"{theirs}.fn.net.0", f"{ours}.expand")
        add_both(f"{theirs}.fn.net.2", f"{ours}.contract")

    for layer in sorted(set(call.order)):
        theirs, ours = f"layers.{layer}", f"perceiver.cross_attends.{layer}"
        add_both(f"{theirs}.cross_attn.norm", f"{ours}.norm_latents")
        add_both(f"{theirs}.cross_attn.norm_context", f"{ours}.norm_inputs", columns=True)
        add_attention(f"{theirs}.cross_attn.fn", f"{ours}.attention", columns=True)
        add_feed_forward(f"{theirs}.cross_ff", f"{ours}.feed_forward")
        for j in range(call.self_per_cross_attn):
            theirs, ours = f"layers.{layer}.self_attns.{j}", f"perceiver.blocks.{layer}.{j}"
            add_both(f"{theirs}.0.norm", f"{ours}.norm")
            add_attention(f"{theirs}.0.fn", f"{ours}.attention")
            add_feed_forward(f"{theirs}.1", f"{ours}.feed_forward")
    add_both("to_logits.1", "pooled_norm")
    add_both("to_logits.2", "head")
    return table


def _columns(call: Arguments) -> Tensor:
    """Where each of our input channels lies among theirs.

    After the content, theirs are grouped by axis (sines, cosines, coordinate), ours by kind:
    coordinates, sines, cosines.
    """
    content = torch.arange(call.input_channels)
    if not call.fourier_encode_data:
        return content
    bands = call.num_freq_bands
    groups = torch.arange(call.input_axis * (2 * bands + 1)).view(call.input_axis, -1)
    parts = (groups[:, 2 * bands], groups[:, :bands].flatten(), groups[:, bands:-1].flatten())
    return torch.cat([content, call.input_channels + torch.cat(parts)])


def _line(error: Exception) -> str:
    text = "" if isinstance(error, KeyError) else str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
