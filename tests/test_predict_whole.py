"""Predictions at the examples' own sizes, in one piece or in parts."""

import dataclasses
import wave

import numpy as np
import pytest
import torch
from media_files import numbered, video
from PIL import Image

import perceivers
from perceivers.modalities import (
    AudioConfig,
    FusionConfig,
    ImageConfig,
    InputConfig,
    MelConfig,
    PointsConfig,
    TextConfig,
    VideoConfig,
)
from perceivers.modalities.files import LazyArray
from perceivers.modalities.points import reader as point_reader
from perceivers.modalities.sound import reader as sound_reader
from perceivers.modalities.video import reader as video_reader
from perceivers.models.build import build
from perceivers.models.config import ModelConfig

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
    """Return the prediction, after checking that it is the same when the file is read in parts."""
    whole = probabilities(predictor, file)
    told = []
    monkeypatch.setattr(perceivers.predict.runner, "MAX_ELEMENTS", 10)
    monkeypatch.setattr(predictor.model, "forward", None)
    predictor = perceivers.Predictor(predictor.model, own_size=True, progress=told.append)
    assert probabilities(predictor, file) == pytest.approx(whole, abs=1e-5)
    assert told[-1] == 1
    return whole


def test_long_sound(noise, monkeypatch):
    predictor = own(MEL)
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


def unread(predictor, file, monkeypatch):
    """Return the prediction, after checking that it is the same when the file stays undecoded."""
    held = probabilities(predictor, file)
    told = []
    for module in (point_reader, sound_reader, video_reader):
        monkeypatch.setattr(module, "MAX_DECODED_BYTES", 100)
    predictor = perceivers.Predictor(predictor.model, own_size=True, progress=told.append)
    parts = predictor.prepare(file)
    parts = parts.values() if isinstance(parts, dict) else [parts]
    assert any(isinstance(part, LazyArray) for part in parts)
    assert probabilities(predictor, file) == pytest.approx(held, abs=1e-5)
    assert told[-1] == pytest.approx(1, abs=0.01)
    return held


MEL = MelConfig(num_samples=400, sample_rate=RATE, n_fft=64, hop_length=20, n_mels=8, num_bands=4)
PICTURES = VideoConfig(
    num_frames=4, image_size=8, patch_frames=2, patch_size=4, num_bands=2, seconds=0.16
)


@pytest.mark.parametrize("config", [MEL, AudioConfig(num_samples=60, sample_rate=RATE * 2,
                                                     patch_size=4, num_bands=2)])  # fmt: skip
def test_sound_too_long_for_memory(noise, monkeypatch, config):
    unread(own(config), noise, monkeypatch)


@pytest.mark.parametrize("heard", [True, False])
def test_film_too_long_for_memory(tmp_path, monkeypatch, caplog, heard):
    caplog.set_level("INFO")
    samples = np.sin(np.arange(2 * RATE) ** 1.5)
    track = {"sound": ("pcm_s16le", RATE, samples)} if heard else {}
    (tmp_path / "film.mkv").write_bytes(video(numbered(40), **track))
    unread(own(PICTURES), tmp_path / "film.mkv", monkeypatch)
    monkeypatch.undo()
    both = own(FusionConfig(parts={"audio": MEL, "video": PICTURES}))
    unread(both, tmp_path / "film.mkv", monkeypatch)
    assert ("no audio in 1 of 1 examples" in caplog.text) != heard


def test_a_million_points(tmp_path, monkeypatch):
    cloud = np.random.default_rng(0).normal(size=(10**6, 3)).astype(np.float32)
    np.save(tmp_path / "cloud.npy", cloud)
    predictor = own(PointsConfig(num_points=8, num_bands=2, max_resolution=8.0))
    monkeypatch.setattr(perceivers.predict.runner, "MAX_ELEMENTS", 2**24)
    unread(predictor, tmp_path / "cloud.npy", monkeypatch)


def test_damage_in_the_middle_is_reported_for_its_file_only(tmp_path, noise, monkeypatch):
    """A file that is read in parts is decoded while the model reads it."""
    monkeypatch.setattr(sound_reader, "MAX_DECODED_BYTES", 100)
    whole = video(numbered(40))
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "good.mkv").write_bytes(whole)
    files = [tmp_path / "cut.mkv", tmp_path / "good.mkv"]
    (_, error), (_, prediction) = own(PICTURES).predict_files(files, top_k=1)
    assert str(error).startswith(f"{files[0]}: damaged video")
    assert len(prediction) == 1
    with pytest.raises(ValueError, match=r"^top_k=0; expected at least 1"):
        list(own(PICTURES).predict_files(files, top_k=0))


def test_text_cannot_be_read_at_its_own_size(tmp_path):
    (tmp_path / "a.txt").write_text("abc")
    with pytest.raises(ValueError, match="a.txt: this model reads up to 9 bytes"):
        own(TextConfig(max_length=9, embedding_dim=8))([tmp_path / "a.txt"])


def test_images_of_different_sizes_in_one_call(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    files = []
    for i, (height, width) in enumerate([(9, 14), (20, 8), (8, 8), (9, 14), (30, 30)]):
        files.append(tmp_path / f"{i}.png")
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(files[-1])
    predictor = own(ImageConfig(image_size=8, patch_size=2, num_bands=4))
    alone = [probabilities(predictor, file) for file in files]
    sizes = []
    forward = predictor.model.forward
    monkeypatch.setattr(predictor.model, "forward", lambda x: sizes.append(len(x)) or forward(x))

    def check():
        for pairs, expected in zip(predictor(files, top_k=3), alone, strict=True):
            assert dict(pairs) == pytest.approx(expected, abs=1e-5)

    check()
    assert sizes == [5]
    sizes.clear()
    monkeypatch.setattr(perceivers.predict.runner, "MAX_BATCH_ELEMENTS", 100)  # one has 225
    check()
    assert sizes == [2, 2, 1]
    sizes.clear()
    (tmp_path / "1.png").write_bytes(b"nothing")
    results = [result for _, result in predictor.predict_files(files, top_k=3)]
    assert [isinstance(result, ValueError) for result in results] == [False, True] + [False] * 3
    assert dict(results[4]) == pytest.approx(alone[4], abs=1e-5)
    predictor = perceivers.Predictor(predictor.model, own_size=True, batch_size=1)
    sizes.clear()
    predictor(files[2:])
    assert sizes == [1, 1, 1]


def test_sounds_of_different_lengths_in_one_call(tmp_path):
    config = AudioConfig(num_samples=400, sample_rate=RATE, patch_size=20, num_bands=4)
    files = []
    for samples in (37, 900, 400):
        files.append(tmp_path / f"{samples}.wav")
        noise = np.random.default_rng(samples).integers(-9999, 9999, samples).astype("<i2")
        with wave.open(str(files[-1]), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(noise.tobytes())
    for predictor in (
        own(config),
        perceivers.Predictor(own(dataclasses.replace(config, own_length=True)).model),
    ):
        for pairs, file in zip(predictor(files, top_k=3), files, strict=True):
            assert dict(pairs) == pytest.approx(probabilities(predictor, file), abs=1e-5)
