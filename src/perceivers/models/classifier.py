"""The model that all presets and recipes build: adapter, Perceiver, head."""

import dataclasses
import inspect
from collections.abc import Iterable
from typing import Any, get_args

import torch
from torch import Tensor, nn

from ..core import Inputs, Perceiver
from ..core.init import init_linear
from ..data.config import Task
from ..errors import unknown
from ..modalities import build_adapter
from .config import ModelConfig

# Every option of the core is a field of the same name.
CORE_OPTIONS = tuple(inspect.signature(Perceiver).parameters)[1:]


class TargetScale(nn.Module):
    """From standardised numbers to those of the data: x → std · x + mean, constants by target.

    Args:
        num_targets: K. Identity until `measure`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, num_targets: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_targets))
        self.register_buffer("std", torch.ones(num_targets))

    def measure(self, targets: Tensor) -> None:
        """Take the mean and standard deviation of targets (examples, K) of the training split."""
        targets = targets.double()
        self.mean.copy_(targets.mean(0))
        self.std.copy_(targets.std(0, correction=0))

    def forward(self, x: Tensor) -> Tensor:
        """(B, K) → (B, K)."""
        return self.std * x + self.mean


class PerceiverClassifier(nn.Module):
    """Adapter → Perceiver → average over latents → linear head.

    The average comes before the projection (paper v2, App. F). The head starts at zero, as in
    DeepMind's code. Of a regression `TargetScale` follows it, so that the model's outputs are in
    the data's units.

    Args:
        config: everything needed to build the model again.
        labels: names of the classes, labels or numbers in output order; None: 0, 1, ….

    Raises:
        ValueError: not as many labels as outputs, or no such task.
    """

    def __init__(self, config: ModelConfig, labels: tuple[str, ...] | None = None) -> None:
        super().__init__()
        if labels is not None and len(labels) != config.num_classes:
            raise ValueError(f"got {len(labels)} labels for num_classes={config.num_classes}")
        if config.task not in get_args(Task):
            raise unknown("task", config.task, get_args(Task))
        self.config = config
        self.labels = labels or tuple(str(index) for index in range(config.num_classes))
        self.adapter = build_adapter(config.input)
        options: dict[str, Any] = {name: getattr(config, name) for name in CORE_OPTIONS}
        self.perceiver = Perceiver(self.adapter.dim, **options)
        dim = config.latent_dim
        self.norm = nn.LayerNorm(dim) if config.final_norm else nn.Identity()
        self.pooled_norm = nn.LayerNorm(dim) if config.pooled_norm else nn.Identity()
        self.head: nn.Module = self.build_head()
        scaled = config.task == "regression"
        self.target_scale = TargetScale(config.num_classes) if scaled else nn.Identity()

    def build_head(self) -> nn.Module:
        """From the averaged latents to logits, or to standardised numbers."""
        head = nn.Linear(self.config.latent_dim, self.config.num_classes)
        init_linear(head)
        nn.init.zeros_(head.weight)
        return head

    def forward(self, x: Any, mask: Tensor | None = None) -> Tensor:
        """A raw batch of the adapter's modality, such as images (B, H, W, C) → (B, num_classes).

        The outputs are logits of classes (softmax) or labels (sigmoid), or numbers in their units.

        Examples of different sizes are a list: `model([wave1, wave2])` of waveforms (S_1, C) and
        (S_2, C), or images of any sizes (H, W, C). They are padded under a mask to the outputs that
        each has alone. Of several modalities each may be such a list.

        Args:
            x: see the adapter.
            mask: boolean (B, M), True = attend; None: every element is there. What the adapter
                itself masks, such as a missing modality, stays masked.
        """
        inputs = self.adapter(x)
        if mask is not None:
            seen = mask if inputs.mask is None else mask & inputs.mask
            inputs = dataclasses.replace(inputs, mask=seen)
        return self.classify(inputs)

    def classify(self, inputs: Inputs) -> Tensor:
        """Elements → outputs (B, num_classes)."""
        return self._from_latents(self.perceiver(inputs))

    def classify_stream(self, chunks: Iterable[Inputs]) -> Tensor:
        """Elements that are never held together → outputs; see `Perceiver.encode_stream`."""
        return self._from_latents(self.perceiver.encode_stream(chunks))

    def _from_latents(self, z: Tensor) -> Tensor:
        return self.target_scale(self.head(self.pooled_norm(self.norm(z).mean(dim=1))))
