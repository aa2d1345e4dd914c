"""Small conventional networks for each modality, to compare with; see `all_modalities.py`.

They train on the same examples as a recipe's Perceiver for the same number of epochs, with the same
splits and the same augmentation except mixup. The network for sound is a convolutional network on
the same log-mel spectrogram, for points PointNet without its transforms (arXiv 1612.00593, §4.2),
for text a linear model over hashed n-grams of bytes.
"""

import itertools
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perceivers.data.examples import ExampleSet
from perceivers.data.splits import read_splits
from perceivers.modalities import (
    InputConfig,
    MelConfig,
    PointsConfig,
    TextConfig,
    build_adapter,
    build_reader,
    modality_of,
)
from perceivers.modalities.points.adapter import PointAdapter
from perceivers.modalities.sound.mel import MelAdapter
from perceivers.modalities.text.adapter import TextAdapter
from perceivers.modalities.text.decode import PAD
from perceivers.training.batches import batches
from perceivers.training.measuring import measure_normalisation
from perceivers.training.recipe import Recipe


class MelConvNet(nn.Module):
    """Four 3×3 convolutions on the log-mel spectrogram: 94,000 weights.

    Args:
        adapter: computes the normalised log-mel spectrogram.
        num_classes: number of logits.
    """

    def __init__(self, adapter: MelAdapter, num_classes: int) -> None:
        super().__init__()
        self.adapter = adapter
        widths = (adapter.channels, 32, 64, 64, 64)
        layers: list[nn.Module] = []
        for width_in, width in itertools.pairwise(widths):
            layers += [nn.Conv2d(width_in, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, waves: Tensor) -> Tensor:
        """Return logits (B, num_classes) of waveforms (B, S, C)."""
        x = self.adapter.normalise(self.adapter.log_mel(waves))
        return self.head(self.body(x.permute(0, 3, 1, 2)))


class PointNet(nn.Module):
    """A perceptron for each point, max pooling over points, a perceptron: 816,000 weights.

    Args:
        adapter: gives the number of channels of a point.
        num_classes: number of logits.
    """

    def __init__(self, adapter: PointAdapter, num_classes: int) -> None:
        super().__init__()
        widths = (adapter.channels, 64, 64, 64, 128, 1024)
        layers: list[nn.Module] = []
        for width_in, width in itertools.pairwise(widths):
            layers += [nn.Conv1d(width_in, width, 1), nn.BatchNorm1d(width), nn.ReLU()]
        self.per_point = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(1024, 512), nn.BatchNorm1d(512), nn.ReLU(),
            nn.Linear(512, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(256, num_classes),
        )  # fmt: skip

    def forward(self, points: Tensor) -> Tensor:
        """Return logits (B, num_classes) of points (B, M, C)."""
        return self.classifier(self.per_point(points.mT).amax(dim=-1))


class BagOfNgrams(nn.Module):
    """Logistic regression over hashed n-grams of 1 to 6 bytes.

    Args:
        adapter: not used; accepted so that all networks have the same arguments.
        num_classes: number of logits.
    """

    BUCKETS = 2**18

    def __init__(self, adapter: TextAdapter, num_classes: int) -> None:
        super().__init__()
        self.weights = nn.EmbeddingBag(self.BUCKETS, num_classes, mode="sum", padding_idx=0)
        nn.init.zeros_(self.weights.weight)

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits (B, num_classes) of ids (B, L).

        The sum over a text's n-grams is divided by the square root of their number.
        """
        buckets, code, inside = [], torch.zeros_like(ids), ids != PAD
        for n in range(6):
            later = F.pad(ids[:, n:], (0, n), value=PAD)
            inside = inside & (later != PAD)
            code = (code * 1_000_003 + later + 1) % (2**31)
            buckets.append(torch.where(inside, 1 + (code * 7 + n) % (self.BUCKETS - 1), 0))
        grams = torch.cat(buckets, dim=1)
        return self.weights(grams) / (grams > 0).sum(1, keepdim=True).clamp(min=1).sqrt()


RIVALS: dict[type[InputConfig], tuple[str, type[nn.Module], float]] = {
    MelConfig: ("conv net on mels", MelConvNet, 5e-3),
    PointsConfig: ("PointNet", PointNet, 2e-3),
    TextConfig: ("bag of n-grams", BagOfNgrams, 5e-2),
}
"""Printed name, class and highest learning rate of the network for each input configuration."""


def train_rival(recipe: Recipe) -> float:
    """Train the rival of a recipe's Perceiver for the recipe's epochs; return its test accuracy."""
    inputs = recipe.model.input
    if isinstance(inputs, MelConfig):
        inputs = replace(inputs, own_length=False)  # a convolutional network has no mask
    splits = read_splits(recipe.data, build_reader(inputs))
    torch.manual_seed(recipe.trainer.seed)
    adapter = build_adapter(inputs)
    measure_normalisation(adapter, splits.examples["train"])
    _, make, lr = RIVALS[type(inputs)]
    net = make(adapter, len(splits.labels))
    loader = batches(splits.examples["train"], recipe.data, shuffle_seed=recipe.trainer.seed)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    steps = recipe.trainer.max_epochs * len(loader)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, steps)
    smoothing = recipe.trainer.label_smoothing
    for epoch in range(recipe.trainer.max_epochs):
        loader.batch_sampler.sampler.set_epoch(epoch)  # type: ignore[union-attr]
        for batch, labels in loader:
            inputs = recipe.model.input
            logits = net(modality_of(inputs).augment(batch, inputs, recipe.data))
            loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return score(net.eval(), splits.examples["test"], recipe)


@torch.inference_mode()
def score(net: nn.Module, examples: ExampleSet, recipe: Recipe) -> float:
    """Return the accuracy on a split."""
    correct = sum(int((net(x).argmax(1) == y).sum()) for x, y in batches(examples, recipe.data))
    return correct / len(examples)
