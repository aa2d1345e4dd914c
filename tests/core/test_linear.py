"""Linear maps by oneDNN: equal to torch's own, and called where they are allowed to be alone."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from perceivers.core import linear as module
from perceivers.core.linear import OPERATOR, Linear, linear

available = pytest.mark.skipif(OPERATOR is None, reason="this torch has no oneDNN")


@pytest.fixture
def calls(monkeypatch):
    """Let products of any size go to oneDNN, on processors of all makers; count its calls."""
    made = []

    def operator(x, weight, bias, *rest):
        made.append(x.shape)
        return OPERATOR(x, weight, bias, *rest)

    monkeypatch.setattr(module, "ENOUGH", 0)
    monkeypatch.setattr(module, "_onednn", lambda: operator)
    return made


@available
@pytest.mark.parametrize("shape", [(7, 5), (2, 7, 5), (2, 3, 7, 5), (0, 5)])
@pytest.mark.parametrize("layout", ["rows", "columns", "steps"])
@pytest.mark.parametrize("biased", [True, False])
def test_it_is_a_linear_map_whatever_the_layout(calls, shape, layout, biased):
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(s, generator=generator) for s in (shape, (6, 5)))
    if layout == "columns":
        x, weight = (t.mT.contiguous().mT if t.ndim > 1 else t for t in (x, weight))
    if layout == "steps":
        x, weight = (t.repeat_interleave(2, dim=0)[::2] for t in (x, weight))
    bias = torch.randn(6, generator=generator) if biased else None
    expected = F.linear(x.double(), weight.double(), None if bias is None else bias.double())
    with torch.no_grad():
        found = linear(x, weight, bias)
    assert calls == [x.shape]
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


@available
def test_its_flops_are_counted(calls):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        linear(torch.ones(3, 7, 5), torch.ones(6, 5))
    assert calls
    assert counter.get_total_flops() == 2 * 3 * 7 * 5 * 6


@available
@pytest.mark.parametrize("shape", [(7, 5), (2, 7, 5)])
@pytest.mark.parametrize("biased", [True, False])
def test_gradients_are_those_of_torch(calls, shape, biased):
    """First and second derivatives, beside float64."""
    torch.manual_seed(0)
    tensors = [torch.randn(shape), torch.randn(6, 5), *([torch.randn(6)] if biased else [])]

    def derivatives(apply, tensors):
        tensors = [t.clone().requires_grad_() for t in tensors]
        loss = apply(*tensors).pow(3).sum()
        first = torch.autograd.grad(loss, tensors, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), tensors)
        return [*first, *second]

    expected = derivatives(F.linear, [t.double() for t in tensors])
    for found, exact in zip(derivatives(linear, tensors), expected, strict=True):
        torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-4)
    assert len(calls) > 2


@available
def test_a_product_may_be_changed_in_place(calls):
    x, weight = torch.randn(2, 7, 5), torch.randn(6, 5, requires_grad=True)
    linear(x, weight).mul_(2).add_(1).sum().backward()
    torch.testing.assert_close(weight.grad, 2 * x.sum((0, 1)).expand(6, 5))
    assert calls


@available
def test_gradients_that_nobody_wants_are_not_computed(calls):
    layer, x = Linear(5, 6), torch.randn(7, 5)
    layer(x).sum().backward()
    assert len(calls) == 1
    assert x.grad is None
    assert layer.weight.grad is not None


@available
def test_transforms_of_functions_are_left_to_torch(calls):
    layer, x = Linear(5, 6), torch.randn(3, 7, 5)
    torch.testing.assert_close(torch.vmap(layer)(x), F.linear(x, layer.weight, layer.bias))
    assert not calls


@torch.no_grad()
def test_other_types_and_compiled_models_are_left_to_torch(calls):
    layer, x = Linear(5, 6), torch.randn(7, 5)
    assert layer.double()(x.double()).dtype == torch.float64
    assert layer.bfloat16()(x.bfloat16()).dtype == torch.bfloat16
    layer.float()
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert layer.to("meta")(x.to("meta")).shape == (7, 6)
    exported = torch.export.export(Linear(5, 6), (x,))
    assert "mkldnn" not in str(exported.graph)
    assert not calls


@torch.no_grad()
def test_it_can_be_switched_off(calls, monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert linear(torch.ones(7, 5), torch.ones(6, 5)).shape == (7, 6)
    assert not calls


@torch.no_grad()
def test_small_products_and_processors_of_intel_are_left_to_torch(monkeypatch, tmp_path):
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(module, "CPUS", str(path))
    for text in ("vendor_id\t: GenuineIntel\n", None):
        module._onednn.cache_clear()
        path.unlink(missing_ok=True)
        if text:
            path.write_text(text)
        assert module._onednn() is None
        large = torch.ones(module.ENOUGH // 64, 8), torch.ones(8, 8)
        torch.testing.assert_close(linear(*large), F.linear(*large))
    module._onednn.cache_clear()
    monkeypatch.setattr(module, "_onednn", lambda: pytest.fail("a small product went to oneDNN"))
    linear(torch.ones(module.ENOUGH // 64 - 1, 8), torch.ones(8, 8))
    linear(torch.ones(1, 8), torch.ones(module.LARGE // 8 - 1, 8))
    monkeypatch.setattr(module, "_onednn", lambda: lambda *arguments: "oneDNN")
    assert linear(torch.ones(module.ENOUGH // 64, 8), torch.ones(8, 8)) == "oneDNN"
    assert linear(torch.ones(1, 8), torch.ones(module.LARGE // 8, 8)) == "oneDNN"
