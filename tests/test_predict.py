"""From files to labels."""

import numpy as np
import pytest
import torch
from PIL import Image

import perceivers
from perceivers.models.build import build
from perceivers.models.config import ModelConfig
from perceivers.models.inputs import ImageConfig


@pytest.fixture
def predictor():
    config = ModelConfig(
        num_classes=3,
        input=ImageConfig(image_size=8, num_bands=2),
        num_latents=4,
        latent_dim=16,
        cross_order=(0,),
        block_order=(0,),
        num_layers_per_block=1,
        num_self_heads=2,
    )
    torch.manual_seed(0)
    model = build(config, ("cat", "dog", "eel"))
    torch.nn.init.normal_(model.head.weight)
    return perceivers.Predictor(model, batch_size=2)


@pytest.fixture
def photo():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(pixels)


def test_every_kind_of_image_gives_the_same(predictor, photo, tmp_path):
    photo.save(tmp_path / "photo.png")
    path = tmp_path / "photo.png"
    kinds = [path, str(path), path.read_bytes(), photo, np.asarray(photo)]
    results = predictor(kinds, top_k=3)
    for result in results:
        assert [label for label, _ in result] == [label for label, _ in results[0]]
        assert [p for _, p in result] == pytest.approx([p for _, p in results[0]], abs=1e-6)
    labels, probabilities = zip(*results[0], strict=True)
    assert sorted(labels) == ["cat", "dog", "eel"]
    assert list(probabilities) == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    logits = predictor.model(torch.tensor(np.asarray(photo))[None])[0]
    assert labels[0] == predictor.labels[logits.argmax()]


def test_top_k(predictor, photo):
    assert len(predictor([photo], top_k=2)[0]) == 2
    assert len(predictor([photo], top_k=50)[0]) == 3
    with pytest.raises(ValueError, match="top_k=0; expected at least 1"):
        predictor([photo], top_k=0)


def test_other_sizes_are_resized(predictor):
    assert predictor([Image.new("L", (300, 7)), Image.new("RGBA", (1, 1))])


def test_grey_array(predictor):
    assert predictor([np.zeros((5, 5), np.uint8), np.zeros((5, 5, 1), np.uint8)])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("nowhere.png", "nowhere.png: no such file"),
        (b"hello", "image: not an image"),
        (np.zeros((4, 4, 3)), "array of float64 and shape .* expected uint8"),
        (np.zeros((2, 4, 4, 3), np.uint8), "expected uint8 of shape"),
    ],
)
def test_what_is_no_image(predictor, image, message):
    with pytest.raises(ValueError, match=message):
        predictor([image])


def test_one_image_instead_of_a_list(predictor):
    with pytest.raises(ValueError, match="expected a list"):
        predictor("photo.png")
    assert predictor([]) == []
