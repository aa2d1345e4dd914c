"""Decoders, encoders and queries for tests of Perceiver IO."""

import torch

from perceivers import (
    Decoder,
    FourierPosition,
    LayerOptions,
    Perceiver,
    Queries,
)

N, D, F = 5, 8, 6


def make_decoder(query_dim=F, output_dim=3, residual=True, dtype=torch.float32, **options):
    torch.manual_seed(0)
    decoder = Decoder(
        D, query_dim, output_dim, LayerOptions(**options), use_query_residual=residual
    )
    for parameter in decoder.parameters():  # norms and biases that have an effect
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.3)
    return decoder.to(dtype)


def make_encoder(input_dim=7, **changes):
    torch.manual_seed(0)
    options = {"num_self_heads": 2, "num_layers_per_block": 1, "latent_std": 1.0, **changes}
    return Perceiver(
        input_dim, num_latents=N, latent_dim=D, cross_order=(0,), block_order=(0,), **options
    )


def draw(*shape, seed=1, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def make_queries(kind, outputs=7, dtype=torch.float32, batch=2):
    mask = draw(batch, outputs, seed=3) < 0.5
    return {
        "shared": Queries(position=draw(1, outputs, F, dtype=dtype)),
        "own": Queries(draw(batch, outputs, F, dtype=dtype)),
        "both": Queries(
            draw(batch, outputs, 2, dtype=dtype), draw(1, outputs, F - 2, seed=2, dtype=dtype)
        ),
        "shared content": Queries(
            draw(1, outputs, 2, dtype=dtype), draw(batch, outputs, F - 2, seed=2, dtype=dtype)
        ),
        "added": Queries(
            draw(batch, outputs, F, dtype=dtype),
            draw(1, outputs, F, seed=2, dtype=dtype),
            fusion="add",
        ),
        "masked": Queries(draw(1, outputs, F, dtype=dtype), mask=mask),
        "grid": Queries(position=FourierPosition((4.0, 4.0), num_bands=1).on_grid(2, 4)),
    }[kind]


KINDS = ["shared", "own", "both", "shared content", "added", "masked", "grid"]
