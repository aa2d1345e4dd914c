"""Run the guide's own training loop with the real perceiver-pytorch.

    python -m benchmarks.guide_cifar10 --data cifar-10-binary.tar.gz --seed 0 --out peer-0.json

The loop is that of "Guide to Perceiver: A Scalable Transformer-based Model" (Analytics India
Magazine): CIFAR-10 scaled to [-1, 1], batches of 4 in random order, SGD with learning rate 0.001
and momentum 0.9, two epochs. Scoring on the held-out examples after each epoch is the only
addition. `perceivers train perceiver-pytorch-cifar10` trains our model on the same examples.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import torch
from perceiver_pytorch import Perceiver
from torch import Tensor, nn

from perceivers.data.splits import read_splits
from perceivers.modalities.image.reader import ImageReader
from perceivers.recipes import get_recipe


def guide_model() -> Perceiver:
    """Return the model of the guide's constructor call."""
    return Perceiver(
        input_channels=3,
        input_axis=2,
        num_freq_bands=6,
        max_freq=10.0,
        depth=6,
        num_latents=32,
        latent_dim=128,
        cross_heads=1,
        latent_heads=2,
        cross_dim_head=8,
        latent_dim_head=8,
        num_classes=10,
        attn_dropout=0.0,
        ff_dropout=0.0,
        weight_tie_layers=False,
    )


def scale(images: Tensor) -> Tensor:
    """Scale uint8 pixels to [-1, 1], as the guide's Normalize(0.5, 0.5) does."""
    return images.float() / 127.5 - 1


@torch.inference_mode()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the top-1 accuracy over all examples."""
    chunks = zip(images.split(500), labels.split(500), strict=True)
    return sum((model(scale(x)).argmax(1) == y).sum().item() for x, y in chunks) / len(labels)


def main() -> None:
    """Train the model; after each epoch score it and write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="path of CIFAR-10's official files")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--epochs", type=int, default=2, help="number of epochs (default: 2)")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    data = replace(get_recipe("perceiver-pytorch-cifar10").data, path=options.data)
    tables = read_splits(data, ImageReader(32, 3)).examples
    images, labels = tables["train"].__getitems__(range(len(tables["train"])))
    held_out = tables["validation"].__getitems__(range(len(tables["validation"])))

    model = guide_model()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    curve, start = [], time.perf_counter()
    for epoch in range(1, options.epochs + 1):
        model.train()
        for batch in torch.randperm(len(labels)).split(4):
            optimizer.zero_grad()
            loss = criterion(model(scale(images[batch])), labels[batch])
            loss.backward()
            optimizer.step()
        seconds = time.perf_counter() - start
        curve.append(
            {"epoch": epoch, "val_top1": accuracy(model.eval(), *held_out), "seconds": seconds}
        )
        print(json.dumps(curve[-1]), flush=True)
        options.out.write_text(json.dumps({"seed": options.seed, "curve": curve}, indent=1) + "\n")


if __name__ == "__main__":
    main()
