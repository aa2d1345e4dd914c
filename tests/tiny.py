"""Tiny adapters, classifiers and batches for tests."""

import torch

from perceivers.modalities import (
    AudioConfig,
    FusionConfig,
    ImageConfig,
    PointsConfig,
    TextConfig,
    VideoConfig,
)
from perceivers.modalities.fusion.adapter import FusionAdapter
from perceivers.modalities.sound.adapter import AudioAdapter
from perceivers.modalities.video.adapter import VideoAdapter
from perceivers.models.build import build
from perceivers.models.config import ModelConfig

AUDIO = {"num_samples": 12, "patch_size": 4, "num_bands": 2}
VIDEO = {"num_frames": 2, "image_size": 4, "patch_size": 2, "num_bands": 2}
M_AUDIO, M_VIDEO = 3, 4
FILES = {
    "image": ImageConfig(image_size=8, num_bands=2),
    "sound": AudioConfig(num_samples=800, sample_rate=8000, patch_size=80, num_bands=2),
    "video": VideoConfig(num_frames=2, image_size=8, num_bands=2),
    "points": PointsConfig(num_points=16, num_bands=2),
    "text": TextConfig(max_length=32, embedding_dim=8),
}
"""Inputs of models that read files, by modality."""


def fusion(**options):
    """Return an adapter of sound and video."""
    torch.manual_seed(0)
    return FusionAdapter(
        {"audio": AudioAdapter(**AUDIO), "video": VideoAdapter(**VIDEO)}, **options
    )


def batch(size=2, seed=0):
    """Return a random batch for `fusion`."""
    torch.manual_seed(seed)
    return {"audio": torch.randn(size, 12), "video": torch.randn(size, 2, 4, 4, 3)}


def classifier(**parts):
    """Return a tiny classifier over several parts, by default sound and video."""
    parts = parts or {"audio": AudioConfig(**AUDIO), "video": VideoConfig(**VIDEO)}
    return tiny_classifier(FusionConfig(parts=parts))


def tiny_classifier(config):
    """Return a classifier in eval mode whose head has random weights instead of zeros."""
    torch.manual_seed(0)
    model = build(
        ModelConfig(
            num_classes=3,
            input=config,
            num_latents=4,
            latent_dim=16,
            cross_order=(0, 1),
            block_order=(0, 1),
            num_layers_per_block=1,
            num_self_heads=2,
        )
    )
    torch.nn.init.normal_(model.head.weight)
    return model.eval()
