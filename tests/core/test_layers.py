"""The residual layers against plain float64 arithmetic, and their options."""

import pytest
import torch
from torch import nn

from perceivers.core import (
    CrossAttend,
    FeedForward,
    Inputs,
    LayerOptions,
    MultiHeadAttention,
    SelfAttend,
    StoredKeyValues,
)


def randomised(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


def norm(x, layer):
    x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + layer.eps).sqrt()
    return x * layer.weight + layer.bias


@pytest.mark.parametrize("fusion", ["concatenate", "add"])
@pytest.mark.parametrize("position_batch", [1, 3])
def test_key_terms_sum_to_the_keys(fusion, position_batch):
    inputs = Inputs(torch.randn(3, 5, 4) + 3, torch.randn(position_batch, 5, 4), fusion=fusion)
    cross = randomised(CrossAttend(8, inputs.dim, LayerOptions(qk_dim=4)))
    content, position = cross.key_terms(inputs)
    torch.testing.assert_close(content + position, cross.source(inputs).keys)
    zero_position = Inputs(inputs.content, inputs.position * 0, fusion=fusion)
    if fusion == "add":  # zero positions give a zero term, whatever the scale of the norm
        assert cross.key_terms(zero_position)[1].abs().max() == 0


@pytest.mark.parametrize("fusion", ["concatenate", "add"])
@pytest.mark.parametrize("position_batch", [0, 1, 3])
@pytest.mark.parametrize("qkv_bias", [False, True])
def test_keys_and_values_are_linear_maps_of_the_normalised_inputs(fusion, position_batch, qkv_bias):
    """Compare with the published form in float64: LayerNorm of the joined inputs, then linears."""
    position = torch.randn(position_batch, 5, 4).double() if position_batch else None
    inputs = Inputs(1e3 + torch.randn(3, 5, 4).double(), position, fusion=fusion)
    cross = randomised(
        CrossAttend(8, inputs.dim, LayerOptions(qk_dim=4, v_dim=6, qkv_bias=qkv_bias))
    ).double()
    source = cross.source(inputs)
    x = norm(inputs.joined(), cross.norm_inputs)
    attention = cross.attention
    torch.testing.assert_close(source.keys, attention.split_heads(attention.to_k(x)))
    torch.testing.assert_close(source.values, attention.split_heads(attention.to_v(x)))


def test_self_attend_with_explicit_widths():
    layer = randomised(
        SelfAttend(6, LayerOptions(num_heads=2, qk_dim=4, v_dim=10, qkv_bias=False))
    ).double()
    z = torch.randn(2, 5, 6, dtype=torch.float64)
    a = layer.attention
    assert a.to_q.bias is None
    assert a.to_out.bias is not None
    y = norm(z, layer.norm)
    q, k, v = (y @ w.weight.T for w in (a.to_q, a.to_k, a.to_v))
    heads = []
    for h in range(2):
        logits = q[..., 2 * h : 2 * h + 2] @ k[..., 2 * h : 2 * h + 2].mT / 2**0.5
        heads.append(logits.softmax(-1) @ v[..., 5 * h : 5 * h + 5])
    attended = z + torch.cat(heads, -1) @ a.to_out.weight.T + a.to_out.bias
    torch.testing.assert_close(layer(z), attended + layer.feed_forward(attended))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_of_attention_weights_keeps_their_mean(dtype):
    """Dropout acts in training only, at the stated rate, on attention weights.

    All values are one, so that outputs are sums of the remaining weights. The dtypes cover both
    forms of the kernel: the fused one, and the plain one for bfloat16 on CPU.
    """
    layer = SelfAttend(4, LayerOptions(num_heads=1, attention_dropout=0.25)).to(dtype)
    keys = torch.zeros(1, 1, 400, 4, dtype=dtype)
    values = torch.ones(1, 1, 400, 4, dtype=dtype)
    layer.attention.to_out = nn.Identity()
    torch.manual_seed(0)
    latents = torch.zeros(1, 200, 4, dtype=dtype)
    source = StoredKeyValues(keys, values)
    sums = layer.attention(latents, source).float()
    assert sums.mean().item() == pytest.approx(1.0, abs=0.02)
    # The standard deviation of an average of 400 weights, each kept with probability 3/4.
    std = (0.25 / 0.75 / 400) ** 0.5
    assert sums.std().item() == pytest.approx(std, rel=0.15)
    layer.eval()
    torch.testing.assert_close(layer.attention(latents, source), torch.ones_like(latents))


def test_dropout_of_feed_forward_outputs():
    layer = randomised(FeedForward(64, LayerOptions(dropout=0.3)))
    x = torch.randn(1, 50, 64)
    torch.manual_seed(0)
    dropped = layer(x) == 0
    assert dropped.float().mean().item() == pytest.approx(0.3, abs=0.03)
    layer.eval()
    assert not (layer(x) == 0).any()


def test_unknown_attention():
    with pytest.raises(ValueError, match="expected 'content', 'position' or 'both'"):
        CrossAttend(4, 4, attention="contents")


@pytest.mark.parametrize(
    ("batch", "rows", "options", "wide"),
    [
        (3, 5, {"qk_dim": 12}, True),
        (3, 5, {"qk_dim": 14, "v_dim": 18}, True),
        (3, 5, {"qk_dim": 12, "qkv_bias": False}, True),
        (2, 6, {"qk_dim": 12}, False),  # too few rows to make up for the product of the matrices
        (3, 5, {"qk_dim": 10, "v_dim": 12}, False),
    ],
)
def test_heads_as_wide_as_the_latents_multiply_their_matrices(
    monkeypatch, batch, rows, options, wide
):
    layer = randomised(SelfAttend(6, LayerOptions(num_heads=2, **options))).double()
    z = torch.randn(batch, rows, 6, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(batch, rows, 6, dtype=torch.float64)

    def result():
        y = layer(z)
        return y, torch.autograd.grad((y * weights).sum(), [z, *layer.parameters()])

    assert layer.attention._wide_heads(z) is wide
    results = []
    for threads in (1, 99):  # heads as additional queries of one head, and as heads
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        results.append(result())
    monkeypatch.setattr(MultiHeadAttention, "_wide_heads", lambda *_: False)
    expected, expected_gradients = result()
    for got, got_gradients in results:
        torch.testing.assert_close(got, expected)
        for a, b in zip(got_gradients, expected_gradients, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("heads", "threads"), [(1, 1), (1, 99), (2, 99)])
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_multiplied_matrices_drop_the_same_attention_weights(monkeypatch, heads, threads, qkv_bias):
    """With the same random numbers, outputs and gradients are those of keys and values.

    The biases of values are not zero: dropout removes their share too, as in Keras.
    """
    options = LayerOptions(
        num_heads=heads, qk_dim=14, v_dim=18, qkv_bias=qkv_bias, attention_dropout=0.4
    )
    layer = randomised(SelfAttend(6, options)).double()
    z = torch.randn(3, 5, 6, dtype=torch.float64, requires_grad=True)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)

    def result():
        torch.manual_seed(7)
        y = layer(z)
        return y, torch.autograd.grad(y.square().sum(), [z, *layer.parameters()])

    assert layer.attention._wide_heads(z)
    got, got_gradients = result()
    assert not torch.allclose(got, layer.eval()(z))
    monkeypatch.setattr(MultiHeadAttention, "_wide_heads", lambda *_: False)
    layer.train()
    expected, expected_gradients = result()
    torch.testing.assert_close(got, expected)
    for a, b in zip(got_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["multiplied", "heads apart", "keys and values"])
def test_every_form_of_attention_drops_attention_weights(monkeypatch, dtype, kind):
    """All values are the bias of ones, so that outputs are sums of the remaining weights."""
    heads, rows, rate = 2, 200, 0.25
    options = LayerOptions(num_heads=heads, qk_dim=8, v_dim=8, attention_dropout=rate)
    attention = MultiHeadAttention(4, 4, options)
    for linear in (attention.to_q, attention.to_k, attention.to_v, attention.to_out):
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    nn.init.ones_(attention.to_v.bias)
    with torch.no_grad():
        attention.to_out.weight[:, 0] = 1  # the first channel of the first head
    attention.to(dtype)
    x = torch.zeros(4, rows, 4, dtype=dtype)
    assert attention._wide_heads(x)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99 if kind == "heads apart" else 1)
    if kind == "keys and values":
        monkeypatch.setattr(MultiHeadAttention, "_wide_heads", lambda *_: False)
    torch.manual_seed(0)
    sums = attention.read_itself(x)[..., 0].float()
    assert sums.mean().item() == pytest.approx(1.0, abs=0.02)
    assert sums.std().item() == pytest.approx((rate / (1 - rate) / rows) ** 0.5, rel=0.15)
    torch.testing.assert_close(attention.eval().read_itself(x), torch.ones_like(x))


def test_default_options_are_those_of_the_paper():
    assert CrossAttend(16, 24).attention.num_heads == 1
    assert CrossAttend(16, 24).attention.to_q.out_features == 16
    assert SelfAttend(16).attention.num_heads == 8
    assert FeedForward(16).expand.out_features == 16


def test_unset_widths():
    """An unset `v_dim` is `qk_dim`, and an unset `qk_dim` the smaller number of channels."""
    for options, widths in (
        (LayerOptions(), (6, 6)),
        (LayerOptions(qk_dim=4), (4, 4)),
        (LayerOptions(v_dim=10), (6, 10)),
    ):
        attention = MultiHeadAttention(8, 6, options)
        assert (attention.to_k.out_features, attention.to_v.out_features) == widths
