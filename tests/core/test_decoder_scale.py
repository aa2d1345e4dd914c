"""Decoders exported, compiled, and with more queries than fit into memory."""

import weakref

import pytest
import torch
from tests.core.decoders import D, F, N, draw, make_decoder, make_encoder
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from perceivers import (
    FourierPosition,
    Inputs,
    PerceiverIO,
    Queries,
)


class WholeModel(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model, self.size = PerceiverIO(make_encoder(), make_decoder()), None

    def forward(self, content, queries, mask):
        return self.model(Inputs(content), Queries(queries, mask=mask), chunk_size=self.size)


def test_exports_with_any_number_of_queries():
    model = WholeModel().eval()
    arguments = draw(2, 9, 7), draw(2, 6, F), draw(2, 6, seed=3) < 0.5
    outputs = torch.export.Dim("outputs", min=2, max=100)
    dynamic = ({}, {1: outputs}, {1: outputs})
    with torch.no_grad():
        exported = torch.export.export(model, arguments, dynamic_shapes=dynamic).module()
        for count in (6, 11):
            other = arguments[0], draw(2, count, F), draw(2, count, seed=3) < 0.5
            torch.testing.assert_close(exported(*other), model(*other))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # dynamo warns while it traces
@pytest.mark.parametrize("size", [None, 4])
def test_compiles(size):
    model, arguments = WholeModel(), (draw(2, 9, 7), draw(2, 6, F), draw(2, 6, seed=3) < 0.5)
    model.size = size
    expected = model(*arguments)
    expected_gradients = torch.autograd.grad(expected.square().sum(), [*model.parameters()])
    out = torch.compile(model, backend="aot_eager")(*arguments)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    got = torch.autograd.grad(out.square().sum(), [*model.parameters()])
    torch.testing.assert_close(got, expected_gradients, atol=1e-4, rtol=1e-4)


class Peak(TorchDispatchMode):
    """Count the bytes of all tensors alive that were made within it, and remember the most."""

    def __init__(self):
        super().__init__()
        self.now, self.most, self.seen = 0, 0, set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        known = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if
                 isinstance(t, torch.Tensor)}  # fmt: skip
        out = function(*args, **(kwargs or {}))
        for t in tree_leaves(out):
            if isinstance(t, torch.Tensor):
                self.add(t.untyped_storage(), known)
        return out

    def add(self, storage, known):
        key = storage._cdata
        if key in known or key in self.seen:
            return
        self.seen.add(key)
        size = storage.nbytes()
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self.drop, key, size)

    def drop(self, key, size):
        self.seen.discard(key)
        self.now -= size


def peak(side, size, train):
    """Return the most bytes alive while a grid of side × side is decoded, less the outputs."""
    decoder = make_decoder(query_dim=34, output_dim=1)
    position = FourierPosition((8.0, 8.0), num_bands=8).on_grid(side, side)
    latents = draw(1, N, D).requires_grad_(train)
    with Peak() as memory, torch.set_grad_enabled(train):
        out = decoder(latents, Queries(position=position), chunk_size=size)
        if train:
            out.backward(torch.ones_like(out))
    return memory.most / 2**10


@pytest.mark.parametrize("train", [False, True])
def test_memory_of_a_grid_of_queries_grows_with_the_chunk(train):
    """From 1,024 to 16,384 queries only the outputs grow: one number for each, a few copies."""
    small, large = peak(32, 256, train), peak(128, 256, train)
    whole = peak(128, None, train)
    outputs = 128**2 * 4 / 2**10
    assert large < small + 4 * outputs
    assert large < whole / 10
