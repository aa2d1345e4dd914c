"""Sounds and clouds read whole, however long, instead of what the model was trained on."""

import wave

import numpy as np
import pytest
import torch

import perceivers
from perceivers.models.build import build
from perceivers.models.config import ModelConfig
from perceivers.models.inputs import InputConfig, MelConfig, PointsConfig, TextConfig

RATE = 1000


def own(config: InputConfig) -> perceivers.Predictor:
    torch.manual_seed(0)
    model = build(
        ModelConfig(
            num_classes=3, input=config, num_latents=4, latent_dim=16, cross_order=(0, 0),
            block_order=(0, 0), num_layers_per_block=1, num_self_heads=2,
        ),
        ("cat", "dog", "eel"),
    )  # fmt: skip
    torch.nn.init.normal_(model.head.weight)
    return perceivers.Predictor(model, own_size=True)


@pytest.fixture
def noise(tmp_path):
    samples = np.random.default_rng(0).integers(-9999, 9999, 3 * RATE + 7).astype("<i2")
    with wave.open(str(tmp_path / "noise.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return tmp_path / "noise.wav"


def probabilities(predictor, file):
    [pairs] = predictor([file], top_k=3)
    return dict(pairs)


def same_in_parts(predictor, file, monkeypatch):
    """The prediction, after it was found to be the same when nothing goes through in one piece."""
    whole = probabilities(predictor, file)
    told = []
    monkeypatch.setattr(perceivers.predict, "HELD", 10)
    monkeypatch.setattr(predictor.model, "forward", None)
    predictor.progress = told.append
    assert probabilities(predictor, file) == pytest.approx(whole, abs=1e-5)
    assert told[-1] == 1
    return whole


def test_a_long_sound(noise, monkeypatch):
    predictor = own(
        MelConfig(num_samples=400, sample_rate=RATE, n_fft=64, hop_length=20, n_mels=8, num_bands=4)
    )
    with wave.open(str(noise)) as file:
        samples = np.frombuffer(file.readframes(-1), "<i2")
    waves = torch.from_numpy(samples[: 3 * RATE].astype(np.float32) / 2**15)[None]
    with torch.no_grad():
        expected = predictor.model(waves)[0].softmax(0).tolist()
    got = same_in_parts(predictor, noise, monkeypatch)
    assert got == pytest.approx(dict(zip(predictor.labels, expected, strict=True)), abs=1e-4)


def test_all_points_of_a_cloud(tmp_path, monkeypatch):
    np.save(tmp_path / "cloud.npy", np.random.default_rng(0).normal(size=(50, 3)))
    predictor = own(PointsConfig(num_points=8, num_bands=4, max_resolution=8.0))
    got = same_in_parts(predictor, tmp_path / "cloud.npy", monkeypatch)
    few = perceivers.Predictor(predictor.model)
    monkeypatch.undo()
    assert probabilities(few, tmp_path / "cloud.npy") != pytest.approx(got, abs=1e-4)


def test_text_has_no_other_size(tmp_path):
    (tmp_path / "a.txt").write_text("abc")
    with pytest.raises(ValueError, match="a.txt: this model reads up to 9 bytes"):
        own(TextConfig(max_length=9, embedding_dim=8))([tmp_path / "a.txt"])
