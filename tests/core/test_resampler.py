"""The resampler against plain operators, in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from perceivers.core import Resampler, layers, resampler_layer


def filled(**options):
    torch.manual_seed(0)
    options = {
        "input_dim": 12,
        "num_latents": 3,
        "depth": 2,
        "num_heads": 4,
        "head_dim": 4,
    } | options
    model = Resampler(**options).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def plain(model, x, mask):
    """Compute the resampler of the default residuals with concatenated keys and a softmax."""
    z = model.latents.expand(len(x), -1, -1)
    x = model.project_in(x)
    for layer in model.layers:
        a, own = layer.attention, layer.norm_latents(z)
        seen = x.new_ones(*z.shape[:2], dtype=torch.bool)
        elements = own
        if layer.reads != "latents":
            read = layer.norm_inputs(x)
            both = layer.reads == "both"
            elements = torch.cat([read, own], dim=1) if both else read
            seen = torch.cat([mask, seen], dim=1) if both else mask
        q, k, v = (
            f(t).unflatten(-1, (-1, 4)).transpose(1, 2)
            for f, t in ((a.to_q, own), (a.to_k, elements), (a.to_v, elements))
        )
        k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], dim=1) for t in (k, v))
        logits = (q @ k.mT / 2).masked_fill(~seen[:, None, None], -torch.inf)
        z = z + a.to_out((logits.softmax(-1) @ v).transpose(1, 2).flatten(2))
        ff = layer.feed_forward
        hidden = ff.expand(ff.norm(z))
        if ff.gated:
            values, gates = hidden.chunk(2, dim=-1)
            hidden = values * (F.silu(gates) if ff.activation == "swiglu" else F.gelu(gates))
        else:
            hidden = F.relu(hidden) if ff.activation == "relu" else F.gelu(hidden)
        z = z + ff.contract(hidden)
    return model.output_norm(model.project_out(z))


VARIANTS = [
    {},
    {"norm": "rms", "output_norm": "rms", "num_kv_heads": 2, "activation": "swiglu"},
    {
        "norm": "none",
        "input_norm": "rms",
        "num_heads": 1,
        "output_norm": "rms",
        "activation": "geglu",
        "hidden_dim": 10,
    },
    {"latent_dim": 8, "project_inputs": True, "output_dim": 6, "activation": "relu"},
    {"self_attention": "separate", "latent_dim": 8},
]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_outputs_and_gradients_equal_plain_operators(monkeypatch, options, chunked):
    if chunked:
        monkeypatch.setattr(layers, "MAX_STORED_IN_CPU_TRAINING", 1)
        monkeypatch.setattr(layers, "CHUNK_ELEMENTS_ON_CPU", 3)
    model = filled(**options)
    x = torch.randn(2, 11, 12, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(2, 11) > 0.4
    mask[:, 0] = True
    tensors = [x, *model.parameters()]
    results = []
    for out in (model(x, mask), plain(model, x, mask)):
        results.append([out, *torch.autograd.grad(out.square().sum(), tensors, allow_unused=True)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_a_stream_gives_the_same(options):
    model = filled(**options)
    x, mask = torch.randn(2, 11, 12, dtype=torch.float64), torch.rand(2, 11) > 0.5
    mask[0] = False
    chunks = [(x[:, :4], mask[:, :4]), (x[:, 4:], mask[:, 4:])]
    torch.testing.assert_close(model.encode_stream(chunks), model(x, mask))
    assert model(x, mask).isfinite().all()


def test_many_latents_read_the_same_through_keys_and_values():
    """Few latents read features without their keys and values, many of them with."""
    model = filled(num_latents=3)
    x, mask = torch.randn(2, 11, 12, dtype=torch.float64), torch.rand(2, 11) > 0.4
    mask[1] = False
    few = model(x, mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampler_layer, "FEWER", 100.0)
        torch.testing.assert_close(model(x, mask), few)


@pytest.mark.parametrize("fewer", [0.0, 100.0])
def test_masked_features_and_their_absence_change_nothing(monkeypatch, fewer):
    monkeypatch.setattr(resampler_layer, "FEWER", fewer)
    for options in ({}, {"self_attention": "none"}):
        model = filled(**options)
        x, mask = torch.randn(2, 5, 12, dtype=torch.float64), torch.ones(2, 5, dtype=torch.bool)
        mask[:, 3:] = False
        torch.testing.assert_close(model(x, mask), model(x[:, :3]))
        nothing = model(x, torch.zeros_like(mask))
        torch.testing.assert_close(nothing, model(x[:, :0]))
        assert nothing.isfinite().all()
    # Without anything to attend to, the attention is zero: the bias of its output remains.
    layer = filled(self_attention="none", depth=1, residual=False, activation=None)
    out = layer.output_norm(layer.layers[0].attention.to_out.bias)
    torch.testing.assert_close(layer(x[:, :0]), out.expand(2, 3, -1))


def test_positions_for_keys_do_not_reach_the_values():
    """The form of MiniCPM-V, against torch's own attention."""
    options = {"self_attention": "none", "residual": False, "depth": 1, "activation": None}
    attention = filled(head_dim=3, **options)
    x, position = torch.randn(2, 7, 12).double(), torch.randn(1, 7, 12).double()
    plain_attention = nn.MultiheadAttention(12, 4, batch_first=True).double()
    parts = attention.layers[0].attention
    maps = (parts.to_q, parts.to_k, parts.to_v)
    plain_attention.in_proj_weight.data = torch.cat([part.weight for part in maps])
    plain_attention.in_proj_bias.data = torch.cat([part.bias for part in maps])
    plain_attention.out_proj.load_state_dict(parts.to_out.state_dict())
    layer = attention.layers[0]
    keys = layer.norm_inputs(x)
    queries = layer.norm_latents(attention.latents).expand(2, -1, -1)
    out = plain_attention(queries, keys + position, keys, need_weights=False)[0]
    torch.testing.assert_close(
        attention(x, key_position=position), attention.output_norm(out), rtol=1e-9, atol=1e-9
    )


def test_a_table_is_added_row_by_row():
    model, plain_model = filled(num_positions=5), filled()
    plain_model.load_state_dict({k: v for k, v in model.state_dict().items() if k != "positions"})
    x = torch.randn(2, 5, 12).double()
    torch.testing.assert_close(model(x), plain_model(x + model.positions))
    rows = torch.tensor([[4], [1]])
    torch.testing.assert_close(
        model(x[:, :3], position=rows), plain_model(x[:, :3] + model.positions[rows])
    )
    torch.testing.assert_close(model.encode_stream([x[:, :2], x[:, 2:]]), model(x))
    with pytest.raises(ValueError, match="3 features, but the table has 5 positions; give the row"):
        model(x[:, :3])
    with pytest.raises(ValueError, match="rows from 0 to 5; the table has rows from 0 to 4"):
        model(x[:, :2], position=torch.tensor([[0, 5]]))
    with pytest.raises(ValueError, match="no table of positions"):
        plain_model(x, position=rows)


def test_second_derivatives_through_chunks(monkeypatch):
    monkeypatch.setattr(layers, "MAX_STORED_IN_CPU_TRAINING", 1)
    monkeypatch.setattr(layers, "CHUNK_ELEMENTS_ON_CPU", 2)
    model = filled(depth=1, num_latents=2)
    x = torch.randn(1, 7, 12, dtype=torch.float64, requires_grad=True)
    mask = torch.arange(7)[None] < 6
    assert torch.autograd.gradgradcheck(lambda x: model(x, mask), x, fast_mode=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "depth=0; expected at least 1"),
        ({"num_kv_heads": 3}, "num_kv_heads=3; expected a number that divides the 4 heads"),
        ({"norm": "batch"}, "unknown norm 'batch'; expected 'layer', 'rms' or 'none'"),
        ({"self_attention": "both"}, "unknown self_attention 'both'; expected 'joint'"),
        ({"latent_dim": 8}, "12 channels and the latents 8; expected equally many .*project_inp"),
        ({"activation": "tanh"}, "unknown activation 'tanh'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        filled(**options)


@pytest.mark.parametrize(
    ("shape", "mask", "message"),
    [
        ((2, 5, 7), None, r"shape \(2, 5, 7\); expected \(batch, features, 12\)"),
        ((5, 12), None, r"shape \(5, 12\); expected \(batch, features, 12\)"),
        ((0, 5, 12), None, "the batch has no examples"),
        ((2, 5, 12), torch.ones(2, 4, dtype=torch.bool), r"mask is torch.bool of shape \(2, 4\)"),
        ((2, 5, 12), torch.ones(2, 5), r"mask is torch.float32 .*expected torch.bool"),
    ],
)
def test_bad_features_are_refused(shape, mask, message):
    with pytest.raises(ValueError, match=message):
        filled()(torch.randn(shape).double(), mask)


def test_streams_that_cannot_be_read_again_are_refused():
    x = torch.randn(2, 5, 12).double()
    with pytest.raises(ValueError, match="reads its input 2 times, but an iterator"):
        filled().encode_stream(iter([x]))
    with pytest.raises(ValueError, match="a chunk has 1 examples, the first had 2"):
        filled().encode_stream([x, x[:1]])
    with pytest.raises(ValueError, match="the stream is empty"):
        filled().encode_stream([])
