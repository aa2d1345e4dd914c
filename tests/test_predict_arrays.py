"""Examples given to `Predictor` whose numbers cannot be what the model was trained on."""

import numpy as np
import pytest
import torch
from tests.media_files import write_wav
from tests.tiny import AUDIO, VIDEO, classifier, tiny_classifier

from perceivers.modalities import AudioConfig, ImageConfig, PointsConfig, VideoConfig
from perceivers.predict import Predictor

RNG = np.random.default_rng(0)
IMAGES = ImageConfig(image_size=8, num_bands=2)


@pytest.fixture(autouse=True)
def _warnings_alone(caplog):
    """Keep out what other tests have switched on."""
    caplog.set_level("WARNING")


@pytest.mark.parametrize(
    ("pixels", "fix"),
    [
        (RNG.uniform(0, 255, (8, 8, 3)), r"pixels from 0 to 255: array.astype\(np.uint8\)"),
        (RNG.uniform(0, 1, (8, 8, 3)), r"pixels from 0 to 1: \(255 \* array\).astype\(np.uint8\)"),
        (RNG.integers(0, 256, (8, 8, 3)), r"pixels from 0 to 255: array.astype\(np.uint8\)"),
        (torch.rand(8, 8, 3), r"pixels from 0 to 1: "),
        (RNG.normal(size=(8, 8, 3)), "model.input.value_range, which training measures$"),
    ],
)
def test_floating_point_images_are_refused_with_the_conversion(pixels, fix):
    with pytest.raises(ValueError, match=fix):
        Predictor(tiny_classifier(IMAGES))([pixels])


def test_pixels_outside_the_range_of_the_training_are_said(caplog):
    config = ImageConfig(image_size=8, num_bands=2, value_range=(7000.0, 9000.0))
    predictor = Predictor(tiny_classifier(config))
    for _ in range(2):
        predictor([RNG.uniform(0, 255, (8, 8, 3))])
    assert caplog.text.count("an array becomes one colour") == 1
    predictor([RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)])
    assert "an array has 8 bits, so it is not scaled by model.input.value_range" in caplog.text


VIDEOS, SOUNDS = VideoConfig(**VIDEO), AudioConfig(**AUDIO)
POINTS = PointsConfig(num_points=16, num_bands=2)
FILM, WAVE, CLOUD = (2, 4, 4, 3), (12, 1), (16, 3)


@pytest.mark.parametrize(
    ("config", "good", "bad", "said"),
    [
        (VIDEOS, RNG.uniform(0, 1, FILM), 255, "has floating-point pixels far above 1"),
        (SOUNDS, RNG.uniform(-1, 1, WAVE), 32768, "has samples far outside"),
        (POINTS, RNG.uniform(-1, 1, CLOUD), 40, "has coordinates outside"),
    ],
)
def test_prepared_arrays_of_another_range_are_said_once(caplog, config, good, bad, said):
    """They are taken as they are, as documented, so that only the numbers tell the mistake."""
    predictor = Predictor(tiny_classifier(config))
    good = good.astype(np.float32)
    predictor([good])
    assert caplog.text == ""
    predictor([good * bad, good * bad])
    predictor([good * bad])
    assert caplog.text.count(said) == 1


def test_the_parts_of_an_example_are_looked_at_too(caplog):
    example = {"audio": RNG.uniform(-1, 1, WAVE), "video": RNG.uniform(0, 255, FILM)}
    example = {name: x.astype(np.float32) for name, x in example.items()}
    Predictor(classifier())([example])
    assert "has floating-point pixels far above 1" in caplog.text
    assert "samples" not in caplog.text


def test_files_that_tell_nothing_are_said(tmp_path, caplog):
    """A model gives a label to silence and to a black picture too."""
    for index in range(3):
        write_wav(tmp_path / f"{index}.wav", np.zeros(100 + index))
    write_wav(tmp_path / "loud.wav", RNG.uniform(-1, 1, 100))
    for clips in (1, 3):
        caplog.clear()
        predictor = Predictor(tiny_classifier(SOUNDS), clips=clips)
        predictor([tmp_path / "loud.wav"])
        assert caplog.text == ""
        predictor([tmp_path / f"{index}.wav" for index in range(3)])
        assert caplog.text.count(f"{tmp_path}/0.wav is silent once read") == 1
        assert "1.wav" not in caplog.text
