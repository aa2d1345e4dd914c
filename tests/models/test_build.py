"""Models built from configurations, and configurations as JSON."""

import dataclasses
import json

import pytest
import torch

import perceivers
from perceivers.modalities import ArrayConfig, ImageConfig
from perceivers.models.build import build
from perceivers.models.config import ModelConfig, from_dict, to_dict

TINY = ModelConfig(
    num_classes=3,
    input=ImageConfig(image_size=8, num_bands=2),
    num_latents=4,
    latent_dim=16,
    cross_order=(0, 1),
    block_order=(0, 0),
    num_layers_per_block=1,
    num_self_heads=2,
)


def test_presets_are_listed_and_cite_their_source():
    from perceivers.models.presets import PRESETS

    assert perceivers.list_presets() == list(PRESETS)
    for make in PRESETS.values():
        sources = ("arXiv", "https://keras.io", "Analytics India Magazine")
        assert any(source in make.__doc__ for source in sources)


def test_create_with_overrides():
    with torch.device("meta"):
        model = perceivers.create(
            "perceiver-imagenet", num_classes=10, num_latents=8, input={"image_size": 32}
        )
    assert model.head.out_features == 10
    assert model.adapter.num_inputs == 1024


def test_create_suggests_the_nearest_name():
    with pytest.raises(ValueError, match="did you mean 'perceiver-imagenet'"):
        perceivers.create("perceiver-imagnet")
    with pytest.raises(ValueError, match="did you mean 'num_latents'"):
        perceivers.create("perceiver-imagenet", num_latent=3)
    with pytest.raises(TypeError, match=r"got ModelConfig; perceivers\.build\(config\) builds"):
        perceivers.create(TINY)  # type: ignore[arg-type]


def test_logits_start_at_zero_and_have_labels():
    model = build(TINY, ("a", "b", "c"))
    assert torch.equal(model(torch.zeros(2, 8, 8, 3)), torch.zeros(2, 3))
    assert model.labels == ("a", "b", "c")
    with pytest.raises(ValueError, match="got 1 labels for num_classes=3"):
        build(TINY, ("a",))


@pytest.mark.parametrize(
    "change",
    [
        {"num_latents": 5},
        {"latent_dim": 32},
        {"cross_order": (0, None)},
        {"block_order": (0, 1)},
        {"num_layers_per_block": 2},
        {"num_cross_heads": 13},
        {"num_self_heads": 4},
        {"qk_dim": 8},
        {"v_dim": 8},
        {"widening_factor": 2},
        {"latent_std": 0.5},
        {"self_qk_dim": 4},
        {"self_v_dim": 4},
        {"qkv_bias": False},
        {"attention": "content"},
        {"attention": "position"},
        {"attention_dropout": 0.5},
        {"activation": "geglu"},
        {"dropout": 0.5},
        {"final_norm": True},
        {"pooled_norm": True},
        {"input": ImageConfig(image_size=8, num_bands=3)},
        {"input": ImageConfig(image_size=8, num_bands=2, max_resolution=4)},
        {"input": ImageConfig(image_size=8, num_bands=3, spacing="log")},
        {"input": ImageConfig(image_size=8, patch_size=2, num_bands=2)},
        {"input": ImageConfig(image_size=8, patch_size=4, patch_stride=2, num_bands=2)},
        {"input": ImageConfig(image_size=8, position="learned", position_dim=10)},
        {"input": ImageConfig(image_size=8, position="none")},
        {"input": ImageConfig(image_size=8, num_bands=2, projection_dim=5)},
        {
            "input": ImageConfig(
                image_size=8, projection_dim=13, position="learned", position_dim=13, fusion="add"
            )
        },
        {"input": ArrayConfig(shape=(8, 8), channels=3, num_bands=2, max_resolution=(4.0, 8.0))},
    ],
    ids=str,
)
def test_every_field_changes_the_model(change):
    """No field is without effect (Hugging Face documents a layer_norm_eps that is never used)."""

    def latents(config):
        torch.manual_seed(0)
        model = build(config)
        images = torch.randn(1, 8, 8, 3, generator=torch.Generator().manual_seed(1))
        for parameter in model.parameters():  # biases start at zero; here they must have an effect
            if parameter.ndim == 1:
                torch.nn.init.normal_(parameter)
        return model.pooled_norm(model.norm(model.perceiver(model.adapter(images))).mean(1))

    before, after = latents(TINY), latents(dataclasses.replace(TINY, **change))
    assert before.shape != after.shape or not torch.allclose(before, after)


@pytest.mark.parametrize("adapter", [ImageConfig(), ArrayConfig(shape=(2, 3), max_resolution=None)])
def test_configuration_is_restored_from_json(adapter):
    config = dataclasses.replace(TINY, cross_order=(0, None), qk_dim=8, input=adapter)
    assert from_dict(ModelConfig, json.loads(json.dumps(to_dict(config)))) == config


def test_error_for_an_unknown_field():
    with pytest.raises(ValueError, match=r"field of model.input 'image_sise'.*'image_size'"):
        from_dict(ModelConfig, {"input": {"image_sise": 3}}, "model")


def test_error_for_an_unknown_kind():
    with pytest.raises(ValueError, match=r"unknown kind of model.input 'imge'; did you mean 'ima"):
        from_dict(ModelConfig, {"input": {"kind": "imge"}}, "model")


def test_a_configuration_without_kind_is_for_images():
    assert from_dict(ModelConfig, {"input": {"image_size": 8}}, "model").input == ImageConfig(
        image_size=8
    )


def test_masked_elements_have_no_effect():
    model = build(dataclasses.replace(TINY, input=ArrayConfig(shape=(6,), channels=2)))
    torch.nn.init.normal_(model.head.weight)
    x = torch.randn(2, 6, 2)
    mask = torch.tensor([[True] * 6, [True, True, False, True, False, True]])
    expected = model(x, mask)
    x[1, [2, 4]] = 100.0
    torch.testing.assert_close(model(x, mask), expected)
    assert not torch.allclose(model(x), expected)
