"""The model that continues texts, and its configuration."""

import pytest
import torch
from texts import tiny_ar, tiny_ar_config

import perceivers
from perceivers.modalities import TextConfig
from perceivers.modalities.text.decode import encode
from perceivers.models.build import build
from perceivers.models.config import EncoderConfig, from_dict, to_dict
from perceivers.models.cost import cost
from perceivers.models.transfer import take_weights
from perceivers.training.optim import build_optimizer
from perceivers.training.recipe import OptimizerConfig


def test_each_text_of_a_batch_has_the_logits_that_it_has_alone():
    model, texts = tiny_ar(), ["a prefix, then latents", "short", "x"]
    logits = model(encode(texts, 24))
    assert logits.shape == (3, 8, 256)
    assert torch.equal(logits, model.perceiver.to_logits(model.encode(encode(texts, 24))))
    for row, text in zip(logits, texts, strict=True):
        alone = model(encode([text], 24))[0]
        assert len(alone) == min(8, len(text))
        torch.testing.assert_close(row[-len(alone) :], alone, rtol=1e-5, atol=1e-5)


def test_texts_are_continued_as_bytes_after_a_line():
    model, prompt = tiny_ar(), "Ünder"
    found = model.generate(prompt, 6, temperature=0)
    tokens = torch.tensor([list(b"\n" + prompt.encode())])
    expected = model.perceiver.generate(tokens, 6, num_latents=8, temperature=0)
    assert found == bytes(expected[0].tolist()).decode(errors="replace")
    together = model.generate([prompt, "a longer prompt"], 6, temperature=0)
    assert together[0] == found
    assert b"".join(model.stream(prompt, 6, temperature=0)).decode(errors="replace") == found
    drawn = [model.generate(prompt, 20, seed=seed, top_k=50) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_save_and_load(tmp_path):
    model = tiny_ar(prefix_dropout=0.25, rotary_fraction=0.75, output_norm=False)
    perceivers.save(model, tmp_path)
    loaded = perceivers.load(tmp_path)
    ids = encode(["any text at all"], 24)
    torch.testing.assert_close(loaded(ids), model(ids), rtol=0, atol=0)
    assert loaded.config == model.config


def test_a_model_starts_from_another_one():
    source, model = tiny_ar(), build(tiny_ar_config())
    lines = take_weights(model, source, "source")
    count = sum(parameter.numel() for parameter in source.parameters())
    assert lines == [f"starts from source: {count:,} of {count:,} weights"]
    ids = encode(["any text"], 24)
    torch.testing.assert_close(model.eval()(ids), source(ids), rtol=0, atol=0)


def test_layer_decay_is_refused():
    config = OptimizerConfig(layer_decay=0.9)
    with pytest.raises(ValueError, match="optimizer.layer_decay is not supported for a model that"):
        build_optimizer(tiny_ar(), config)


def test_options_of_other_encoders_do_not_exist():
    described = to_dict(tiny_ar_config())
    assert "cross_order" not in described
    with pytest.raises(ValueError, match="unknown field of model 'cross_order'"):
        from_dict(EncoderConfig, {**described, "cross_order": [0]}, "model")


def test_cost_counts_the_prefix_by_the_byte():
    counted = cost(tiny_ar_config(num_layers_per_block=2))
    d, n, prefix = 16, 8, 16
    layer = 2 * n * (4 * d * d + 8 * d * d) + 4 * n * n * d
    assert counted.latent_flops == 2 * layer
    assert counted.head_flops == 2 * n * d * 256
    assert counted.cross_flops == layer + prefix * (2 * 2 * d * d + 4 * n * d)
    model = tiny_ar(num_layers_per_block=2)
    assert counted.num_parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_self_heads": 3}, "latent_dim=16 is not divisible by num_self_heads=3"),
        ({"num_latents": 25}, "num_latents=25; expected 2 to input.max_length=24"),
        ({"num_latents": 1}, "num_latents=1; expected 2"),
        ({"input": TextConfig()}, "reads inputs of kind 'text-stream', not of 'text'"),
    ],
)
def test_bad_configurations_are_refused(changes, message):
    config = {**vars(tiny_ar_config()), **changes}
    with pytest.raises(ValueError, match=message):
        build(type(tiny_ar_config())(**config))


def test_bad_calls_are_refused():
    model = tiny_ar()
    with pytest.raises(ValueError, match="the prompt is empty"):
        model.generate("")
    with pytest.raises(ValueError, match=r"the prompt has 24 bytes; this model reads up to 23"):
        model.stream("x" * 24)
    with pytest.raises(ValueError, match="mask is not supported"):
        model(encode(["a"], 24), torch.ones(1, 1, dtype=torch.bool))
    with pytest.raises(ValueError, match="got 2 labels; a model of bytes has none"):
        build(model.config, ("a", "b"))
