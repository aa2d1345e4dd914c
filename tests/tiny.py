"""Small models over any input, and a batch of sound and video."""

import torch

from perceivers.modalities import AudioConfig, FusionConfig, VideoConfig
from perceivers.modalities.fusion.adapter import FusionAdapter
from perceivers.modalities.sound.adapter import AudioAdapter
from perceivers.modalities.video.adapter import VideoAdapter
from perceivers.models.build import build
from perceivers.models.config import ModelConfig

AUDIO = {"num_samples": 12, "patch_size": 4, "num_bands": 2}
VIDEO = {"num_frames": 2, "image_size": 4, "patch_size": 2, "num_bands": 2}
M_AUDIO, M_VIDEO = 3, 4


def fusion(**options):
    torch.manual_seed(0)
    return FusionAdapter(
        {"audio": AudioAdapter(**AUDIO), "video": VideoAdapter(**VIDEO)}, **options
    )


def batch(size=2, seed=0):
    torch.manual_seed(seed)
    return {"audio": torch.randn(size, 12), "video": torch.randn(size, 2, 4, 4, 3)}


def classifier(**parts):
    parts = parts or {"audio": AudioConfig(**AUDIO), "video": VideoConfig(**VIDEO)}
    return tiny_classifier(FusionConfig(parts=parts))


def tiny_classifier(config):
    """In eval mode, with a head that matters."""
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
