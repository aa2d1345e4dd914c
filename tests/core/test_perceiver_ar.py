"""Perceiver AR: causality, caches, padding and prefix dropout."""

import pytest
import torch
from sequences import drawn, filled


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


def test_prefix_dropout_leaves_out_a_share_in_training_alone():
    model, tokens = filled(prefix_dropout=0.5), drawn()
    plain = filled()
    torch.testing.assert_close(model(tokens, 6), plain(tokens, 6))
    model.train()
    assert not torch.equal(model(tokens, 6), model(tokens, 6))
    _, cache = model.read(tokens, 6)
    assert cache.layers[0].keys.shape[2] == 3 + 3
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


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("prefix", [0, 3, 6])
def test_padding_before_a_sequence_changes_nothing(prefix, training):
    model, tokens = filled(output_norm=True), drawn(9, batch=4)
    padding = torch.tensor([0, 2, 5, 8])
    logits = model.train(training)(tokens, prefix, padding)
    for row, count in enumerate(padding.tolist()):
        first = max(prefix, count)  # latents before are padding
        alone = model(tokens[row : row + 1, count:], max(0, prefix - count))
        torch.testing.assert_close(logits[row, first - prefix :], alone[0], rtol=1e-10, atol=1e-10)
    logits.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_reading_on_from_a_cache_with_padding_equals_reading_anew():
    model, tokens, padding = filled(), drawn(9, batch=3), torch.tensor([0, 3, 5])
    expected = model(tokens, 4, padding)
    _, cache = model.read(tokens[:, :6], 4, padding=padding)
    parts = []
    for start, end in ((6, 7), (7, 9)):
        logits, cache = model.read(tokens[:, start:end], cache=cache)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, dim=1), expected[:, 2:], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("padding", [None, torch.tensor([0, 3])])
@pytest.mark.parametrize("ahead", [0, 2, 64])
def test_reading_on_is_the_same_however_many_rotary_positions_are_known(
    monkeypatch, ahead, padding
):
    monkeypatch.setattr("perceivers.core.perceiver_ar.AHEAD", ahead)
    model, tokens = filled(), drawn(12)
    expected = model(tokens, 2, padding)[:, 2:]
    _, cache = model.read(tokens[:, :4], 2, padding=padding)
    parts = []
    for start, end in ((4, 5), (5, 6), (6, 9), (9, 10), (10, 12)):
        logits, cache = model.read(tokens[:, start:end], cache=cache)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, dim=1), expected, rtol=1e-10, atol=1e-10)


def test_a_cache_of_inference_can_be_continued_with_gradients():
    model, tokens = filled(), drawn(9)
    with torch.inference_mode():
        _, cache = model.read(tokens[:, :6], 3)
    logits, _ = model.read(tokens[:, 6:], cache=cache)
    torch.testing.assert_close(logits, model(tokens, 3)[:, 3:], rtol=1e-10, atol=1e-10)
    logits.sum().backward()
    assert model.layers[0].attention.to_q.weight.grad.any()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_cache_can_be_continued_twice(mode):
    model, tokens = filled(), drawn(9)
    expected = [model(t, 3)[:, -1:] for t in (tokens[:, :7], tokens[:, :8], tokens)]
    with mode():
        _, cache = model.read(tokens[:, :6], 3)
        first = model.read(tokens[:, 6:7], cache=cache)[1]
        model.read(tokens[:, :2], cache=cache)  # other tokens at the same place
        second = model.read(tokens[:, 7:8], cache=first)[1]
        model.read(tokens[:, :1], cache=first)
        again = model.read(tokens[:, 6:7], cache=cache)[0]
        found = model.read(tokens[:, 8:9], cache=second)[0]
    torch.testing.assert_close(again, expected[0], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found, expected[2], rtol=1e-10, atol=1e-10)
    with torch.no_grad():  # a cache of the other mode
        found = model.read(tokens[:, 8:9], cache=second)[0]
    torch.testing.assert_close(found, expected[2], rtol=1e-10, atol=1e-10)


def test_single_tokens_are_read_with_one_product_for_queries_keys_and_values():
    """The map is put together once, kept in copies of the cache, and no part of training."""
    model, tokens = filled(), drawn(9)
    expected = model(tokens, 3)
    with torch.no_grad():
        logits, cache = model.read(tokens[:, :6], 3)
        assert all(layer.maps is None for layer in cache.layers)
        _, cache = model.read(tokens[:, 6:7], cache=cache)
        maps = [layer.maps for layer in cache.layers]
        _, longer = model.read(tokens[:, 7:8], cache=cache)
        assert all(kept.maps is known for kept, known in zip(longer.layers, maps, strict=True))
        logits, _ = model.read(tokens[:, 8:].repeat_interleave(2, dim=0), cache=longer.repeated(2))
        torch.testing.assert_close(logits[::2], expected[:, -1:], rtol=1e-10, atol=1e-10)
        both, _ = model.read(tokens[:, 7:], cache=cache)
        torch.testing.assert_close(both, expected[:, -2:], rtol=1e-10, atol=1e-10)
    model.read(tokens[:, 7:], cache=cache)[0].sum().backward()
    assert model.layers[0].attention.to_k.weight.grad.any()


@pytest.mark.parametrize("padding", [None, torch.tensor([0, 5])])
def test_gradients_are_the_same_with_activation_checkpointing(padding):
    gradients = []
    for checkpointing in (False, True):
        model = filled(output_norm=True)
        model.activation_checkpointing = checkpointing
        calls = []
        model.layers[1].register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        model(drawn(), 4, padding).square().sum().backward()
        assert len(calls) == 1 + checkpointing
        gradients.append([parameter.grad for parameter in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_prefix_dropout_keeps_padding_apart():
    model = filled(prefix_dropout=0.4).train()
    tokens, padding = drawn(9, batch=2), torch.tensor([0, 5])
    other = tokens.clone()
    other[1, :5] = (other[1, :5] + 1) % 11
    outputs = []
    for batch in (tokens, other):
        torch.manual_seed(3)
        outputs.append(model(batch, 6, padding))
    torch.testing.assert_close(*outputs, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("padding", "message"),
    [
        (torch.tensor([0, 9]), r"padding is \[0, 9\]; expected 2 whole numbers from 0 to 8"),
        (torch.tensor([-1, 0]), r"padding is \[-1, 0\]"),
        (torch.tensor([0.0, 1.0]), r"padding is \[0.0, 1.0\]"),
        (torch.tensor([1]), r"padding is \[1\]"),
    ],
)
def test_bad_padding_is_refused(padding, message):
    with pytest.raises(ValueError, match=message):
        filled()(drawn(), 3, padding)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="tokens are 0 to 11; expected 0 to 10"):
        filled()(torch.tensor([[0, 11]]), 0)
    with pytest.raises(ValueError, match="rotary_fraction=2; expected a number from 0 to 1"):
        filled(rotary_fraction=2)
