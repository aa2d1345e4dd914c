"""From a configuration to a model, and back to it."""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from ..adapters.image import ImageAdapter
from ..core import Perceiver
from ..core.attention import init_linear
from ..errors import unknown
from .config import ModelConfig
from .presets import PRESETS


class PerceiverClassifier(nn.Module):
    """Adapter → Perceiver → average over latents → linear head.

    The average comes before the projection (paper v2, App. F). The head starts at zero, as in
    DeepMind's code.

    Args:
        config: everything needed to build the model again.
        labels: names of the classes in output order; None: the numbers themselves.
    """

    def __init__(self, config: ModelConfig, labels: tuple[str, ...] | None = None) -> None:
        super().__init__()
        if labels is not None and len(labels) != config.num_classes:
            raise ValueError(f"got {len(labels)} labels for num_classes={config.num_classes}")
        self.config = config
        self.labels = labels or tuple(str(index) for index in range(config.num_classes))
        self.adapter = ImageAdapter(**dataclasses.asdict(config.input))
        self.perceiver = Perceiver(
            self.adapter.dim,
            num_latents=config.num_latents,
            latent_dim=config.latent_dim,
            cross_order=config.cross_order,
            block_order=config.block_order,
            num_layers_per_block=config.num_layers_per_block,
            num_cross_heads=config.num_cross_heads,
            num_self_heads=config.num_self_heads,
            qk_dim=config.qk_dim,
            v_dim=config.v_dim,
            widening_factor=config.widening_factor,
            latent_std=config.latent_std,
        )
        self.norm = nn.LayerNorm(config.latent_dim) if config.final_norm else nn.Identity()
        self.head = nn.Linear(config.latent_dim, config.num_classes)
        init_linear(self.head)
        nn.init.zeros_(self.head.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, H, W, C), uint8 or float → logits (B, num_classes)."""
        z = self.perceiver(self.adapter(images))
        return self.head(self.norm(z).mean(dim=1))


def build(config: ModelConfig, labels: tuple[str, ...] | None = None) -> PerceiverClassifier:
    """A freshly initialised model."""
    return PerceiverClassifier(config, labels)


def create(preset: str, **overrides: Any) -> PerceiverClassifier:
    """A freshly initialised model of a published configuration.

    Args:
        preset: a name of `list_presets()`.
        **overrides: fields of `ModelConfig` to change, such as `num_classes=10`; those of the input
            by a dictionary: `input={"image_size": 32}`.

    Raises:
        ValueError: no such preset or field.
    """
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    config = PRESETS[preset]()
    fields = {field.name for field in dataclasses.fields(config)}
    for name in overrides:
        if name not in fields:
            raise unknown("model field", name, fields)
    if isinstance(changed := overrides.get("input"), dict):
        overrides["input"] = dataclasses.replace(config.input, **changed)
    return build(dataclasses.replace(config, **overrides))


def build_on_meta(config: ModelConfig) -> PerceiverClassifier:
    """The model's shapes without its memory, for counting."""
    with torch.device("meta"):
        return build(config)
