"""Models that start from the weights of others."""

import dataclasses
import logging

import pytest
import torch
from tests.texts import tiny_ar_config
from tests.tiny import tiny_classifier

import perceivers
from perceivers.core.positions import grid, resize_positions
from perceivers.modalities import (
    ArrayConfig,
    AudioConfig,
    ElementClassesConfig,
    ForecastConfig,
    FusionConfig,
    ImageConfig,
    PointsConfig,
    SeriesConfig,
)
from perceivers.modalities.fusion.config import RowsConfig
from perceivers.modalities.table.config import TabularConfig
from perceivers.modalities.text.config import TextConfig
from perceivers.models.build import build
from perceivers.models.config import EncoderConfig, ModelConfig, PerceiverIOConfig, with_changes
from perceivers.models.transfer import architecture_of, take_weights

LEARNED = ImageConfig(image_size=8, channels=1, position="learned", position_dim=6)


def pair(config, other=None, **options):
    """Return a trained model, and a new one of another input and with a head of 2 classes."""
    source = tiny_classifier(config)
    changed = with_changes(source.config, {"num_classes": 2, **options}, "model")
    torch.manual_seed(1)
    return source, build(dataclasses.replace(changed, input=other or config))


def equal(model, source, name):
    return torch.equal(model.state_dict()[name], source.state_dict()[name])


def test_all_weights_but_the_head_are_taken():
    source, model = pair(LEARNED)
    before = model.head.weight.clone()
    lines = take_weights(model, source, "runs/a")
    for name in source.state_dict():
        assert equal(model, source, name) != name.startswith("head."), name
    assert torch.equal(model.head.weight, before)
    assert lines[0].startswith("starts from runs/a: ")
    assert lines[1] == "not taken, so that they start anew: head.weight, head.bias"
    x = torch.rand(2, 8, 8, 1)
    torch.testing.assert_close(model.encode(x), source.encode(x), rtol=0, atol=0)


def test_the_head_is_kept_for_the_same_labels_in_the_same_order():
    source, model = pair(LEARNED, num_classes=3)
    take_weights(model, source, "a")
    assert equal(model, source, "head.weight")
    model.labels = ("2", "1", "0")
    other = build(model.config, model.labels)
    assert "head.weight" in take_weights(other, source, "a")[1]
    assert not equal(other, source, "head.weight")


def test_the_class_weights_of_elements_belong_to_their_labels():
    output = ElementClassesConfig(num_classes=2)
    options = {"num_latents": 4, "latent_dim": 16, "num_self_heads": 2, "num_layers_per_block": 1}
    config = PerceiverIOConfig(input=LEARNED, output=output, **options)
    source, model = build(config, ("a", "b")), build(config, ("b", "a"))
    lines = take_weights(model, source, "a")
    assert lines[1].endswith("start anew: decoder.output.weight, decoder.output.bias")
    assert equal(model, source, "decoder.cross_attend.attention.to_q.weight")
    assert not equal(model, source, "decoder.output.weight")


def test_a_weight_that_will_not_be_trained_must_be_taken():
    source, model = pair(
        TextConfig(max_length=6, embedding_dim=8), TextConfig(max_length=6, embedding_dim=4)
    )
    with pytest.raises(
        ValueError, match=r"no weights for adapter.* stay random; train them: leave"
    ):
        take_weights(model, source, "a", ["adapter.embedding.weight"])


@pytest.mark.parametrize(
    ("before", "after"), [((5,), (9,)), ((4, 3), (7, 6)), ((2, 4, 3), (3, 2, 5))]
)
def test_positions_that_are_linear_in_the_coordinates_stay_so(before, after):
    """Interpolation is exact for them; the reference is the formula at the new coordinates."""
    slope = torch.randn(len(before), 6)
    resized = resize_positions(grid(*before) @ slope, before, after)
    torch.testing.assert_close(resized, grid(*after) @ slope, atol=1e-5, rtol=0)


def test_learned_positions_of_images_are_interpolated():
    larger = ImageConfig(image_size=12, channels=1, position="learned", position_dim=6)
    source, model = pair(LEARNED, larger)
    lines = take_weights(model, source, "a")
    expected = resize_positions(source.adapter.position.weight, (8, 8), (12, 12))
    torch.testing.assert_close(model.adapter.position.weight, expected)
    assert "interpolated or cut: adapter.position.weight" in lines[1]


def test_positions_of_as_many_elements_on_another_grid_are_interpolated():
    wide = ArrayConfig(shape=(2, 8), position="learned", position_dim=6)
    source, model = pair(wide, ArrayConfig(shape=(4, 4), position="learned", position_dim=6))
    take_weights(model, source, "a")
    assert not equal(model, source, "adapter.position.weight")


def test_longer_texts_keep_the_positions_that_are_known():
    source, model = pair(
        TextConfig(max_length=6, embedding_dim=8), TextConfig(max_length=9, embedding_dim=8)
    )
    new = model.adapter.position.weight[6:].clone()
    take_weights(model, source, "a")
    torch.testing.assert_close(model.adapter.position.weight[:6], source.adapter.position.weight)
    torch.testing.assert_close(model.adapter.position.weight[6:], new)


def test_weights_of_other_columns_are_not_taken():
    """Tables of as many columns have weights of the same shapes that mean something else."""
    a, b = (TabularConfig(numeric=names, embedding_dim=8) for names in (("x", "y"), ("u", "v")))
    rows = [
        RowsConfig(
            parts={"table": table, "note": TextConfig(max_length=6, embedding_dim=8)},
            texts={"note": "note"},
        )
        for table in (a, b)
    ]
    source, model = pair(*rows)
    lines = take_weights(model, source, "a")
    assert not equal(model, source, "adapter.parts.table.weight")
    assert equal(model, source, "adapter.parts.note.embedding.weight")
    assert "adapter.parts.table.weight" in lines[1]
    same, again = pair(rows[0], rows[0])
    take_weights(again, same, "a")
    assert equal(again, same, "adapter.parts.table.weight")


def test_frequencies_stay_when_the_size_changes():
    source = tiny_classifier(ImageConfig(image_size=8, channels=1, num_bands=2))
    config = architecture_of(source.config, build(source.config).config, "a")
    larger = with_changes(config, {"input": {"image_size": 16}}, "model")
    model = build(larger)
    assert model.adapter.position.max_resolution == source.adapter.position.max_resolution
    parts = FusionConfig(parts={"a": AudioConfig(num_samples=12, patch_size=4, num_bands=2)})
    kept = architecture_of(tiny_classifier(parts).config, tiny_classifier(parts).config, "a")
    assert kept.input.parts["a"].max_resolution == 3.0


def test_another_modality_is_refused():
    image, cloud = (
        tiny_classifier(LEARNED),
        tiny_classifier(PointsConfig(num_points=9, num_bands=2)),
    )
    with pytest.raises(ValueError, match="runs/a reads inputs of kind 'image', and the data has"):
        architecture_of(image.config, cloud.config, "runs/a")
    texts = tiny_classifier(TextConfig(max_length=6, embedding_dim=8)).config
    for source, wanted in ((tiny_ar_config(), texts), (texts, tiny_ar_config())):
        with pytest.raises(ValueError, match="AR, which has weights of its own"):
            architecture_of(source, wanted, "runs/a")


def test_the_task_decides_the_steps_to_forecast():
    series = SeriesConfig(length=8, channels=1, normalise="window")
    known = tiny_classifier(series).config
    ahead = PerceiverIOConfig(
        input=dataclasses.replace(series, horizon=2), output=ForecastConfig(season=2)
    )
    assert architecture_of(ahead, known, "a").input.horizon == 0
    assert architecture_of(known, ahead, "a").input.horizon == 2


def test_a_model_that_nothing_fits_is_refused():
    source, model = pair(LEARNED, latent_dim=8, num_self_heads=1, num_latents=3)
    with pytest.raises(ValueError, match="16 channels, those of this model 8, .*latent_dim=16"):
        take_weights(model, source, "a")


def test_create_with_init_says_what_was_taken(caplog):
    caplog.set_level(logging.INFO)
    small = {
        "num_latents": 4,
        "latent_dim": 16,
        "num_self_heads": 2,
        "input": {"image_size": 8, "patch_size": 2},
    }
    source = perceivers.create("keras-cifar100", **small, self_qk_dim=16, head_dim=8)
    model = perceivers.create(
        "keras-cifar100", num_classes=7, init=source, **small, self_qk_dim=16, head_dim=8
    )
    assert equal(model, source, "perceiver.latents")
    assert "starts from init" in caplog.text


def test_reset_head_keeps_the_rest_and_can_be_saved(tmp_path):
    model = tiny_classifier(LEARNED)
    latents = model.encode(torch.rand(2, 8, 8, 1))
    model.reset_head(5, ("a", "b", "c", "d", "e"))
    assert model.labels[0] == "a"
    perceivers.save(model, tmp_path / "m")
    loaded = perceivers.load(tmp_path / "m")
    assert loaded(torch.rand(2, 8, 8, 1)).shape == (2, 5)
    assert latents.shape == (2, 4, 16)
    with pytest.raises(ValueError, match="got 1 labels for num_classes=2"):
        model.reset_head(2, ("a",))
    model.reset_head(0)
    assert model(torch.rand(2, 8, 8, 1)).shape == (2, 16)


def test_an_encoder_with_other_outputs_gives_its_architecture():
    source = EncoderConfig(input=LEARNED, num_latents=4, latent_dim=16, num_self_heads=2)
    wanted = ModelConfig(num_classes=5, input=LEARNED)
    config = architecture_of(source, wanted, "a")
    assert (type(config), config.num_classes, config.num_latents) == (ModelConfig, 5, 4)
