"""Loss and scores of reconstruction, against their definitions."""

import dataclasses

import numpy as np
import pytest
import torch
from tests.tiny import AUDIO, VIDEO

from perceivers.modalities import (
    AudioConfig,
    FramesOutputConfig,
    FusionConfig,
    FusionOutputConfig,
    ImageConfig,
    PixelsOutputConfig,
    VideoConfig,
    WaveOutputConfig,
)
from perceivers.models.build import build
from perceivers.models.config import PerceiverIOConfig
from perceivers.training.summaries import baseline, by_label, summary
from perceivers.training.targets import targets_of

SMALL = {"num_latents": 4, "latent_dim": 16, "num_layers_per_block": 1, "num_self_heads": 2}


def av_model(**options):
    torch.manual_seed(0)
    config = PerceiverIOConfig(
        input=FusionConfig(parts={"audio": AudioConfig(**AUDIO), "video": VideoConfig(**VIDEO)}),
        output=FusionOutputConfig(
            parts={
                "audio": WaveOutputConfig(num_samples=12, patch_size=4, num_bands=2),
                "video": FramesOutputConfig(num_frames=2, image_size=4, num_bands=2),
            },
            decoded_dim=16,
        ),
        **SMALL,
        **options,
    )
    return build(config)


def batch(count=3):
    torch.manual_seed(1)
    frames = torch.randint(0, 256, (count, 2, 4, 4, 3), dtype=torch.uint8)
    return {"audio": torch.rand(count, 12) - 0.5, "video": frames}


def test_scores_of_parts():
    model = av_model()
    made, examples = targets_of(model), batch()
    truth = made.truth(examples, None)
    assert {name: tuple(x.shape) for name, x in truth.items()} == {
        "audio": (3, 3, 4), "video": (3, 32, 3),
    }  # fmt: skip
    outputs = {name: x + 0.1 * torch.randn_like(x) for name, x in truth.items()}
    collection = made.collection()
    for rows in (slice(0, 2), slice(2, 3)):
        some = {name: x[rows] for name, x in outputs.items()}
        right = {name: x[rows] for name, x in truth.items()}
        made.update(collection, some, right, made.loss(some, right))
    each = by_label(collection, made.names)
    pixels = examples["video"].double().flatten(1).numpy() / 255
    for name, given in (("audio", examples["audio"].double().numpy()), ("video", pixels)):
        said = outputs[name].double().flatten(1).numpy()
        error, spread = ((said - given) ** 2).mean(), given.var(0).mean()
        assert each[name]["psnr"] == pytest.approx(-10 * np.log10(error), abs=1e-4)
        assert each[name]["baseline_psnr"] == pytest.approx(-10 * np.log10(spread), abs=1e-4)
    mean = np.mean([each[name]["psnr"] for name in made.names])
    assert summary(collection)["psnr"] == pytest.approx(mean)
    assert np.isfinite(baseline(collection, ())["psnr"])


def test_a_perfect_reconstruction_is_the_batch():
    model, examples = av_model(), batch()
    values = targets_of(model).truth(examples, None)
    arranged = model.output.arrange(values, examples)
    assert torch.equal(arranged["audio"], examples["audio"])
    assert torch.equal((255 * arranged["video"]).round().to(torch.uint8), examples["video"])


def test_some_queries_give_the_outputs_that_they_give_among_all():
    model = av_model(train_queries=2).eval()
    made, examples = targets_of(model), batch()
    at = made.draw({})
    assert {name: len(index) for name, index in at.items()} == {"audio": 2, "video": 2}
    inputs = model.elements(examples)
    whole, some = model.respond(inputs), model.respond(inputs, at)
    for name, index in at.items():
        torch.testing.assert_close(some[name], whole[name][:, index], atol=1e-5, rtol=1e-5)
    truth = made.truth(examples, None)
    assert torch.equal(made.at(truth, at)["video"], truth["video"][:, at["video"]])
    assert targets_of(av_model()).draw({}) is None


def test_the_errors_of_parts_are_relative_to_their_variance():
    model, examples = av_model(), batch()
    made = targets_of(model)
    truth = made.truth(examples, None)
    outputs = {name: x + 1 for name, x in truth.items()}
    assert made.loss(outputs, truth) == pytest.approx(1)
    model.adapter.set_normalisation(
        {"audio": torch.zeros(1), "video": torch.zeros(3)},
        {"audio": torch.full((1,), 0.5), "video": torch.full((3,), 0.25)},
    )
    assert made.loss(outputs, truth) == pytest.approx((4 + 16) / 2)


def test_inputs_of_another_size_are_refused():
    config = PerceiverIOConfig(
        input=ImageConfig(image_size=8, channels=1),
        output=PixelsOutputConfig(image_size=4, channels=1),
        **SMALL,
    )
    images = torch.zeros(2, 8, 8, 1)
    with pytest.raises(ValueError, match=r"inputs have shape \(8, 8, 1\), and the output rebuilds"):
        targets_of(build(config)).truth(images, None)
    colour = dataclasses.replace(config, output=PixelsOutputConfig(image_size=8, channels=3))
    with pytest.raises(ValueError, match="inputs have 1 channels, and the output rebuilds 3"):
        targets_of(build(colour)).truth(images, None)
