"""Import and export of the weights of other libraries' resamplers."""

import inspect
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Resampler
from ..errors import listed, unknown, weight_mismatches
from ..reading import reason
from .resampler_layouts import FLAMINGO, LAYOUTS, Layout, Line
from .state_files import read_state

log = logging.getLogger(__name__)

Shapes = Mapping[str, tuple[int, ...]]
LIBRARIES = [layout.name for layout in LAYOUTS.values()]
HEADS = ("num_heads", "n_heads", "heads")  # names of the number of heads in the libraries' modules
FIXED = (  # options that neither shapes nor the caller of a library's constructor determine
    "self_attention", "residual", "norm", "input_norm", "output_norm", "norm_before_output", "eps",
    "activation",
)  # fmt: skip
EPS = ("eps", "variance_epsilon")  # of what their norms add to the variance


def from_resampler(
    source: nn.Module | Mapping[str, Tensor] | str | Path,
    *,
    prefix: str | None = None,
    num_heads: int | None = None,
) -> Resampler:
    """Convert another library's resampler to a `Resampler` with the same outputs, in eval mode.

    The names and shapes of the weights decide what it is: the resampler of OpenFlamingo or
    flamingo-pytorch, of Idefics or Idefics 2, of IP-Adapter Plus (the original file or diffusers),
    of MiniCPM-V or Qwen-VL, of XTTS (also IndexTTS and NaturalSpeech 2) or of Chatterbox. What it
    was taken for is logged.

    Args:
        source: the module; its state dict; or a file of the state dict, written by `torch.save` or
            safetensors, and read as weights only. It may be a part of a larger model.
        prefix: what stands before the names of the resampler's weights, such as
            "model.perceiver_resampler."; None: it is found. It is needed if there are several.
        num_heads: number of attention heads, which the shapes do not determine. None: the
            module's; for weights alone those of the published models, whose heads have 64 channels
            (Idefics: 96, MiniCPM-V and Qwen-VL: 128, Chatterbox: 4 heads).

    Returns:
        The resampler, in float32, or float64 if the weights are. For an example whose mask is all
        False its attention returns zeros.

    Raises:
        ValueError: the weights are not those of a known resampler; or weights are missing, surplus
            or of another shape (the message lists all of them); or a file is damaged or holds more
            than tensors.
        FileNotFoundError: there is no such file.
    """
    module = source if isinstance(source, nn.Module) else None
    if isinstance(source, nn.Module):
        source = source.state_dict()
    whole = read_state(source) if isinstance(source, str | Path) else source
    shapes = {name: tuple(tensor.shape) for name, tensor in whole.items()}
    prefix, layout = recognise(shapes, prefix)
    state = {name[len(prefix) :]: t for name, t in whole.items() if name.startswith(prefix)}
    read: dict[str, Any] = {}
    if module is not None:
        read = _settings(module.get_submodule(prefix.removesuffix(".")))
    if num_heads is not None:
        read["num_heads"] = num_heads
    model = _convert(layout, state, read)
    options, told = model.options, "" if "num_heads" in read else ", as in the published models"
    positions = options["num_positions"]
    log.info(
        "recognised as the resampler of %s%s: %s latents, %s layers, %s of %s channels%s%s",
        layout.name,
        f" at {prefix!r}" if prefix else "",
        options["num_latents"],
        options["depth"],
        "1 head" if options["num_heads"] == 1 else f"{options['num_heads']} heads",
        options["head_dim"],
        told,
        f"; {layout.note}" if layout.note and (layout is not FLAMINGO or positions) else "",
    )
    return model


def to_resampler(model: Resampler, library: str) -> dict[str, Tensor]:
    """Return the state dict of another library's resampler with the same outputs.

    Args:
        model: a resampler with the library's architecture, such as a result of `from_resampler`.
        library: "flamingo", "idefics", "idefics2", "ip-adapter", "ip-adapter-diffusers", "xtts",
            "minicpm-v" or "chatterbox".

    Returns:
        Copies of the weights, to be loaded by the library's module.

    Raises:
        ValueError: the library is unknown, or the model has parts that its resampler does not have.
    """
    known = [name for name, layout in LAYOUTS.items() if layout.prepare is None]
    if library not in known:
        raise unknown("library", library, known)
    layout, ours = LAYOUTS[library], {k: v.detach() for k, v in model.state_dict().items()}
    state: dict[str, Tensor] = {}
    defaults = {name: p.default for name, p in inspect.signature(Resampler).parameters.items()}
    problems = [
        f"{name}={model.options[name]!r}, expected {value!r}"
        for name in FIXED
        if model.options[name] != (value := layout.options.get(name, defaults[name]))
    ]
    covered: set[str] = set()
    for line in _lines(layout, model.options["depth"]):
        if line.optional and (covered & {*line.ours} or not ours.keys() >= {*line.ours}):
            continue
        covered.update(line.ours)
        if missing := [name for name in line.ours if name not in ours]:
            problems += [f"there is no {name}" for name in missing]
            continue
        value = torch.cat([ours[name] for name in line.ours])
        value = value.mT if line.transposed else value
        for name, part in zip(line.theirs, value.chunk(len(line.theirs)), strict=True):
            axis = layout.extra_axes.get(name)
            part = part.clone() if axis is None else part.unsqueeze(axis).clone()
            if name in state and not torch.equal(state[name], part):
                problems.append(f"{line.ours[0]} differs from another weight that is {name} there")
            state[name] = part
    problems += [
        f"{name} has no counterpart there"
        for name, value in ours.items()
        if name not in covered and (not name.endswith("bias") or value.any())
    ]
    if problems:
        raise ValueError(f"not a resampler of {layout.name}: {'; '.join(problems)}")
    return state


def holds_resampler(names: Iterable[str]) -> bool:
    """Return whether weights of these names are those of a resampler, or hold one."""
    return bool(_found(set(names), None))


def recognise(shapes: Shapes, prefix: str | None = None) -> tuple[str, Layout]:
    """Return what stands before the names of a resampler's weights, and whose resampler it is.

    Args:
        shapes: shapes of the weights by name, also of a larger model.
        prefix: what stands before the names, if it is known.

    Raises:
        ValueError: there is no known resampler, or there are several.
    """
    found = _found(shapes.keys(), prefix)
    if not found:
        if prefix is not None and (elsewhere := _found(shapes.keys(), None)):
            places = listed(f"prefix={start}" if start else "none" for start in elsewhere)
            raise ValueError(f"there is no known resampler at {prefix!r}; expected {places}")
        where = "" if prefix is None else f" at {prefix!r}"
        raise ValueError(
            f"the weights {listed(shapes, 4)} hold no known resampler{where}; expected that of "
            f"{listed(LIBRARIES)}"
        )
    if len(found) > 1:
        places = "; ".join(f"{start!r} ({layout.name})" for start, (_, layout) in found.items())
        raise ValueError(f"there are several resamplers: {places}; give the prefix of one of them")
    start, (_, layout) = next(iter(found.items()))
    return start, layout


def _found(names: Set[str], prefix: str | None) -> dict[str, tuple[float, Layout]]:
    """Return the best layout of each place with more than half of the names of one."""
    found: dict[str, tuple[float, Layout]] = {}
    for layout in LAYOUTS.values():
        for start, share in _shares(layout, names):
            if prefix in (None, start) and share > max(0.5, found.get(start, (0.0,))[0]):
                found[start] = (share, layout)
    return found


def _shares(layout: Layout, given: Set[str]) -> Iterator[tuple[str, float]]:
    """Yield each prefix of names that a layout has, and the share of its names that are there."""
    required = {name for line in layout.lines if not line.optional for name in line.theirs}
    there: dict[str, set[str]] = {}
    for name in given:
        if match := layout.pattern.search(name):
            start = name[: match.start(1)]
            there.setdefault(start, set()).add(re.sub(r"(?<=layers\.|blocks\.)\d+", "#", match[1]))
    for start, names in there.items():
        if all(start + name in given for name in layout.needs) and not any(
            start + name in given for name in layout.lacks
        ):
            yield start, len(names & required) / len(required)


def _settings(module: nn.Module) -> dict[str, Any]:
    """Read the number of heads, and what norms add to the variance, from a library's module."""
    settings: dict[str, Any] = {}
    for part in module.modules():
        for key, names, kind in (("num_heads", HEADS, int), ("eps", EPS, float)):
            values = (getattr(part, name, None) for name in names)
            for value in values:
                if isinstance(value, kind) and not isinstance(value, bool):
                    settings.setdefault(key, value)
    return settings


def _convert(layout: Layout, state: dict[str, Tensor], read: Mapping[str, Any]) -> Resampler:
    """Build the resampler and load the state; raise a ValueError that lists all that do not fit."""
    if layout.prepare is not None:
        try:
            state = layout.prepare(dict(state))
        except (KeyError, RuntimeError) as error:
            raise _misfit(layout, [f"{reason(error)} is missing or of another shape"]) from None
    for name, axis in layout.extra_axes.items():
        if name in state and state[name].ndim == 3:
            state = {**state, name: state[name].squeeze(axis)}
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    numbers = [int(n) for name in shapes for n in re.findall(r"^(?:layers|blocks)\.(\d+)\.", name)]
    stems = {_stem(name) for name in shapes}
    lines = [
        line
        for line in _lines(layout, max(numbers, default=0) + 1)
        if not line.optional or stems & {_stem(name) for name in line.theirs}
    ]
    ours = {name: line for line in lines for name in line.ours}
    try:
        with torch.device("meta"):
            model = Resampler(**_options(layout, ours, shapes, read))
    except (KeyError, IndexError, ValueError) as error:
        expected = {name: shapes.get(name, ()) for line in lines for name in line.theirs}
        problems = weight_mismatches(shapes, expected)
        if isinstance(error, ValueError):
            problems.append(str(error))
        raise _misfit(layout, problems) from None
    rows = {name: tensor.shape for name, tensor in model.state_dict().items()}
    expected = {}
    for line in lines:
        total = sum(rows[name][0] for name in line.ours)
        shape = (total // len(line.theirs), *rows[line.ours[0]][1:])
        expected |= dict.fromkeys(line.theirs, shape[::-1] if line.transposed else shape)
    problems = weight_mismatches(shapes, expected)
    tables = [name for line in lines if "positions" in line.ours for name in line.theirs]
    if len(tables) > 1:
        problems.append(f"{listed(tables)} are several tables of positions; expected at most one")
    if problems:
        raise _misfit(layout, problems)
    model.load_state_dict(_weights(lines, state, rows), assign=True)
    return model.eval()


def _weights(
    lines: list[Line], state: Mapping[str, Tensor], rows: Mapping[str, torch.Size]
) -> dict[str, Tensor]:
    """Return our state dict: their weights in our places, and zeros for biases they do not have."""
    double = any(tensor.dtype == torch.float64 for tensor in state.values())
    dtype = torch.float64 if double else torch.float32
    weights = {name: torch.zeros(shape, dtype=dtype) for name, shape in rows.items()}
    for line in lines:
        value = torch.cat([state[name] for name in line.theirs])
        parts = (value.mT if line.transposed else value).split([rows[n][0] for n in line.ours])
        for name, part in zip(line.ours, parts, strict=True):
            weights[name].copy_(part)
    return weights


def _lines(layout: Layout, depth: int) -> list[Line]:
    """Return the lines of all layers."""
    return [
        line.at(layer)
        for line in layout.lines
        for layer in range(depth if "#" in line.ours[0] else 1)
    ]


def _stem(name: str) -> str:
    """Return the name of the module of a weight, or the name of one that is in none."""
    return name.rpartition(".")[0] or name


def _options(
    layout: Layout, lines: Mapping[str, Line], shapes: Shapes, read: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options of the `Resampler`; raise a KeyError or IndexError if they cannot be told.

    Args:
        layout: whose resampler it is.
        lines: the lines by the names of ours.
        shapes: shapes of their weights.
        read: options that are known from elsewhere.
    """

    def shape(name: str) -> tuple[int, ...]:
        line = lines[name]
        theirs = [shapes[n][::-1] if line.transposed else shapes[n] for n in line.theirs]
        return (sum(s[0] for s in theirs) // len(line.ours), *theirs[0][1:])

    options = {**layout.options, **read}
    latents, dim = shape("latents")
    attention, width = "layers.0.attention", shape("layers.0.attention.to_q.weight")[0]
    heads = options.get("num_heads") or layout.num_heads
    if heads is None:
        assert layout.head_dim is not None
        heads = max(1, width // layout.head_dim)
    if heads < 1 or width % heads:
        raise ValueError(
            f"its queries have {width} channels, which {heads} heads do not divide; give num_heads"
        )
    keys = shape(f"{attention}.to_k.weight")
    joint = options.get("self_attention", "joint") == "joint"
    project = "project_in.weight" in lines
    activation = options["activation"]
    hidden = shape("layers.0.feed_forward.expand.weight")[0] if activation else None
    options |= {
        "input_dim": shape("project_in.weight")[1] if project else dim if joint else keys[1],
        "num_latents": latents,
        "latent_dim": dim,
        "output_dim": shape("project_out.weight")[0] if "project_out.weight" in lines else None,
        "depth": sum(name.endswith("norm_inputs.weight") for name in lines)
        or sum(name.endswith("to_q.weight") for name in lines),
        "num_heads": heads,
        "head_dim": width // heads,
        "num_kv_heads": None if keys[0] == width else max(1, keys[0] * heads // width),
        "project_inputs": project,
        "hidden_dim": hidden and hidden // (2 if activation in ("geglu", "swiglu") else 1),
        "num_positions": shape("positions")[0] if "positions" in lines else None,
    }
    return options


def _misfit(layout: Layout, problems: list[str]) -> ValueError:
    return ValueError(
        f"the weights look like the resampler of {layout.name}, but do not fit it: "
        f"{'; '.join(problems)}"
    )
