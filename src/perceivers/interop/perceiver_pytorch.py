"""Import and export of weights of perceiver-pytorch's `Perceiver`.

The library is https://pypi.org/project/perceiver-pytorch. In the terms of this package its model
has gated feed-forwards with a widening factor of 4, no biases on queries, keys and values, initial
latents of standard deviation 1, and a LayerNorm after the average. With `weight_tie_layers` its
first layer still has weights of its own, including its self-attends.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import missing_extra, weight_mismatches
from ..modalities.array.adapter import ArrayAdapter
from ..models.build import build
from ..models.classifier import PerceiverClassifier
from .perceiver_pytorch_call import Arguments, arguments_of, call_of, config_of, read_arguments
from .state_files import read_state


def from_perceiver_pytorch(
    source: nn.Module | Mapping[str, Tensor] | str | Path,
    *,
    input_shape: Sequence[int] | None = None,
    labels: Sequence[str] | None = None,
    **arguments: Any,
) -> PerceiverClassifier:
    """Convert a `perceiver_pytorch.Perceiver` to a model with the same logits, in eval mode.

    Args:
        source: the module; its state dict, in the layout of 0.9, 0.10 or 0.11; or a file of the
            state dict, written by `torch.save` or safetensors. Files are read as weights only.
        input_shape: number of cells along each axis of the input, such as (32, 32); prediction
            resizes images to it. Tensors of any other shape work too.
            Default: (1024,), (224, 224) or (16, 224, 224).
        labels: class names. None: numbers.
        **arguments: arguments of the library's constructor, needed for a state dict or a file,
            whose shapes do not determine all of them; those left out have the library's defaults.
            They are not needed for a module.

    Returns:
        A model that takes (B, *axes, channels) and, like the library's, an optional mask (B, M).
        For an example whose mask is all False its attention returns zeros, and the library's
        returns the average of the values.

    Raises:
        ValueError: this package does not have an option; arguments are missing or unknown; keys are
            missing, surplus or of another shape (the message lists all of them); or a file is
            damaged or holds more than tensors.
        FileNotFoundError: there is no such file.
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
    """Convert a model to a `perceiver_pytorch.Perceiver` with the same logits, in eval mode.

    The result takes normalised images: `model.adapter.normalise(images)`.

    Args:
        model: a model with the library's architecture, such as a result of
            `from_perceiver_pytorch` or the preset perceiver-pytorch-cifar10.

    Raises:
        ValueError: the model has parts that the library does not have.
        ImportError: the library is not installed.
    """
    call = call_of(model.config)
    state = {}
    ours = model.state_dict()
    columns = _columns(call)
    for name, our_names, reordered in _table(call):
        value = torch.cat([ours[part] for part in our_names])
        state[name] = value[..., columns.argsort()] if reordered else value
    state |= {name: state[first] for name, first in _repeats(call, state).items()}
    module = library_module(call)
    module.load_state_dict(state)
    return module.eval()


def difference(
    model: PerceiverClassifier, source: nn.Module | Mapping[str, Tensor] | str | Path
) -> float:
    """Return the largest absolute difference of the model's logits from the library's.

    Both get the same random batch. The library's module gets its weights from the source, not from
    the model.

    Args:
        model: result of `from_perceiver_pytorch(source)`.
        source: the source that the model was converted from.

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
    """Build the library's own module with initial weights.

    Args:
        call: constructor arguments.

    Raises:
        ImportError: the library is not installed.
    """
    try:
        from perceiver_pytorch import Perceiver
    except ImportError:
        raise missing_extra("perceiver-pytorch", "perceiver-pytorch") from None
    return Perceiver(**asdict(call))


def one_layout(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of any version's state dict to those of 0.11.

    A prefix that a wrapper module put before all keys is removed.

    Args:
        state: a state dict of 0.9, 0.10 or 0.11.
    """
    prefix = next((n.removesuffix("latents") for n in state if n.endswith("latents")), "")
    names = {".0.": ".cross_attn.", ".1.": ".cross_ff.", ".2.": ".self_attns."}

    def renamed(name: str) -> str:
        return re.sub(
            r"^(layers\.\d+)(\.[012]\.)", lambda m: m[1] + names[m[2]], name.removeprefix(prefix)
        )

    return {renamed(name): tensor for name, tensor in state.items()}


def _load(model: PerceiverClassifier, state: dict[str, Tensor], call: Arguments) -> None:
    """Load the library's state dict; raise a ValueError that lists all entries that do not fit."""
    ours = model.state_dict()
    columns = _columns(call)
    expected: dict[str, torch.Size] = {}
    filled: dict[str, Tensor] = {}
    for name, our_names, reordered in _table(call):
        shape = torch.cat([ours[part] for part in our_names]).shape
        expected[name] = shape
        if name in state and state[name].shape == shape:
            value = state[name][..., columns] if reordered else state[name]
            filled |= zip(our_names, value.float().chunk(len(our_names)), strict=True)
    repeats = _repeats(call, expected)
    expected |= {name: expected[first] for name, first in repeats.items()}
    problems = weight_mismatches({name: tensor.shape for name, tensor in state.items()}, expected)
    if not problems:
        problems = [
            f"{name} differs from {first}; expected equal weights with weight_tie_layers=True"
            for name, first in repeats.items()
            if not torch.equal(state[name], state[first])
        ]
    if problems:
        raise ValueError(
            f"not a state dict of perceiver_pytorch.Perceiver({call}); check the arguments, or the "
            f"file: {'; '.join(problems)}"
        )
    model.load_state_dict({**ours, **{name: value.contiguous() for name, value in filled.items()}})


def _repeats(call: Arguments, names: Mapping[str, Any]) -> dict[str, str]:
    """Return the names that repeat a tied layer's weights, with the names they repeat."""
    return {
        name.replace(f"layers.{layer}.", f"layers.{step}.", 1): name
        for step, layer in enumerate(call.order)
        if step != layer
        for name in names
        if name.startswith(f"layers.{layer}.")
    }


def _table(call: Arguments) -> list[tuple[str, tuple[str, ...], bool]]:
    """Return the correspondence of names, as a list of triples.

    A triple is the library's name, the names of this package whose concatenated rows it holds, and
    whether its last axis is the channels of the inputs.
    """
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
    """Return the index in the library of each of our input channels.

    After the content, the library groups the channels by axis (sines, cosines, coordinate), and
    this package by kind (coordinates, sines, cosines).
    """
    content = torch.arange(call.input_channels)
    if not call.fourier_encode_data:
        return content
    bands = call.num_freq_bands
    groups = torch.arange(call.input_axis * (2 * bands + 1)).view(call.input_axis, -1)
    parts = (groups[:, 2 * bands], groups[:, :bands].flatten(), groups[:, bands:-1].flatten())
    return torch.cat([content, call.input_channels + torch.cat(parts)])
