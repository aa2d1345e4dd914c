"""Attention against plain float64 arithmetic."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.core import LayerOptions, MultiHeadAttention, attend
from perceivers.core import attention as attention_module


def reference(q, k, v, mask=None):
    """Compute softmax attention by its formula, in float64."""
    q, k, v = q.double(), k.double(), v.double()
    logits = torch.einsum("bhnk,bhmk->bhnm", q, k) / q.shape[-1] ** 0.5
    if mask is None:
        return logits.softmax(-1) @ v
    weights = torch.where(mask[:, None, None], logits.exp(), 0.0)
    total = weights.sum(-1, keepdim=True)
    return torch.where(total > 0, weights / total.clamp(min=1e-300), 0.0) @ v


def tensors(batch, heads, n, m, qk, v, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = (batch, heads, n, qk), (batch, heads, m, qk), (batch, heads, m, v)
    return tuple(torch.randn(shape, generator=generator).to(dtype) for shape in shapes)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(1, 17),
    st.integers(1, 8),
    st.integers(1, 8),
    st.booleans(),
    st.integers(0, 2**16),
)
def test_any_shape_and_mask(batch, heads, n, m, qk, v, masked, seed):
    query, key, value = tensors(batch, heads, n, m, qk, v, seed=seed)
    mask = torch.rand(batch, m, generator=torch.Generator().manual_seed(seed)) < 0.5
    mask = mask if masked else None
    out = attend(query, key, value, mask)
    torch.testing.assert_close(out, reference(query, key, value, mask).float())


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("plain", [False, True])
def test_bfloat16_forward_and_gradients(masked, plain, monkeypatch):
    monkeypatch.setattr(attention_module, "MAX_PLAIN_LOGITS", 2**18 if plain else 0)
    leaves = tensors(2, 3, 8, 16, 4, 6, torch.bfloat16)
    mask = torch.tensor([[True] * 9 + [False] * 7, [False] * 16]) if masked else None
    got = [t.clone().requires_grad_() for t in leaves]
    exact = [t.double().requires_grad_() for t in leaves]
    out, expected = attend(*got, mask), reference(*exact, mask)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.double(), expected, atol=0.02, rtol=0.02)
    out.sum().backward()
    expected.sum().backward()
    for ours, theirs in zip(got, exact, strict=True):
        torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=0.05, rtol=0.05)


def test_empty_mask_gives_zeros_and_finite_gradients():
    q, k, v = (t.requires_grad_() for t in tensors(2, 2, 3, 5, 4, 4))
    mask = torch.tensor([[False] * 5, [True, False, False, False, False]])
    out = attend(q, k, v, mask)
    assert (out[0] == 0).all()
    torch.testing.assert_close(out[1], v[1][:, :1].expand(-1, 3, -1))
    out.square().sum().backward()
    for t in (q, k, v):
        assert t.grad.isfinite().all()
        assert (t.grad[0] == 0).all()


def test_masked_elements_have_no_influence():
    q, k, v = tensors(1, 1, 3, 6, 4, 4)
    mask = torch.tensor([[True, True, False, True, False, True]])
    changed_k, changed_v = k.clone(), v.clone()
    changed_k[:, :, [2, 4]] = 100.0
    changed_v[:, :, [2, 4]] = -100.0
    assert torch.equal(attend(q, k, v, mask), attend(q, changed_k, changed_v, mask))


def test_heads_must_divide_widths():
    with pytest.raises(ValueError, match="qk_dim=10 is not divisible by 4 heads; .* set qk_dim=8"):
        MultiHeadAttention(8, 8, LayerOptions(num_heads=4, qk_dim=10, v_dim=8))
    with pytest.raises(ValueError, match="8 channels are not divisible by 3 heads; .* qk_dim=6"):
        MultiHeadAttention(8, 8, LayerOptions(num_heads=3))


def test_published_initialisation():
    torch.manual_seed(0)
    layer = MultiHeadAttention(400, 400, LayerOptions(num_heads=1, qk_dim=400, v_dim=400))
    layer.init_weights()
    assert layer.to_q.weight.std().item() == pytest.approx(400**-0.5, rel=0.01)
    assert layer.to_q.weight.abs().max() <= 2 * 400**-0.5 / 0.8796
    assert (layer.to_q.bias == 0).all()
