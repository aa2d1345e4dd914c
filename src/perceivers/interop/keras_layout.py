"""Layout of the Keras example's weight files, and the configuration that follows from shapes."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..modalities import ImageConfig, InputConfig
from ..models.config import KerasExampleConfig
from ..models.keras_example import KerasExample

Shapes = Mapping[str, tuple[int, ...]]

# Path of each part of the example in a file of Keras 3 (checked with 3.3.3 and 3.15.0). Keras
# visits attributes in alphabetical order, and `layers` comes before the last two parts, which it
# therefore names by their class.
PARTS = {
    "cross_attention": "cross_attention",
    "classification_head": "classification_head",
    "patch_encoder": "layers/patch_encoder",
    "transformer": "layers/functional_1",
}
# An array by which each part is found.
MARKS = {
    "cross_attention": re.compile(r"(.+)/layers/attention/vars/0"),
    "classification_head": re.compile(r"([^/]+|layers/[^/]+)/layers/dense_1/vars/0"),
    "patch_encoder": re.compile(r"(.+)/position_embedding/vars/0"),
    "transformer": re.compile(r"(.+)/layers/multi_head_attention/query_dense/vars/0"),
}
NORMALISATION = re.compile(r"(?:.+/)?normalization/vars/([012])")


@dataclass(frozen=True)
class Entry:
    """An array of a Keras file and the parameter of this package that it corresponds to."""

    path: str
    """Path of the array in the file."""
    name: str
    """Name of the parameter in the state dict."""
    shape: tuple[int, ...]
    """Shape in the file: a matrix is (in, out), and heads are an axis of their own."""
    parameter_shape: tuple[int, ...]
    """Shape of the parameter: a matrix is (out, in)."""
    transposed: bool
    """Whether the two are transposed matrices of each other."""

    def read(self, array: np.ndarray) -> Tensor:
        """Convert the file's array to the parameter."""
        if self.transposed:
            return torch.from_numpy(array.reshape(self.parameter_shape[::-1]).T.copy())
        return torch.from_numpy(array.reshape(self.parameter_shape))

    def write(self, tensor: Tensor) -> np.ndarray:
        """Convert the parameter to the file's array, float32."""
        tensor = tensor.detach().float().cpu()
        return (tensor.T if self.transposed else tensor).reshape(self.shape).numpy()


def find_parts(paths: Iterable[str]) -> dict[str, str]:
    """Find the path of each part of the example by the arrays that only this part has.

    The paths depend on the names of the model's attributes and classes.

    Args:
        paths: paths of all arrays of a file.

    Returns:
        Paths by the names in `PARTS`; parts that were not found are left out.
    """
    paths = set(paths)
    parts: dict[str, str] = {}
    for path in sorted(paths):
        for part, mark in MARKS.items():
            match = mark.fullmatch(path)
            if match is None:
                continue
            # A cross-attend has a dense_1, as the head has, but also a dense_2.
            if part == "classification_head" and f"{match[1]}/layers/dense_2/vars/0" in paths:
                continue
            parts.setdefault(part, match[1])
    return parts


def layout(model: KerasExample, parts: Mapping[str, str] = PARTS) -> list[Entry]:
    """Return the entries of all arrays in a file of this model.

    Args:
        model: the model, which may be on the meta device: only its names and shapes are used.
        parts: path of each part in the file.
    """
    state = model.state_dict()
    heads = model.config.num_self_heads
    return [_entry(path, name, state[name], heads) for path, name in _names(model, parts)]


def config_of(
    shapes: Shapes,
    parts: Mapping[str, str],
    *,
    num_iterations: int,
    channels: int,
    attention_dropout: float,
    dropout: float,
) -> KerasExampleConfig:
    """Return the configuration that follows from the shapes of the arrays.

    For missing arrays it uses the example's sizes; `weight_mismatches` then lists them.

    Args:
        shapes: shape of each array by its path.
        parts: path of each part in the file.
        num_iterations: number of times the model attends to the input.
        channels: channels of the images.
        attention_dropout: dropout rate of attention weights.
        dropout: dropout rate of feed-forwards and logits.

    Raises:
        ValueError: the patches do not make up a square image.
    """

    def size(part: str, path: str, rank: int, axis: int, default: int) -> int:
        shape = shapes.get(f"{parts[part]}/{path}", ())
        return shape[axis] or default if len(shape) == rank else default

    latents = shapes.get("vars/0", ())
    dim = size("patch_encoder", "position_embedding/vars/0", 2, 1, 256)
    num_latents, dim = latents if len(latents) == 2 and all(latents) else (256, dim)
    attention = "layers/multi_head_attention"
    heads, key_dim, value_dim = (
        size("transformer", f"{attention}/{dense}/vars/0", 3, axis, default)
        for dense, axis, default in (
            ("query_dense", 1, 8),
            ("query_dense", 2, dim),
            ("value_dense", 2, dim),
        )
    )
    hidden = size("cross_attention", "layers/sequential/layers/dense/vars/0", 2, 1, dim)
    layers = [re.search(r"/multi_head_attention(?:_(\d+))?/", path) for path in shapes]
    iterations = (0,) * num_iterations
    return KerasExampleConfig(
        num_classes=size("classification_head", "layers/dense_1/vars/0", 2, 1, 100),
        head_dim=size("classification_head", "layers/dense/vars/0", 2, 1, dim),
        input=_image(
            rows=size("patch_encoder", "projection/vars/0", 2, 0, 4 * channels),
            count=size("patch_encoder", "position_embedding/vars/0", 2, 0, 1024),
            dim=dim,
            channels=channels,
        ),
        num_latents=num_latents,
        latent_dim=dim,
        cross_order=iterations,
        block_order=iterations,
        num_layers_per_block=1 + max((int(m[1] or 0) for m in layers if m), default=0),
        num_self_heads=heads,
        self_qk_dim=heads * key_dim,
        self_v_dim=None if value_dim == key_dim else heads * value_dim,
        widening_factor=max(1, hidden // dim),
        attention_dropout=attention_dropout,
        dropout=dropout,
    )


def require_expressible(config: KerasExampleConfig) -> None:
    """Raise a ValueError that names every field with which the example has no such model."""
    dim, image = config.latent_dim, require_images(config.input)
    allowed: list[tuple[str, Any, tuple[Any, ...]]] = [
        ("num_cross_heads", config.num_cross_heads, (1,)),
        ("qk_dim", config.qk_dim, (None, dim)),
        ("v_dim", config.v_dim, (None, dim)),
        ("qkv_bias", config.qkv_bias, (True,)),
        ("attention", config.attention, ("both",)),
        ("activation", config.activation, ("gelu",)),
        ("final_norm", config.final_norm, (False,)),
        ("pooled_norm", config.pooled_norm, (False,)),
        ("input.projection_dim", image.projection_dim, (dim,)),
        ("input.projection_activation", image.projection_activation, ("none",)),
        ("input.position", image.position, ("learned",)),
        ("input.position_dim", image.position_dim, (dim,)),
        ("input.fusion", image.fusion, ("add",)),
        ("input.patch_stride", image.patch_stride, (None, image.patch_size)),
    ]
    wrong = [
        f"{name}={got} (expected {values[0]})" for name, got, values in allowed if got not in values
    ]
    wrong += [
        f"{name}={order} (expected all 0)"
        for name, order in (
            ("cross_order", config.cross_order),
            ("block_order", config.block_order),
        )
        if set(order) != {0}
    ]
    if wrong:
        raise ValueError(f"the Keras example cannot express this model: {'; '.join(wrong)}")


def _image(*, rows: int, count: int, dim: int, channels: int) -> ImageConfig:
    patch, grid = math.isqrt(rows // channels), math.isqrt(count)
    if patch * patch * channels != rows or grid * grid != count:
        raise ValueError(
            f"the patch encoder takes {count} patches of {rows} numbers; expected a square number "
            f"of square patches of {channels} channels: set channels to that of the images"
        )
    return ImageConfig(
        image_size=grid * patch,
        channels=channels,
        patch_size=patch,
        projection_dim=dim,
        position="learned",
        position_dim=dim,
        fusion="add",
    )


def _names(model: KerasExample, parts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (path in the file, name of the parameter) of every array."""
    cross, name = f"{parts['cross_attention']}/layers", "perceiver.cross_attends.0"
    layers = [
        (f"{parts['patch_encoder']}/projection", "adapter.projection"),
        (f"{cross}/layer_normalization", f"{name}.norm_latents"),
        (f"{cross}/layer_normalization_1", f"{name}.norm_inputs"),
        (f"{cross}/dense", f"{name}.attention.to_q"),
        # The page calls Keras' Attention with [query, key, value], which takes [query, value, key]:
        # the layer that the page names key serves as the value, and the other way round.
        (f"{cross}/dense_1", f"{name}.attention.to_v"),
        (f"{cross}/dense_2", f"{name}.attention.to_k"),
        (f"{cross}/layer_normalization_2", f"{name}.feed_forward.norm"),
        (f"{cross}/sequential/layers/dense", f"{name}.feed_forward.expand"),
        (f"{cross}/sequential/layers/dense_1", f"{name}.feed_forward.contract"),
    ]
    block = f"{parts['transformer']}/layers"
    for i in range(model.config.num_layers_per_block):
        name = f"perceiver.blocks.0.{i}"
        attention = f"{block}/{_numbered('multi_head_attention', i)}"
        hidden = f"{block}/{_numbered('sequential', i)}/layers"
        layers += [
            (f"{block}/{_numbered('layer_normalization', 2 * i)}", f"{name}.norm"),
            (f"{attention}/query_dense", f"{name}.attention.to_q"),
            (f"{attention}/key_dense", f"{name}.attention.to_k"),
            (f"{attention}/value_dense", f"{name}.attention.to_v"),
            (f"{attention}/output_dense", f"{name}.attention.to_out"),
            (f"{block}/{_numbered('layer_normalization', 2 * i + 1)}", f"{name}.feed_forward.norm"),
            (f"{hidden}/dense", f"{name}.feed_forward.expand"),
            (f"{hidden}/dense_1", f"{name}.feed_forward.contract"),
        ]
    head = f"{parts['classification_head']}/layers"
    layers += [(f"{head}/dense", "head.0"), (f"{head}/dense_1", "head.2")]
    return [
        ("vars/0", "perceiver.latents"),
        (f"{parts['patch_encoder']}/position_embedding/vars/0", "adapter.position.weight"),
        (f"{cross}/attention/vars/0", "perceiver.cross_attends.0.attention.scale"),
        *((f"{path}/vars/0", f"{name}.weight") for path, name in layers),
        *((f"{path}/vars/1", f"{name}.bias") for path, name in layers),
    ]


def _entry(path: str, name: str, tensor: Tensor, heads: int) -> Entry:
    transposed = tensor.ndim == 2 and name not in ("perceiver.latents", "adapter.position.weight")
    parameter_shape = tuple(tensor.shape)
    shape = parameter_shape[::-1] if transposed else parameter_shape
    if "/output_dense/vars/0" in path:
        shape = (heads, shape[0] // heads, shape[1])
    elif re.search(r"/(query|key|value)_dense/", path):
        shape = (*shape[:-1], heads, shape[-1] // heads)
    return Entry(path, name, shape, parameter_shape, transposed)


def _numbered(name: str, index: int) -> str:
    return f"{name}_{index}" if index else name


def require_images(config: InputConfig) -> ImageConfig:
    """The configuration of a model that reads images; ValueError if it reads something else."""
    if not isinstance(config, ImageConfig):
        kind = getattr(config, "kind", type(config).__name__)
        raise ValueError(
            f"this model reads {kind} batches; the Keras example, whose weights these are, reads "
            "images"
        )
    return config
