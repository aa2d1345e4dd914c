"""Small models with outputs of their own, and files that they read."""

import numpy as np
import torch
from PIL import Image
from tests.cli.test_segmentation import write_clouds

import perceivers
from perceivers.modalities import (
    ElementClassesConfig,
    ForecastConfig,
    ImageConfig,
    PixelsOutputConfig,
    PointsConfig,
    SeriesConfig,
    TextConfig,
    TextOutputConfig,
)
from perceivers.models.build import build
from perceivers.models.config import PerceiverIOConfig

SMALL = {"num_latents": 4, "latent_dim": 16, "num_layers_per_block": 1, "num_self_heads": 2}
IMAGE = {"image_size": 6, "channels": 1, "num_bands": 2}
TEXT = TextConfig(max_length=24, embedding_dim=8)
MODELS = {
    "clouds": (PointsConfig(num_points=30, num_bands=2, own_length=True), ElementClassesConfig()),
    "masks": (ImageConfig(**IMAGE), ElementClassesConfig()),
    "spans": (TEXT, ElementClassesConfig()),
    "filled": (TEXT, TextOutputConfig()),
    "rebuilt": (ImageConfig(**IMAGE), PixelsOutputConfig(**IMAGE)),
    "forecast": (
        SeriesConfig(length=6, horizon=3, channels=2, normalise="window", columns=("a", "b")),
        ForecastConfig(season=2),
    ),
}


def saved(name, folder):
    """Save a small model of random weights, and return its directory."""
    torch.manual_seed(0)
    inputs, output = MODELS[name]
    labels = ("low", "high") if isinstance(output, ElementClassesConfig) else ()
    labels = inputs.columns if isinstance(inputs, SeriesConfig) else labels
    model = build(PerceiverIOConfig(input=inputs, output=output, **SMALL), labels)
    for weight in model.decoder.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    perceivers.save(model, folder / name)
    return folder / name


def file_of(name, folder):
    """Write a file that the model reads."""
    folder = folder / "files"
    write_clouds(folder, 1)  # 40 points, more than an example
    Image.fromarray(np.arange(63, dtype=np.uint8).reshape(7, 9) * 4).save(folder / "x.png")
    rows = "\n".join(f"{t},{t % 3},{t % 2}" for t in range(9))
    (folder / "x.csv").write_text(f"time,a,b\n{rows}\n")
    (folder / "x.jsonl").write_text('{"text": "é one"}\n{"text": "two, longer than the model"}\n')
    (folder / "x.txt").write_text("a [MASK:3] b [MASK]")
    suffix = {"clouds": "ply", "forecast": "csv", "spans": "jsonl", "filled": "txt"}.get(
        name, "png"
    )
    return folder / ("0.ply" if suffix == "ply" else f"x.{suffix}")
