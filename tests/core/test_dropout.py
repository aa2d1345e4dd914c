"""Dropout: its probability, its scale, its gradient, and where torch's own is used."""

import math

import pytest
import torch
from torch import nn

from perceivers.core import dropout as room
from perceivers.core.dropout import Dropout, dropout


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_drops_with_the_probability_and_keeps_the_mean(p, dtype):
    torch.manual_seed(0)
    count = 400_001  # no multiple of four: the last random number serves one element
    out = dropout(torch.ones(count, dtype=dtype), p)
    share = (out == 0).double().mean().item()
    assert abs(share - p) < 4 * math.sqrt(p * (1 - p) / count)
    kept = out[out != 0].double()
    assert (kept == kept[0]).all()
    rounding = 1e-2 if dtype == torch.bfloat16 else 1e-4
    assert kept[0].item() == pytest.approx(1 / (1 - p), rel=rounding)


def test_elements_are_dropped_independently():
    torch.manual_seed(0)
    dropped = (dropout(torch.ones(100_000, 8), 0.25) == 0).double()
    correlation = torch.corrcoef(dropped.T)
    correlation.fill_diagonal_(0)
    assert correlation.abs().max() < 5 / math.sqrt(100_000)


def test_the_same_seed_drops_the_same_elements_and_another_draw_others():
    x = torch.randn(7, 33)
    torch.manual_seed(3)
    first, second = dropout(x, 0.5), dropout(x, 0.5)
    torch.manual_seed(3)
    assert torch.equal(first, dropout(x, 0.5))
    assert not torch.equal(first, second)


def test_neither_dtype_nor_parts_change_which_elements_are_dropped(monkeypatch):
    x = torch.ones(1001)
    outs = []
    for dtype, part in ((torch.float32, 2**17), (torch.bfloat16, 2**17), (torch.float64, 16)):
        monkeypatch.setattr(room, "PART", part)
        torch.manual_seed(3)
        outs.append(dropout(x.to(dtype), 0.3) == 0)
    assert torch.equal(outs[0], outs[1])
    assert torch.equal(outs[0], outs[2])


@pytest.mark.parametrize("dropped", [2**7, 2**14, 2**15 - 1])
def test_a_number_drops_an_element_if_it_is_small_enough(monkeypatch, dropped):
    numbers = torch.arange(2**16).to(torch.int16)  # its highest bit is not used
    monkeypatch.setattr(
        torch.Tensor, "random_", lambda part, *_: part.copy_(numbers.view(part.dtype))
    )
    monkeypatch.setattr(room, "PART", len(numbers))
    kept = room._kept(len(numbers), dropped, 3)
    assert torch.equal(kept, 3 * (numbers & 2**15 - 1 >= dropped).to(torch.int16))


def test_the_gradient_is_scaled_and_dropped_as_the_output_is():
    x = torch.ones(50, 60, requires_grad=True)
    out = dropout(x, 0.3)
    (grad,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(grad, out)


@pytest.mark.parametrize("shape", [(), (1,), (0, 4), (3, 5)])
def test_any_shape(shape):
    assert dropout(torch.ones(shape), 0.5).shape == shape


@pytest.mark.parametrize("p", [0.0, 1e-3, 1.0])
def test_probabilities_at_the_ends(p):
    torch.manual_seed(0)
    out = dropout(torch.ones(200_000), p)
    assert (out == 0).double().mean().item() == pytest.approx(p, abs=3e-4)


def test_the_module_drops_in_training_alone():
    module, x = Dropout(0.5), torch.ones(1000)
    assert (module(x) == 0).any()
    assert module.eval()(x) is x
    assert isinstance(module, nn.Dropout)


def test_transforms_and_meta_tensors_use_torchs_dropout(monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("random bits were drawn")

    monkeypatch.setattr(room.torch, "empty", forbidden)
    x = torch.ones(4, 100)
    assert torch.vmap(lambda row: dropout(row, 0.5), randomness="different")(x).shape == x.shape
    assert dropout(x.to("meta"), 0.5).device.type == "meta"
