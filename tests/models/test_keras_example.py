"""The Keras example's model alone; tests/parity/test_keras.py compares it with Keras."""

import dataclasses
import json
import math

import pytest
import torch
from torch import nn

import perceivers
from perceivers.modalities import ImageConfig
from perceivers.models.build import build
from perceivers.models.config import KerasExampleConfig, ModelConfig, from_dict, to_dict
from perceivers.models.cost import cost
from perceivers.models.keras_example import EPS, KerasExample

TINY = KerasExampleConfig(
    num_classes=3,
    input=ImageConfig(
        image_size=8,
        patch_size=2,
        projection_dim=16,
        position="learned",
        position_dim=16,
        fusion="add",
    ),
    num_latents=4,
    latent_dim=16,
    num_layers_per_block=2,
    num_self_heads=2,
    self_qk_dim=32,
    head_dim=16,
)


def logits(config):
    torch.manual_seed(0)
    model = build(config).eval()
    return model(torch.randn(2, 8, 8, 3, generator=torch.Generator().manual_seed(1)))


def test_create():
    with torch.device("meta"):
        model = perceivers.create("keras-cifar100", num_classes=7)
    assert isinstance(model, KerasExample)
    assert model.head[2].out_features == 7
    assert model.adapter.num_inputs == 1024


def test_configuration_survives_json():
    again = from_dict(ModelConfig, json.loads(json.dumps(to_dict(TINY))))
    assert again == TINY
    assert type(again) is KerasExampleConfig


def test_saved_and_loaded(tmp_path):
    model = build(TINY, ("a", "b", "c")).eval()
    perceivers.save(model, tmp_path)
    again = perceivers.load(tmp_path)
    assert type(again) is KerasExample
    assert again.labels == ("a", "b", "c")
    images = torch.rand(2, 8, 8, 3)
    assert torch.equal(again(images), model(images))


@pytest.mark.parametrize(
    "change",
    [
        {"head_dim": 8},
        {"num_cross_heads": 2},
        {"qk_dim": 8, "v_dim": 16},
        {"qkv_bias": False},
        {"attention": "content"},
        {"widening_factor": 2},
        {"activation": "geglu"},
        {"latent_std": 0.5},
        {"cross_order": (0, 1)},
        {"final_norm": True},
        {"input": dataclasses.replace(TINY.input, position="fourier", fusion="concatenate"),
         "v_dim": 16},
    ],
    ids=str,
)  # fmt: skip
def test_fields_change_the_model(change):
    assert not torch.allclose(logits(TINY), logits(dataclasses.replace(TINY, **change)))


def test_values_must_be_as_wide_as_the_latents():
    with pytest.raises(ValueError, match="v_dim=8, latent_dim=16; .* set v_dim"):
        build(dataclasses.replace(TINY, v_dim=8))


def test_every_norm_has_the_epsilon_of_the_example():
    model = build(dataclasses.replace(TINY, final_norm=True))
    norms = [module for module in model.modules() if isinstance(module, nn.LayerNorm)]
    assert len(norms) == 3 + 2 * 2 + 1
    assert {norm.eps for norm in norms} == {EPS} == {1e-6}


def test_initialisation_of_the_perceiver_can_be_repeated():
    model = build(TINY)
    attention = model.perceiver.cross_attends[0].attention
    nn.init.zeros_(attention.to_k.weight)
    nn.init.zeros_(attention.scale)
    model.perceiver.init_weights()
    assert attention.scale == 1
    assert attention.to_k.weight.abs().max().item() == pytest.approx((6 / 32) ** 0.5, rel=0.1)


def test_in_bfloat16():
    """The plain form of attention uses the learned scale too."""
    images = torch.randn(2, 8, 8, 3, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    model = build(TINY).eval()
    nn.init.constant_(model.perceiver.cross_attends[0].attention.scale, 3.0)
    with torch.autocast("cpu", torch.bfloat16):
        got = model(images)
    torch.testing.assert_close(got.float(), model(images), atol=0.05, rtol=0)


def test_cost_equals_the_arithmetic():
    counted = cost(TINY)
    n, m, d = 4, 16, 16
    keys_values = 4 * m * d * d
    read = 2 * n * d * d + 4 * n * m * d + 4 * n * d * d
    self_attend = 8 * n * d * 32 + 4 * n * n * 32 + 4 * n * d * d
    assert counted.num_inputs == m
    assert counted.cross_flops == keys_values + 2 * read
    assert counted.cross_flops_published == 2 * (keys_values + read)
    assert counted.latent_flops == 2 * 2 * self_attend
    assert counted.head_flops == 2 * d * 16 + 2 * 16 * 3


@pytest.mark.parametrize("fans", ["convolution", "dense"])
def test_initial_weights_of_attention(fans):
    """±0.0510 for queries, keys and values in Keras 3.15, ±0.0094 in older versions."""
    torch.manual_seed(0)
    model = build(KerasExampleConfig(attention_fans=fans))
    attention = model.perceiver.blocks[0][0].attention

    def glorot_of_kernel(*shape):
        receptive = math.prod(shape[:-2])
        return math.sqrt(6 / (receptive * (shape[-2] + shape[-1])))

    limits = {
        "convolution": (glorot_of_kernel(256, 8, 256), glorot_of_kernel(8, 256, 256)),
        "dense": (glorot_of_kernel(256, 2048), glorot_of_kernel(2048, 256)),
    }[fans]
    assert limits[0] == pytest.approx({"convolution": 0.0094, "dense": 0.0510}[fans], abs=5e-5)
    of_queries = [linear.weight for linear in (attention.to_q, attention.to_k, attention.to_v)]
    pairs = [(weights, limits[0]) for weights in of_queries]
    for weights, limit in [*pairs, (attention.to_out.weight, limits[1])]:
        assert 0.99 * limit < weights.abs().max().item() <= limit
        assert weights.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.02)
