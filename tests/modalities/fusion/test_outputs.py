"""Outputs of film, sound and class that one decoder gives."""

import dataclasses

import pytest
import torch

import perceivers
from perceivers.modalities import LabelConfig, build_adapter
from perceivers.modalities.label.adapter import UNKNOWN
from perceivers.models.build import build
from perceivers.models.presets import PRESETS


@pytest.fixture(scope="module")
def model():
    config = PRESETS["perceiver-io-kinetics"]()
    parts, outputs = config.input.parts, config.output.parts
    change = dataclasses.replace
    parts = {
        "audio": change(parts["audio"], num_samples=64, num_bands=2),
        "video": change(parts["video"], num_frames=2, image_size=8, num_bands=2),
        "label": LabelConfig(num_classes=3),
    }
    outputs = {
        "audio": change(outputs["audio"], num_samples=64, num_bands=2),
        "video": change(outputs["video"], num_frames=2, image_size=8, num_bands=2),
        "label": change(outputs["label"], num_classes=3, query_dim=16),
    }
    torch.manual_seed(0)
    sizes = {"num_latents": 4, "latent_dim": 16, "num_layers_per_block": 1, "qk_dim": None}
    inputs = change(config.input, parts=parts)
    output = change(config.output, parts=outputs, decoded_dim=8)
    return build(change(config, input=inputs, output=output, **sizes), ("a", "b", "c")).eval()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return {
        "audio": torch.randn(2, 64, generator=generator),
        "video": torch.rand(2, 2, 8, 8, 3, generator=generator),
    }


def test_each_modality_has_its_shape(model, batch):
    shapes = {name: tuple(out.shape) for name, out in model(batch).items()}
    assert shapes == {"audio": (2, 64), "video": (2, 2, 8, 8, 3), "label": (2, 3)}


def test_chunks_of_queries_give_what_all_at_once_do(model, batch):
    chunked, whole = model(batch, chunk_size=7), model(batch, chunk_size=None)
    for name, out in whole.items():
        torch.testing.assert_close(chunked[name], out)


def test_some_outputs_are_decoded_alone(model, batch):
    queries = model.output.queries(None)
    index = torch.tensor([5, 99])
    some = model.decode(model.encode(batch), {"video": queries["video"].at(index)})
    pixels = model(batch)["video"].flatten(1, 3)
    assert list(some) == ["video"]
    torch.testing.assert_close(some["video"], pixels[:, index])


def test_a_label_that_is_not_given_is_unknown(model, batch):
    unknown = model({**batch, "label": torch.tensor([UNKNOWN, UNKNOWN])})
    known = model({**batch, "label": torch.tensor([0, 2])})
    torch.testing.assert_close(model(batch)["label"], unknown["label"])
    assert (known["label"] - unknown["label"]).abs().max() > 1e-4


def test_masked_sound_is_rebuilt_from_the_film_alone(model, batch):
    out = model({"video": batch["video"]})
    assert out["audio"].isfinite().all()
    assert (out["audio"] - model(batch)["audio"]).abs().max() > 1e-4


def test_gradients_reach_all_parts(model, batch):
    sum(out.sum() for out in model(batch, chunk_size=32).values()).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    model.zero_grad()
    assert not without


def test_saved_and_loaded(model, batch, tmp_path):
    perceivers.save(model, tmp_path)
    loaded = perceivers.load(tmp_path)
    assert loaded.labels == ("a", "b", "c")
    assert torch.equal(loaded(batch)["video"], model(batch)["video"])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([3]), "labels from 3 to 3; expected 0 to 2, or -1"),
        (torch.zeros(1, 3), "expected integers .batch,., -1 for an unknown class"),
    ],
)
def test_labels_that_cannot_be(labels, message):
    with pytest.raises(ValueError, match=message):
        build_adapter(LabelConfig(num_classes=3))(labels)
