"""What every model offers: latents, features without a head, names of presets."""

import pytest
import torch

import perceivers
from perceivers.models.presets import PRESETS

SMALL = {
    "num_latents": 4, "latent_dim": 8, "num_self_heads": 2, "num_layers_per_block": 1,
    "input": {"image_size": 8},
}  # fmt: skip
IMAGES = torch.randint(0, 256, (3, 8, 8, 3), dtype=torch.uint8)


def test_encode_gives_the_latents_that_are_classified():
    torch.manual_seed(0)
    model = perceivers.create("perceiver-imagenet", num_classes=5, final_norm=True, **SMALL)
    torch.nn.init.normal_(model.head.weight)
    latents = model.encode(IMAGES)
    assert latents.shape == (3, 4, 8)
    assert torch.equal(model(IMAGES), model.head(model.norm(latents).mean(1)))


def test_encode_heeds_the_mask():
    model = perceivers.create("perceiver-imagenet", num_classes=5, **SMALL)
    mask = torch.ones(3, 64, dtype=torch.bool)
    assert torch.equal(model.encode(IMAGES, mask), model.encode(IMAGES))
    mask[:, 32:] = False
    assert not torch.allclose(model.encode(IMAGES, mask), model.encode(IMAGES))


def test_no_classes_give_features(tmp_path):
    model = perceivers.create("perceiver-imagenet", num_classes=0, **SMALL)
    assert torch.equal(model(IMAGES), model.encode(IMAGES).mean(1))
    assert model.labels == ()
    perceivers.save(model, tmp_path)
    assert torch.equal(perceivers.load(tmp_path)(IMAGES), model.eval()(IMAGES))
    with pytest.raises(ValueError, match=r"no outputs \(num_classes=0\); use model.encode"):
        perceivers.Predictor(model)
    with pytest.raises(ValueError, match="num_classes is -1; expected"):
        perceivers.create("perceiver-imagenet", num_classes=-1, **SMALL)


def test_no_classes_of_the_keras_example():
    options = {**SMALL, "latent_dim": 16, "self_qk_dim": 16}
    options["input"] = {"image_size": 8, "projection_dim": 16, "position_dim": 16}
    model = perceivers.create("keras-cifar100", num_classes=0, **options)
    assert model(IMAGES).shape == (3, 16)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("audioset", ["perceiver-audioset-audio", "perceiver-audioset-video",
                      "perceiver-audioset-av"]),
        ("*-imagenet", ["perceiver-imagenet"]),
        ("keras*", ["keras-cifar100"]),
        ("nothing", []),
    ],
)  # fmt: skip
def test_presets_are_filtered_by_name(pattern, names):
    assert perceivers.list_presets(pattern) == names
    assert perceivers.list_presets() == list(PRESETS)
