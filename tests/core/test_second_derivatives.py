"""Second derivatives through the operators whose backward pass is written by hand."""

import dataclasses
import importlib
import pkgutil
import sys

import pytest
import torch
import torch.nn.functional as F
from reading import inputs, perceiver
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.attention import SDPBackend, sdpa_kernel

import perceivers
from perceivers import Inputs
from perceivers.core import (
    AxialPosition,
    ChunkedKeyValues,
    FeedForward,
    FourierPosition,
    LayerOptions,
    layers,
    separable,
)
from perceivers.core.feed_forward import _Contract
from perceivers.core.separable import SeparableGrid, read_grid


def test_every_operator_with_a_backward_pass_of_its_own_is_known():
    """One that is added must be added to these tests too.

    Those of shards are in test_sharded, that of products by oneDNN is in test_linear.
    """
    for module in pkgutil.walk_packages(perceivers.__path__, "perceivers."):
        if module.name.startswith(("perceivers.core", "perceivers.mod", "perceivers.training.opt")):
            importlib.import_module(module.name)
    names = {
        cls.__name__
        for cls in torch.autograd.Function.__subclasses__()
        if cls.__module__.startswith("perceivers")
    }
    assert names == {"_Contract", "_Product", "_ReadChunks", "_ReadShards", "_Replicated", "_Sum"}
    operators = {
        f"{module.__name__.removeprefix('perceivers.core.')}.{name}"
        for module in list(sys.modules.values())
        if module.__name__.startswith("perceivers.")
        for name, value in vars(module).items()
        if isinstance(value, torch.library.CustomOpDef)
    }
    assert operators == {"separable.read_grid", "separable.read_grid_backward"}


@pytest.mark.parametrize("activation", ["gelu", "geglu"])
def test_feed_forward(activation):
    torch.manual_seed(0)
    layer = FeedForward(4, LayerOptions(activation=activation)).double()
    hidden = torch.randn(2, 3, layer.expand.out_features, dtype=torch.float64, requires_grad=True)
    arguments = [hidden, layer.contract.weight, layer.contract.bias]

    def contract(*tensors):
        return _Contract.apply(*tensors, layer.activation)

    assert gradcheck(contract, arguments)
    assert gradgradcheck(contract, arguments, fast_mode=True)


@pytest.mark.parametrize("v_dim", [4, 6], ids=["fused kernel", "plain kernel"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("position", ["own", "shared", "none"])
def test_chunks(monkeypatch, v_dim, masked, position):
    monkeypatch.setattr(layers, "MAX_STORED_IN_CPU_TRAINING", 0)
    monkeypatch.setattr(layers, "CHUNK_ELEMENTS_ON_CPU", 2)
    read = inputs(5, masked=masked, shared=position == "shared")
    if position == "none":
        read = dataclasses.replace(read, position=None)
    cross = perceiver(read.dim, dtype=torch.float64, qk_dim=4, v_dim=v_dim).cross_attends[0]
    leaves = [cross.norm_inputs.weight, cross.attention.to_k.weight, cross.attention.to_v.bias]
    leaves += [t.detach().double().requires_grad_() for t in (read.content, read.position) if
               t is not None]  # fmt: skip
    queries = torch.randn(3, 1, 2, 4, dtype=torch.float64, requires_grad=True)

    def attend(queries, *tensors):
        source = cross.source(Inputs(*tensors[3:], mask=read.mask))
        assert isinstance(source, ChunkedKeyValues)
        return source.read(queries)

    assert gradgradcheck(attend, [queries, *leaves], fast_mode=True)


def grid_terms(masked):
    """Return arguments of `read_grid`: terms for 2 examples, 3 queries on a grid of 2×3."""
    position = FourierPosition([8.0] * 2, num_bands=1).on_grid(2, 3)
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(2, 6, generator=generator) < 0.7 if masked else None
    content = torch.randn(2, 6, 2, generator=generator, dtype=torch.float64)
    position = AxialPosition(tuple(table.double() for table in position.tables))
    read = Inputs(content, position, mask)
    source = perceiver(read.dim, dtype=torch.float64).cross_attends[0].source(read)
    assert isinstance(source, SeparableGrid)
    terms = [
        torch.randn(2, 3, size, generator=generator, dtype=torch.float64).requires_grad_()
        for size in (2, 3, 2)
    ]
    return terms, source.features


@pytest.mark.parametrize("masked", [False, True])
def test_grids(monkeypatch, masked):
    """First and second derivatives, those of the logsumexp included."""
    monkeypatch.setattr(layers, "SEPARABLE_MIN_ELEMENTS", 0)
    monkeypatch.setattr(layers, "SEPARABLE_MIN_EXTRA_WIDTH", -(10**6))
    monkeypatch.setattr(separable, "BLOCK_LOGITS", 6)
    terms, features = grid_terms(masked)

    def read(*terms):
        return read_grid(*terms, features)

    assert gradcheck(read, terms)
    assert gradgradcheck(read, terms, fast_mode=True)


def penalty(model, read, leaves):
    """Return the squared norm of the gradient of a loss, and its own gradient."""
    z = model(read)
    weights = torch.randn(z.shape, generator=torch.Generator().manual_seed(9)).to(z)
    gradients = torch.autograd.grad((z.square() * weights).sum(), leaves, create_graph=True)
    squared = torch.stack([gradient.square().sum() for gradient in gradients]).sum()
    return squared, torch.autograd.grad(squared, [*model.parameters()], materialize_grads=True)


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_shared_chunks_and_activation_checkpointing(monkeypatch, learned, checkpointing):
    """A cross-attend that is read at several steps, and a model that computes again."""
    read = inputs(11, learned=learned)
    content, position = (
        t.detach().double().requires_grad_(learned) for t in (read.content, read.position)
    )
    read = Inputs(content, position)
    model = perceiver(read.dim, dtype=torch.float64, activation="geglu")
    leaves = [content, position] if learned else [*model.parameters()]
    with sdpa_kernel(SDPBackend.MATH):
        expected, expected_gradients = penalty(model, read, leaves)
        monkeypatch.setattr(layers, "MAX_STORED_IN_CPU_TRAINING", 0)
        monkeypatch.setattr(layers, "CHUNK_ELEMENTS_ON_CPU", 4)
        model.activation_checkpointing = checkpointing
        got, got_gradients = penalty(model, read, leaves)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(got_gradients, expected_gradients)


def test_per_example_gradients_by_vmap():
    """`torch.func` maps the feed-forward over examples."""
    torch.manual_seed(0)
    layer = FeedForward(4, LayerOptions(activation="geglu")).double()
    weights = dict(layer.named_parameters())
    x = torch.randn(3, 5, 4, dtype=torch.float64)

    def loss(weights, x):
        return torch.func.functional_call(layer, weights, (x,)).square().sum()

    got = torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x)
    for i, example in enumerate(x):
        expected = torch.autograd.grad(loss(weights, example), [*weights.values()])
        for name, gradient in zip(weights, expected, strict=True):
            torch.testing.assert_close(got[name][i], gradient)


def test_the_fused_kernel_refuses_second_derivatives():
    """A gradient penalty needs the plain kernel of torch; with the fused one torch says so."""
    q = torch.randn(1, 1, 3, 8, requires_grad=True)
    out = F.scaled_dot_product_attention(q, q, q)
    (gradient,) = torch.autograd.grad(out.square().sum(), q, create_graph=True)
    with pytest.raises(RuntimeError, match="not implemented"):
        gradient.square().sum().backward()
