"""A tiny Perceiver AR on bytes."""

import torch
from torch import nn

from perceivers.modalities import TextStreamConfig
from perceivers.models.build import build
from perceivers.models.config import PerceiverARConfig


def tiny_ar_config(**changes):
    """Return the configuration of a model that reads 24 bytes and has 8 latents."""
    sizes = {"num_latents": 8, "latent_dim": 16, "num_layers_per_block": 1, "num_self_heads": 2}
    return PerceiverARConfig(input=TextStreamConfig(max_length=24), **{**sizes, **changes})


def tiny_ar(**changes):
    """Return a model of this configuration with large random weights, in eval mode."""
    torch.manual_seed(0)
    model = build(tiny_ar_config(**changes))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()
