"""The Perceiver against a plain float64 implementation of the paper, and its weight sharing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import norm, plain_attention, plain_mlp

from perceivers.core import CrossAttend, Inputs, Perceiver

SMALL = {"num_latents": 5, "latent_dim": 8, "num_self_heads": 2, "num_layers_per_block": 2}


def make(input_dim=7, **changes):
    torch.manual_seed(0)
    arguments = {**SMALL, "cross_order": (0, 1, 1), "block_order": (0, 0, 0), **changes}
    return Perceiver(input_dim, **arguments)


def inputs(
    batch=2, elements=9, content=4, position=3, mask=None, shared=True, seed=1, dtype=torch.float32
):
    generator = torch.Generator().manual_seed(seed)
    return Inputs(
        torch.randn(batch, elements, content, generator=generator, dtype=dtype),
        torch.randn(1 if shared else batch, elements, position, generator=generator, dtype=dtype),
        mask,
    )


def reference(model, read, cross_heads=1, self_heads=2):
    """Compute the paper's figure step by step in float64, without reusing keys and values."""
    w = {name: t.double() for name, t in model.state_dict().items()}
    content = read.content.double()
    position = read.position.double().expand(len(content), -1, -1)
    x = torch.cat([content, position], -1)
    z = w["latents"].expand(len(x), -1, -1)
    for cross, block in zip(model.cross_order, model.block_order, strict=True):
        if cross is not None:
            p = f"cross_attends.{cross}"
            q, kv = norm(w, f"{p}.norm_latents", z), norm(w, f"{p}.norm_inputs", x)
            z = z + plain_attention(w, f"{p}.attention", q, kv, cross_heads, read.mask)
            z = z + plain_mlp(w, f"{p}.feed_forward", z)
        if block is not None:
            for layer in range(2):
                p = f"blocks.{block}.{layer}"
                y = norm(w, f"{p}.norm", z)
                z = z + plain_attention(w, f"{p}.attention", y, y, self_heads)
                z = z + plain_mlp(w, f"{p}.feed_forward", z)
    return z


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cross_order": (0, 1, 2), "block_order": (0, 1, 2)},
        {"cross_order": (0, None, 1), "block_order": (None, 0, 0)},
        {"num_cross_heads": 2, "qk_dim": 6, "v_dim": 10, "widening_factor": 3},
    ],
    ids=["paper sharing", "unshared", "gaps", "heads and widths"],
)
@pytest.mark.parametrize("shared", [True, False], ids=["shared positions", "own positions"])
def test_matches_the_paper_in_float64(changes, shared):
    model, x = make(**changes), inputs(shared=shared)
    expected = reference(model, x, cross_heads=changes.get("num_cross_heads", 1))
    torch.testing.assert_close(model(x).double(), expected, atol=1e-5, rtol=1e-5)


def test_matches_the_paper_under_masks():
    mask = torch.tensor([[True] * 4 + [False] * 5, [False] * 9])
    model, x = make(), inputs(mask=mask)
    torch.testing.assert_close(model(x).double(), reference(model, x), atol=1e-5, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 12), st.permutations(range(12)))
def test_order_of_elements_does_not_matter(batch, elements, order):
    model, x = make().double(), inputs(batch, elements, dtype=torch.float64)
    order = [index for index in order if index < elements]
    permuted = Inputs(x.content[:, order], x.position[:, order])
    torch.testing.assert_close(model(x), model(permuted), atol=1e-10, rtol=0)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 6))
def test_padding_under_a_mask_changes_nothing(real, padding):
    model, x = make().double(), inputs(elements=real + padding, dtype=torch.float64)
    mask = (torch.arange(real + padding) < real).expand(2, -1)
    alone = Inputs(x.content[:, :real], x.position[:, :real])
    torch.testing.assert_close(
        model(Inputs(x.content, x.position, mask)), model(alone), atol=1e-10, rtol=0
    )


def test_keys_and_values_of_a_shared_cross_attend_are_computed_once(monkeypatch):
    calls = []
    original = CrossAttend.source

    def count(self, *arguments, **options):
        calls.append(self)
        return original(self, *arguments, **options)

    monkeypatch.setattr(CrossAttend, "source", count)
    model = make(cross_order=(0, 1, 1, 1, 1), block_order=(0,) * 5)
    model(inputs())
    assert calls == list(model.cross_attends)


def test_options_reach_their_layers():
    model = make(
        num_cross_heads=2,
        qk_dim=6,
        v_dim=10,
        num_self_heads=4,
        self_qk_dim=12,
        self_v_dim=16,
        qkv_bias=False,
        attention="content",
        attention_dropout=0.1,
        widening_factor=3,
        activation="geglu",
        dropout=0.2,
    )
    cross, layer = model.cross_attends[0], model.blocks[0][0]
    assert cross.attends_to == "content"
    for one, heads, qk_dim, v_dim in ((cross, 2, 6, 10), (layer, 4, 12, 16)):
        attention, feed_forward = one.attention, one.feed_forward
        assert (attention.num_heads, attention.dropout) == (heads, 0.1)
        assert (attention.to_q.out_features, attention.to_k.out_features) == (qk_dim, qk_dim)
        assert attention.to_v.out_features == v_dim
        assert attention.to_q.bias is None
        assert (feed_forward.gated, feed_forward.dropout.p) == (True, 0.2)
        assert feed_forward.contract.in_features == 3 * 8


def test_sharing_stores_each_module_once():
    assert len(make(cross_order=(0, 1, 1)).cross_attends) == 2
    assert len(make(block_order=(0, 1, 0)).blocks) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cross_order": (0, 1)}, "cross_order has 2 steps and block_order 3"),
        ({"cross_order": (0, 2, 2)}, r"number them from 0 without gaps: \[0, 1\]"),
        ({"num_self_heads": 3}, "not divisible by 3 heads"),
    ],
)
def test_impossible_configurations(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_wrong_number_of_channels():
    with pytest.raises(ValueError, match="inputs have 7 channels .* input_dim=6"):
        make(input_dim=6)(inputs())


@pytest.mark.parametrize(
    ("content", "position", "mask", "message"),
    [
        (torch.zeros(2, 3), None, None, "expected \\(batch, elements, channels\\)"),
        (torch.zeros(2, 3, 4), torch.zeros(3, 3, 1), None, "expected \\(1 or 2, 3"),
        (torch.zeros(2, 3, 4), torch.zeros(1, 4, 1), None, "expected \\(1 or 2, 3"),
        (torch.zeros(2, 3, 4), None, torch.ones(2, 3), "expected torch.bool"),
        (torch.zeros(2, 3, 4), None, torch.ones(3, 3).bool(), "expected torch.bool"),
    ],
)
def test_inputs_that_do_not_fit_together(content, position, mask, message):
    with pytest.raises(ValueError, match=message):
        Inputs(content, position, mask)


def test_published_latent_initialisation():
    latents = make(num_latents=200, latent_dim=200).latents
    assert latents.abs().max() <= 0.04
    assert latents.mean().abs() < 1e-3


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_activation_checkpointing_changes_no_number(dropout):
    """It also leaves the random numbers of dropout unchanged, and it stores less."""
    torch.manual_seed(0)
    model = Perceiver(
        6,
        num_latents=8,
        latent_dim=16,
        num_layers_per_block=3,
        cross_order=(0, 0),
        block_order=(0, 0),
        dropout=dropout,
        attention_dropout=dropout,
    )
    content = torch.randn(2, 40, 6)

    def result():
        stored = []
        torch.manual_seed(1)
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: (stored.append(t.numel()), t)[1], lambda t: t
        ):
            z = model(Inputs(content))
        return z, torch.autograd.grad(z.square().sum(), [*model.parameters()]), sum(stored)

    expected, expected_gradients, all_stored = result()
    model.activation_checkpointing = True
    got, got_gradients, few_stored = result()
    assert torch.equal(got, expected)
    for a, b in zip(got_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(a, b)
    assert few_stored < all_stored / 3
