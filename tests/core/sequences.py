"""A small Perceiver AR in float64, and tokens for it."""

import torch
from torch import nn

from perceivers import PerceiverAR


def filled(**options):
    torch.manual_seed(0)
    sizes = {"max_length": 12, "dim": 16, "num_layers": 2, "num_heads": 2, "head_dim": 8}
    model = PerceiverAR(11, **{**sizes, **options})
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.double().eval()


def drawn(length=9, batch=2):
    return torch.randint(11, (batch, length), generator=torch.Generator().manual_seed(1))
