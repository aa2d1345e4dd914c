"""Run the paper's permuted-image experiment on the packaged digits.

    python examples/permuted_digits.py [--seeds 0 1 2] [--models …] [--out DIR]

The pixels have one of three orders: the original order, one fixed permutation for all images, or a
new permutation for each image. Each pixel keeps its position features (arXiv 2103.03206, Table 2).
A Perceiver (the recipe `digits`) and two convolutional networks train on the same pixels and
features, in the same order, with the same augmentation, for the same number of epochs. Writes
results.json and figure.png.
"""

import argparse
import dataclasses
import json
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perceivers.data.splits import read_splits
from perceivers.modalities.image import Image
from perceivers.modalities.image.adapter import ImageAdapter
from perceivers.modalities.image.reader import ImageReader
from perceivers.recipes import get_recipe
from perceivers.training import engine
from perceivers.training.batches import batches
from perceivers.training.measuring import measure_normalisation
from perceivers.training.recipe import Recipe
from perceivers.training.task import permutation

matplotlib.use("Agg")
ORDERS = ("none", "fixed", "random")


def small_conv_net(channels: int, num_classes: int) -> nn.Module:
    """Return two 3×3 convolutions with a receptive field of 5×5 pixels: 15,000 weights."""
    return nn.Sequential(*_layer(channels, 32), *_layer(32, 32), *_head(32, num_classes))


def large_conv_net(channels: int, num_classes: int) -> nn.Module:
    """Return three convolutions and a pooling layer that see all 8×8 pixels: 86,000 weights."""
    return nn.Sequential(
        *_layer(channels, 64), *_layer(64, 64), nn.MaxPool2d(2), *_layer(64, 64),
        *_head(64, num_classes),
    )  # fmt: skip


def _layer(in_channels: int, out_channels: int) -> list[nn.Module]:
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU()]


def _head(channels: int, num_classes: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)]


def pixels(adapter: ImageAdapter, images: Tensor, order: str, seed: int) -> Tensor:
    """Return permuted images with their position features as channels: (B, C + P, 8, 8).

    Args:
        adapter: computes the position features.
        images: uint8 (B, 8, 8, C).
        order: one of `ORDERS`.
        seed: seed of the permutation.
    """
    inputs = adapter(images)
    if order != "none":
        batch, elements = inputs.content.shape[:2]
        inputs = inputs.permuted(permutation(order, batch=batch, elements=elements, seed=seed))
    return inputs.joined().unflatten(1, images.shape[1:3]).permute(0, 3, 1, 2)


def train_conv_net(recipe: Recipe, conv_net: Callable[[int, int], nn.Module]) -> float:
    """Train a convolutional network with a recipe's data, epochs and order of pixels.

    Returns:
        Its test accuracy.
    """
    splits = read_splits(recipe.data, ImageReader(8, 1))
    torch.manual_seed(recipe.trainer.seed)
    adapter = ImageAdapter(
        image_size=8, channels=1, num_bands=getattr(recipe.model.input, "num_bands", 4)
    )
    measure_normalisation(adapter, splits.examples["train"])
    net = conv_net(adapter.dim, len(splits.labels))
    loader = batches(splits.examples["train"], recipe.data, shuffle_seed=recipe.trainer.seed)
    epochs, order = recipe.trainer.max_epochs, recipe.data.permute
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, epochs * len(loader))
    for epoch in range(epochs):
        loader.batch_sampler.sampler.set_epoch(epoch)  # type: ignore[union-attr]
        for images, labels in loader:
            seed = 1000 * recipe.trainer.seed + schedule.last_epoch
            x = pixels(adapter, Image().augment_batch(images, recipe.data), order, seed)
            loss = F.cross_entropy(net(x), labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    correct = total = 0
    net.eval()
    with torch.inference_mode():
        for i, (images, labels) in enumerate(batches(splits.examples["test"], recipe.data)):
            correct += int((net(pixels(adapter, images, order, i)).argmax(1) == labels).sum())
            total += len(labels)
    return correct / total


def train_perceiver(recipe: Recipe) -> float:
    """Train the Perceiver and return its test accuracy."""
    with tempfile.TemporaryDirectory() as directory:
        return engine.train(recipe, Path(directory))["test"]["top1"]


MODELS: dict[str, Callable[[Recipe], float]] = {
    "Perceiver": train_perceiver,
    "small conv net": partial(train_conv_net, conv_net=small_conv_net),
    "larger conv net": partial(train_conv_net, conv_net=large_conv_net),
}


def draw(results: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Draw bars of the mean accuracies, with a dot for each seed."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    colours = ("#2a6f97", "#d08c60", "#8a5a44")
    width = 0.8 / len(results)
    for number, (model, by_order) in enumerate(results.items()):
        side = width * (number - (len(results) - 1) / 2)
        for x, order in enumerate(ORDERS):
            scores = [100 * score for score in by_order[order]]
            mean = statistics.mean(scores)
            label = model if x == 0 else None
            axes.bar(x + side, mean, width, color=colours[number], label=label)
            axes.plot([x + side] * len(scores), scores, "o", color="black", markersize=3)
            axes.annotate(f"{mean:.1f}", (x + side, 3), ha="center", color="white")
    axes.set_xticks(range(3), ["original pixel order", "one fixed permutation", "one per image"])
    axes.set(ylabel="test accuracy, %", ylim=(0, 105))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Train all models, print a table and write the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="random seeds")
    parser.add_argument("--epochs", type=int, help="number of epochs; default: the recipe's")
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, default=list(MODELS), help="models to train"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/permuted-digits"), help="folder of results"
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    base = get_recipe("digits")
    path = options.out / "results.json"
    previous = json.loads(path.read_text()) if path.exists() else {}
    results: dict[str, dict[str, list[float]]] = {
        model: previous.get(model, {order: [] for order in ORDERS}) for model in MODELS
    }
    for model in options.models:
        for order in ORDERS:
            results[model][order] = []
            for seed in options.seeds:
                epochs = options.epochs or base.trainer.max_epochs
                recipe = dataclasses.replace(
                    base,
                    data=dataclasses.replace(base.data, permute=order),
                    trainer=dataclasses.replace(base.trainer, seed=seed, max_epochs=epochs),
                )
                results[model][order].append(MODELS[model](recipe))
                path.write_text(json.dumps(results, indent=1) + "\n")
            scores = results[model][order]
            spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
            mean = statistics.mean(scores)
            print(f"{model:16} {order:7} {100 * mean:6.2f}% ± {100 * spread:.2f}", flush=True)
    draw(results, options.out / "figure.png")


if __name__ == "__main__":
    main()
