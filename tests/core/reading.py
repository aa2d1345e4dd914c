"""A small Perceiver, inputs for it, and its latents and gradients."""

import torch

from perceivers import Inputs, Perceiver


def perceiver(input_dim, *, dtype=torch.float32, **options):
    torch.manual_seed(0)
    model = Perceiver(
        input_dim,
        **{
            "num_latents": 5,
            "latent_dim": 8,
            "cross_order": (0, 1, 1),
            "block_order": (0, None, 0),
            "num_layers_per_block": 1,
            "num_self_heads": 2,
            "qk_dim": 8,
            "latent_std": 1.0,
            **options,
        },
    )
    for parameter in model.parameters():  # norms and biases that have an effect
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.3)
    return model.to(dtype)


def inputs(elements, *, fusion="concatenate", masked=False, shared=True, learned=False, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator).requires_grad_(learned)

    mask = torch.rand(3, elements, generator=generator) < 0.6 if masked else None
    if masked:
        mask[1] = False  # an example without any unmasked element
    return Inputs(draw(3, elements, 4), draw(1 if shared else 3, elements, 4), mask, fusion)


def gradients(model, read):
    """Return the latents and the gradients of all weights and of learned inputs."""
    z = model(read)
    leaves = [*model.parameters()]
    leaves += [t for t in (read.content, read.position) if getattr(t, "requires_grad", False)]
    weights = torch.randn(z.shape, generator=torch.Generator().manual_seed(9)).to(z)
    return z, torch.autograd.grad((z * weights).sum(), leaves)


def assert_near_in_bfloat16(model, read, expected, expected_gradients):
    """Check that autocast changes latents and gradients by rounding alone."""
    with torch.autocast("cpu", torch.bfloat16):
        got = model(read)
    assert got.isfinite().all()
    torch.testing.assert_close(got.float(), expected, rtol=0.05, atol=0.1)
    weights = torch.randn(got.shape, generator=torch.Generator().manual_seed(9))
    got_gradients = torch.autograd.grad((got * weights).sum(), [*model.parameters()])
    largest = max(gradient.norm() for gradient in expected_gradients)
    for a, b in zip(got_gradients, expected_gradients, strict=True):
        error = (a - b).norm() / max(b.norm(), 0.05 * largest)
        assert error < 0.1, error
