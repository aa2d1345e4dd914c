"""The feed-forward against plain float64 arithmetic, and what it stores for the backward pass."""

import pytest
import torch
import torch.nn.functional as F

from perceivers.core import FeedForward, LayerOptions


def feed_forward(activation, *, dtype=torch.float64, widening_factor=3):
    torch.manual_seed(0)
    layer = FeedForward(6, LayerOptions(widening_factor=widening_factor, activation=activation))
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return layer.to(dtype)


def plain(layer, x):
    """Compute the feed-forward with autograd alone."""
    hidden = layer.expand(layer.norm(x))
    if layer.gated:
        values, gates = hidden.chunk(2, dim=-1)
        return layer.contract(values * F.gelu(gates))
    return layer.contract(F.gelu(hidden))


def gradients(y, x, layer):
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(9)).to(y)
    return torch.autograd.grad((y * weights).sum(), [x, *layer.parameters()])


def test_gated_feed_forward_is_the_published_one():
    """GEGLU, arXiv 2002.05202, eq. 5: (xW) * GELU(xV), then the second linear layer."""
    layer = feed_forward("geglu")
    x = torch.randn(2, 4, 6, dtype=torch.float64)
    w, v = layer.expand.weight.chunk(2)
    bw, bv = layer.expand.bias.chunk(2)
    y = F.layer_norm(x, (6,), layer.norm.weight, layer.norm.bias)
    gate = y @ v.T + bv
    hidden = (y @ w.T + bw) * gate * 0.5 * (1 + torch.erf(gate / 2**0.5))
    torch.testing.assert_close(layer(x), hidden @ layer.contract.weight.T + layer.contract.bias)


def test_unknown_activation():
    with pytest.raises(ValueError, match="unknown activation 'tanh'"):
        FeedForward(4, LayerOptions(activation="tanh"))


@pytest.mark.parametrize("activation", ["gelu", "geglu"])
@pytest.mark.parametrize("shape", [(4, 6), (2, 4, 6), (2, 3, 4, 6)])
def test_gradients_are_those_of_autograd(activation, shape):
    layer = feed_forward(activation)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(layer(x), plain(layer, x))
    for a, b in zip(
        gradients(layer(x), x, layer), gradients(plain(layer, x), x, layer), strict=True
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("activation", ["gelu", "geglu"])
def test_bfloat16(activation):
    layer = feed_forward(activation, dtype=torch.float32)
    x = torch.randn(2, 4, 6, requires_grad=True)
    expected = gradients(plain(layer, x), x, layer)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    for a, b in zip(gradients(y, x, layer), expected, strict=True):
        assert a.dtype == torch.float32
        assert (a - b).norm() < 0.03 * b.norm()


@pytest.mark.parametrize(("activation", "widths"), [("gelu", [6, 18]), ("geglu", [6, 36])])
def test_only_the_input_and_the_hidden_layer_are_stored(activation, widths):
    """Neither the output of the activation nor its gate is stored."""
    layer = feed_forward(activation)
    x = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    stored = {}

    def store(tensor):
        if tensor.shape[0] == 5 and tensor.shape[-1] > 1:
            stored[tensor.data_ptr()] = tensor.shape[-1]
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(store, lambda tensor: tensor):
        y = layer(x)
    # The norm stores its input, the first linear layer its input, the rest the hidden layer.
    assert sorted(stored.values()) == sorted([6, *widths])
    y.sum().backward()
