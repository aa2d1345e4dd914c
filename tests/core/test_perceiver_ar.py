"""Perceiver AR: causality, cached generation, and the real perceiver-ar-pytorch."""

import random

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from perceivers import PerceiverAR


def filled(**options):
    torch.manual_seed(0)
    sizes = {"max_length": 12, "dim": 16, "num_layers": 2, "num_heads": 2, "head_dim": 8}
    model = PerceiverAR(11, **{**sizes, **options})
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.double().eval()


def drawn(length=9, batch=2):
    return torch.randint(11, (batch, length), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("prefix", [0, 4, 8])
def test_a_latent_depends_on_what_comes_before_it_and_on_itself_alone(prefix):
    model, tokens = filled(output_norm=True), drawn()
    logits = model(tokens, prefix)
    assert logits.shape == (2, 9 - prefix, 11)
    for changed in range(9):
        other = tokens.clone()
        other[:, changed] = (other[:, changed] + 1) % 11
        differs = (model(other, prefix) - logits).abs().amax(dim=(0, 2)) > 1e-9
        assert differs.tolist() == [changed <= prefix + i for i in range(9 - prefix)]


@pytest.mark.parametrize("prefix", [0, 3, 5])
def test_reading_on_from_a_cache_equals_reading_anew(prefix):
    model, tokens = filled(), drawn()
    expected = model(tokens, prefix)
    logits, cache = model.read(tokens[:, :6], prefix)
    parts = [logits]
    for start, end in ((6, 7), (7, 9)):  # one token, and two at once
        logits, cache = model.read(tokens[:, start:end], cache=cache)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, dim=1), expected, rtol=1e-10, atol=1e-10)
    assert (cache.length, cache.prefix) == (9, prefix)


def test_generated_tokens_equal_those_of_repeated_forward_passes():
    model, prompt = filled(), drawn(6)
    found = model.generate(prompt, 5, num_latents=6, temperature=0)
    tokens = prompt
    for _ in range(5):  # two latents of the prompt, and the prefix of four stays
        tokens = torch.cat([tokens, model(tokens, 4)[:, -1:].argmax(dim=-1)], dim=1)
    assert torch.equal(found, tokens[:, 6:])


def test_draws_follow_the_settings():
    model, prompt = filled(), drawn(6, batch=400)[:1].expand(400, -1)
    most = model(prompt, 0)[0, -1].softmax(0).sort(descending=True)
    generator = torch.Generator().manual_seed(0)

    def draw(**settings):
        tokens = model.generate(prompt, 1, num_latents=6, generator=generator, **settings)
        return set(tokens.flatten().tolist())

    assert draw(top_k=1) == {most.indices[0].item()}
    assert draw(top_k=3, temperature=3.0) == set(most.indices[:3].tolist())
    assert draw(top_p=1e-6) == {most.indices[0].item()}
    two = (most.values[0] + most.values[1] / 2).item()
    assert draw(top_p=two) <= set(most.indices[:2].tolist())
    assert len(draw(temperature=50.0)) == 11


def test_prefix_dropout_leaves_out_a_share_in_training_alone():
    model, tokens = filled(prefix_dropout=0.5), drawn()
    plain = filled()
    torch.testing.assert_close(model(tokens, 6), plain(tokens, 6))
    model.train()
    assert not torch.equal(model(tokens, 6), model(tokens, 6))
    _, cache = model.read(tokens, 6)
    assert cache.layers[0][0].shape[2] == 3 + 3
    model.prefix_dropout = 1.0  # nothing of the prefix is left
    first = tokens.clone()
    first[:, :6] = 0
    torch.testing.assert_close(model(first, 6), model(tokens, 6))


@pytest.mark.parametrize(
    ("tokens", "prefix", "message"),
    [
        (drawn(13), 0, "13 tokens; expected at most max_length=12"),
        (drawn(5), 5, "prefix=5 of 5 tokens; expected at least 0, and one token more"),
        (drawn(5), -1, "prefix=-1 of 5 tokens"),
        (drawn(5).float(), 0, "tokens are torch.float32"),
        (drawn(5)[0], 0, r"of shape \(5,\); expected whole numbers of shape \(batch, length\)"),
        (drawn(0), 0, "at least one"),
    ],
)
def test_bad_tokens_are_refused(tokens, prefix, message):
    with pytest.raises(ValueError, match=message):
        filled()(tokens, prefix)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="8 tokens and 6 generated ones; expected at most max_len"):
        filled().generate(drawn(8), 6, num_latents=6)
    with pytest.raises(ValueError, match="length=7, .*expected 1 to num_latents=6 tokens"):
        filled().generate(drawn(2), 7, num_latents=6)
    with pytest.raises(ValueError, match="top_k=0"):
        filled().generate(drawn(2), 2, num_latents=6, top_k=0)
    with pytest.raises(ValueError, match="rotary_fraction=2; expected a number from 0 to 1"):
        filled(rotary_fraction=2)


def with_weights(ours, theirs):
    """Copy the weights of perceiver-ar-pytorch; biases that it does not have become 0."""
    state = {name: torch.zeros_like(tensor) for name, tensor in ours.state_dict().items()}
    names = {
        "token_emb.weight": "tokens.weight",
        "pos_emb.weight": "positions",
        "perceive_layers.0.0.context_norm.weight": "layers.0.norm_prefix.weight",
        "perceive_layers.0.0.context_norm.bias": "layers.0.norm_prefix.bias",
        "perceive_layers.0.0.to_out.bias": "layers.0.attention.to_out.bias",
        "to_logits.weight": "to_logits.weight",
    }
    for i, layer in enumerate([theirs.perceive_layers[0], *theirs.layers]):
        start = "perceive_layers.0" if i == 0 else f"layers.{i - 1}"
        for name in ("weight", "bias"):
            names[f"{start}.0.norm.{name}"] = f"layers.{i}.norm.{name}"
            names[f"{start}.1.0.{name}"] = f"layers.{i}.feed_forward.norm.{name}"
        names[f"{start}.0.to_out.weight"] = f"layers.{i}.attention.to_out.weight"
        names[f"{start}.1.1.weight"] = f"layers.{i}.feed_forward.expand.weight"
        names[f"{start}.1.4.weight"] = f"layers.{i}.feed_forward.contract.weight"
        attention = layer[0]
        fused = (
            [attention.to_q.weight, *attention.to_kv.weight.chunk(2)]
            if i == 0
            else attention.to_qkv.weight.chunk(3)
        )
        for name, weight in zip(("to_q", "to_k", "to_v"), fused, strict=True):
            state[f"layers.{i}.attention.{name}.weight"] = weight
    given = theirs.state_dict()
    state |= {ours: given[name] for name, ours in names.items()}
    ours.load_state_dict(state)


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
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    ours = PerceiverAR(
        7,
        max_length=length,
        dim=sizes["dim"],
        num_layers=depth,
        num_heads=heads,
        head_dim=sizes["dim_head"],
        rotary_fraction=32 / sizes["dim_head"],
    )
    with_weights(ours, theirs)
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
