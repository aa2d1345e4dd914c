"""The model that all presets and recipes build: adapter, Perceiver and head."""

import dataclasses
from collections.abc import Iterable
from typing import Any, get_args

import torch
from torch import Tensor, nn
from typing_extensions import override

from ..core import Inputs
from ..core.init import init_linear
from ..data.config import Task
from ..errors import unknown
from ..modalities.adapter import Adapter
from .base import PerceiverModel
from .config import ModelConfig


class TargetScale(nn.Module):
    """Scale standardised predictions to the units of the data: x → std · x + mean.

    The constants and the scaled predictions are float64: between 1,700,000,001 and 1,700,000,060,
    float32 has no number.

    Args:
        num_targets: K, number of targets. The scale is the identity until `measure` is called.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, num_targets: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_targets, dtype=torch.float64))
        self.register_buffer("std", torch.ones(num_targets, dtype=torch.float64))

    def measure(self, targets: Tensor) -> None:
        """Set the constants from the targets (examples, K) of a training split."""
        targets = targets.double()
        self.mean.copy_(targets.mean(0))
        self.std.copy_(targets.std(0, correction=0))

    def forward(self, x: Tensor) -> Tensor:
        """Scale predictions (B, K) to float64."""
        return self.std * x + self.mean


class PerceiverClassifier(PerceiverModel):
    """A classifier or regressor: adapter → Perceiver → average over latents → linear head.

    The average comes before the projection (arXiv 2103.03206v2, App. F). The head's weights start
    at zero, as in DeepMind's code. In a regression `TargetScale` follows the head, so that the
    outputs are in the units of the data.

    Args:
        config: configuration of the model; it is saved with the weights. With `num_classes=0` the
            model has no head and returns the averaged latents.
        labels: names of the outputs in their order: classes, labels or numbers. None: 0, 1, ….
        adapter: an adapter of your own in place of the one that `config.input` describes.

    Raises:
        ValueError: the number of labels is not `num_classes`, there is no such task, or `adapter`
            is not an `Adapter`.
    """

    config: ModelConfig

    def __init__(
        self,
        config: ModelConfig,
        labels: tuple[str, ...] | None = None,
        *,
        adapter: Adapter | None = None,
    ) -> None:
        check_labels(config.num_classes, labels)
        if config.task not in get_args(Task):
            raise unknown("task", config.task, get_args(Task))
        super().__init__(config, labels or default_labels(config.num_classes), adapter=adapter)
        dim = config.latent_dim
        self.norm = nn.LayerNorm(dim) if config.final_norm else nn.Identity()
        self.pooled_norm = nn.LayerNorm(dim) if config.pooled_norm else nn.Identity()
        self.head, self.target_scale = self._build_outputs()

    def _build_outputs(self) -> tuple[nn.Module, nn.Module]:
        """Build the head and the scale of its outputs, for the classes of the configuration."""
        config = self.config
        if not config.num_classes:
            return nn.Identity(), nn.Identity()
        scaled = config.task == "regression"
        return self.build_head(), TargetScale(config.num_classes) if scaled else nn.Identity()

    def build_head(self) -> nn.Module:
        """Build the layer from averaged latents to logits or standardised predictions."""
        head = nn.Linear(self.config.latent_dim, self.config.num_classes)
        init_linear(head)
        nn.init.zeros_(head.weight)
        return head

    def reset_head(self, num_classes: int, labels: tuple[str, ...] | None = None) -> None:
        """Replace the head by a new one, for other outputs; all other weights are kept.

        Args:
            num_classes: number of outputs; 0: no head, the outputs are the averaged latents.
            labels: names of the outputs in their order; None: 0, 1, ….

        Raises:
            ValueError: the number of labels is not `num_classes`.
        """
        check_labels(num_classes, labels)
        self.config = dataclasses.replace(self.config, num_classes=num_classes)
        self.labels = labels or default_labels(num_classes)
        self.head, self.target_scale = self._build_outputs()
        latents = self.perceiver.latents
        self.head.to(latents.device, latents.dtype)
        self.target_scale.to(latents.device)

    def forward(self, x: Any, mask: Tensor | None = None) -> Tensor:
        """Classify a raw batch, such as images (B, H, W, C), to outputs (B, num_classes).

        Outputs are logits of classes (softmax) or of labels (sigmoid), or numbers in their units;
        with `num_classes=0` they are the averaged latents (B, D).

        Args:
            x: raw batch of the adapter's modality. Examples of different sizes are a list without
                batch axis, such as [(S_1, C), (S_2, C)] of waveforms: they are padded under a mask,
                and each gets the outputs that it gets alone. In a batch of several modalities each
                may be such a list.
            mask: boolean (B, M), True = attend. None: every element. Elements that the adapter
                masks, such as those of a missing modality, stay masked.
        """
        return self.classify(self.elements(x, mask))

    @override
    def respond(self, inputs: Inputs) -> Tensor:
        return self.classify(inputs)

    def classify(self, inputs: Inputs) -> Tensor:
        """Classify elements to outputs (B, num_classes)."""
        return self._pool_and_classify(self.perceiver(inputs))

    def classify_stream(self, chunks: Iterable[Inputs]) -> Tensor:
        """Classify elements that come in chunks and are never held together.

        Args:
            chunks: see `Perceiver.encode_stream`.
        """
        return self._pool_and_classify(self.perceiver.encode_stream(chunks))

    def pool(self, z: Tensor) -> Tensor:
        """Summarise latents (B, N, D) in one vector per example, (B, D): their average."""
        return z.mean(dim=1)

    def _pool_and_classify(self, z: Tensor) -> Tensor:
        return self.target_scale(self.head(self.pooled_norm(self.pool(self.norm(z)))))


def check_labels(num_classes: int, labels: tuple[str, ...] | None) -> None:
    """Raise a ValueError unless there are as many labels as outputs, and no negative number."""
    if labels is not None and len(labels) != num_classes:
        raise ValueError(f"got {len(labels)} labels for num_classes={num_classes}")
    if num_classes < 0:
        raise ValueError(f"num_classes={num_classes}; expected 0 (no head) or more")


def default_labels(num_classes: int) -> tuple[str, ...]:
    """Return the labels of a model whose outputs have no names: 0, 1, …."""
    return tuple(str(index) for index in range(num_classes))
