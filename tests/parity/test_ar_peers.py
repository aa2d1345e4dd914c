"""Perceiver AR: the real perceiver-ar-pytorch and perceiver-io, and the latter's formula."""

import random

import pytest
import torch
import torch.nn.functional as F
from benchmarks.peers.perceiver_ar import perceiver_ar_pytorch_weights, perceiver_io_weights
from torch import nn

from perceivers import PerceiverAR

FIRST_BIAS = "layers.0.attention.to_out.bias"  # both libraries have it


@pytest.mark.parametrize("seed", range(8))
def test_logits_and_gradients_equal_perceiver_ar_pytorch(seed):
    peer = pytest.importorskip("perceiver_ar_pytorch").PerceiverAR
    draw = random.Random(seed)
    torch.manual_seed(seed)
    prefix, latents, heads = draw.randint(1, 9), draw.randint(1, 8), draw.choice((1, 2, 3))
    sizes = {"dim": draw.choice((8, 12)), "dim_head": draw.choice((32, 64)), "heads": heads}
    length, depth = prefix + latents + 2, draw.randint(1, 3)
    theirs = peer(
        num_tokens=7, depth=depth, max_seq_len=length, cross_attn_seq_len=prefix, **sizes
    ).eval()
    ours = PerceiverAR(
        7,
        max_length=length,
        dim=sizes["dim"],
        num_layers=depth,
        num_heads=heads,
        head_dim=sizes["dim_head"],
        rotary_fraction=32 / sizes["dim_head"],
    )
    for name, parameter in ours.named_parameters():
        nn.init.normal_(parameter, std=0.3)
        if name.endswith("bias") and "norm" not in name and name != FIRST_BIAS:
            nn.init.zeros_(parameter)  # their linear maps have none
    theirs.load_state_dict({**theirs.state_dict(), **perceiver_ar_pytorch_weights(ours)})
    tokens = torch.randint(7, (2, prefix + latents))
    out, expected = ours(tokens, prefix), theirs(tokens)
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
    targets = torch.randint(7, (2 * latents,))
    for logits in (out, expected):
        F.cross_entropy(logits.flatten(0, 1), targets).backward()
    for mine, other in (
        (ours.tokens.weight, theirs.token_emb.weight),
        (ours.positions, theirs.pos_emb.weight),
        (ours.layers[0].norm_prefix.weight, theirs.perceive_layers[0][0].context_norm.weight),
        (ours.layers[0].attention.to_q.weight, theirs.perceive_layers[0][0].to_q.weight),
        (ours.layers[1].feed_forward.expand.weight, theirs.layers[0][1][1].weight),
    ):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-4)


# perceiver-io 0.11 cannot be a dependency: its metadata asks for Python before 3.11. Its formula is
# written anew below in float64, and the library itself is compared where somebody installed it by
# `pip install --no-deps --ignore-requires-python perceiver-io==0.11.0 fairscale`.


def drawn_sizes(seed):
    """Return our model with perceiver-io's options, its weights there, tokens, prefix, padding."""
    draw = random.Random(100 + seed)
    torch.manual_seed(seed)
    heads, prefix, latents = draw.choice((1, 2, 3)), draw.randint(0, 9), draw.randint(1, 8)
    head_dim, length = draw.choice((4, 8, 12)), prefix + latents
    ours = PerceiverAR(
        7,
        max_length=length + 2,
        dim=heads * head_dim,
        num_layers=draw.randint(1, 3),
        num_heads=heads,
        head_dim=head_dim,
        output_norm=draw.random() < 0.5,
    )
    for name, parameter in ours.named_parameters():
        nn.init.normal_(parameter, std=0.3)
        bias = name.endswith("bias") and "norm" not in name
        if bias and name not in (FIRST_BIAS, "to_logits.bias"):
            nn.init.zeros_(parameter)  # their linear maps have none
    ours.to_logits.weight = ours.tokens.weight  # theirs are one matrix
    padding = torch.tensor([0, draw.randint(0, length - 1), draw.randint(0, length - 1)])
    return ours.eval(), perceiver_io_weights(ours), torch.randint(7, (3, length)), prefix, padding


def perceiver_io_logits(state, tokens, prefix, heads, layers, padding):
    """Compute the logits of perceiver-io in float64, with loops over examples and heads."""
    w = {name: tensor.double() for name, tensor in state.items()}

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])

    def turned(x, places):  # neighbours are real and imaginary parts
        half = x.shape[1] // 2
        rates = 10_000.0 ** (-torch.arange(0, half, 2).double() / half)
        pairs = torch.view_as_complex(x[:, :half].unflatten(1, (-1, 2)).contiguous())
        pairs = pairs * torch.polar(torch.ones(1).double(), places[:, None] * rates)
        return torch.cat([torch.view_as_real(pairs).flatten(1), x[:, half:]], dim=1)

    def layer(place, x, keys_from, names):
        normed = norm(x, f"{place}.0.module.{names}")
        source = torch.cat([keys_from, normed])
        a = f"{place}.0.module.attention"
        read = []
        for head in range(heads):
            q, k, v = (
                (rows @ w[f"{a}.{n}_proj.weight"].T).chunk(heads, dim=1)[head]
                for rows, n in ((normed, "q"), (source, "k"), (source, "v"))
            )
            at = torch.arange(len(row) - len(source), len(row)).double()
            logits = turned(q, at[-len(x) :]) @ turned(k, at).T / q.shape[1] ** 0.5
            seen = torch.ones_like(logits).tril(len(source) - len(x)).bool()
            read.append(logits.masked_fill(~seen, -torch.inf).softmax(dim=1) @ v)
        x = x + torch.cat(read, dim=1) @ w[f"{a}.o_proj.weight"].T + w.get(f"{a}.o_proj.bias", 0)
        m = f"{place}.1.module"
        hidden = F.gelu(norm(x, f"{m}.0") @ w[f"{m}.1.weight"].T)
        return x + hidden @ w[f"{m}.3.weight"].T

    out, whole_prefix = [], prefix
    for row, count in zip(tokens, padding.tolist(), strict=True):
        row, prefix = row[count:], max(0, whole_prefix - count)
        embedded = w["input_adapter.txt_embedding.weight"][row]
        embedded = embedded + w["input_adapter.pos_embedding.weight"][: len(row)]
        before = norm(embedded[:prefix], "cross_attention.0.module.kv_norm")
        x = layer("cross_attention", embedded[prefix:], before, "q_norm")
        for i in range(layers):
            x = layer(f"self_attention.{i}", x, x[:0], "norm")
        if "out_norm.weight" in w:
            x = norm(x, "out_norm")
        out.append(x @ w["input_adapter.txt_embedding.weight"].T + w["output_adapter.bias"])
    return out


@pytest.mark.parametrize("seed", range(8))
def test_logits_equal_the_formula_of_perceiver_io_in_float64(seed):
    ours, state, tokens, prefix, padding = drawn_sizes(seed)
    heads, layers = ours.layers[0].attention.num_heads, len(ours.layers) - 1
    expected = perceiver_io_logits(state, tokens, prefix, heads, layers, padding)
    for model, tolerance in ((ours, 1e-5), (ours.double(), 1e-9)):
        logits = model(tokens, prefix, padding)
        for row, other in zip(logits, expected, strict=True):
            mine = row[-len(other) :].double()
            torch.testing.assert_close(mine, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("seed", range(8))
def test_logits_gradients_and_caches_equal_perceiver_io(seed):
    peer = pytest.importorskip("perceiver.model.core")
    ours, state, tokens, prefix, padding = drawn_sizes(seed)
    config = peer.CausalSequenceModelConfig(
        vocab_size=7,
        max_seq_len=ours.max_length,
        max_latents=ours.max_length - prefix,
        num_channels=ours.tokens.embedding_dim,
        num_heads=ours.layers[0].attention.num_heads,
        num_self_attention_layers=len(ours.layers) - 1,
        num_self_attention_rotary_layers=-1,
        output_norm=not isinstance(ours.norm, nn.Identity),
        cross_attention_dropout=0.0,
    )
    theirs = peer.CausalSequenceModel(config).eval()
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not any(state[name].count_nonzero() for name in unexpected)  # biases they lack
    assert all(name.endswith("inv_freq") for name in missing)
    places = torch.arange(tokens.shape[1])
    pad_mask = places < padding[:, None]
    kept = (~pad_mask & (padding <= prefix)[:, None])[:, prefix:]  # their latents see padding
    expected = theirs(tokens, prefix, pad_mask=pad_mask).logits
    logits = ours(tokens, prefix, padding)
    torch.testing.assert_close(logits[kept], expected[kept], rtol=1e-5, atol=1e-5)
    targets = torch.randint(7, (int(kept.sum()),))
    for found in (logits, expected):
        F.cross_entropy(found[kept], targets).backward()
    for mine, other in (
        (ours.tokens.weight, theirs.input_adapter.txt_embedding.weight),
        (ours.positions, theirs.input_adapter.pos_embedding.weight),
        (
            ours.layers[1].feed_forward.expand.weight,
            theirs.self_attention[0][1].module[1].weight,
        ),
    ):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-4)
    with torch.no_grad():  # one more token from the caches
        more = torch.randint(7, (3, 1))
        cached = theirs(tokens, prefix, kv_cache=[]).kv_cache
        step = theirs(more, prefix, kv_cache=cached).logits
        found, _ = ours.read(more, cache=ours.read(tokens, prefix)[1])
    torch.testing.assert_close(found, step, rtol=1e-5, atol=1e-5)
