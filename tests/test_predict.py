"""Predictions of labels and numbers from files."""

import dataclasses
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from tests.tiny import tiny_classifier

import perceivers
from perceivers.modalities import (
    AudioConfig,
    ImageConfig,
    MelConfig,
)
from perceivers.models.build import build
from perceivers.models.config import ModelConfig


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


def test_all_types_of_images_give_equal_predictions(predictor, photo, tmp_path):
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


@pytest.mark.parametrize(
    "one",
    [
        "a.png",
        b"png",
        np.zeros((8, 8, 3), np.uint8),
        torch.zeros(8, 8, 3),
        Image.new("RGB", (8, 8)),
        io.BytesIO(b"png"),
        {"photo": "a.png"},
        None,
    ],
    ids=lambda one: type(one).__name__,
)
def test_one_example_instead_of_a_list(predictor, one):
    """An array without a list gave one answer for each row of its pixels."""
    with pytest.raises(ValueError, match=r"got one \w+; expected a list of examples"):
        predictor(one)


def test_examples_from_a_generator(predictor, photo):
    assert predictor(image for image in [photo, photo]) == predictor([photo, photo])


def test_top_k(predictor, photo):
    assert len(predictor([photo], top_k=2)[0]) == 2
    assert len(predictor([photo], top_k=50)[0]) == 3
    with pytest.raises(ValueError, match="top_k=0; expected at least 1"):
        predictor([photo], top_k=0)


def test_images_of_other_sizes_are_resized(predictor):
    assert predictor([Image.new("L", (300, 7)), Image.new("RGBA", (1, 1))])


def test_grey_arrays(predictor):
    assert predictor([np.zeros((5, 5), np.uint8), np.zeros((5, 5, 1), np.uint8)])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("nowhere.png", "nowhere.png: no such file"),
        (b"hello", "bytes: not an image"),
        (np.zeros((4, 4, 3)), "array of float64 and shape .* expected uint8"),
        (np.zeros((2, 4, 4, 3), np.uint8), "expected uint8 of shape"),
    ],
)
def test_invalid_images(predictor, image, message):
    with pytest.raises(ValueError, match=message):
        predictor([image])


def test_single_image_instead_of_a_list(predictor):
    with pytest.raises(ValueError, match="expected a list"):
        predictor("photo.png")
    assert predictor([]) == []


@pytest.fixture
def as_it_is(predictor):
    return perceivers.Predictor(predictor.model, own_size=True)


def test_model_of_files_refuses_a_row():
    config = ModelConfig(
        num_classes=2,
        input=MelConfig(num_samples=800, sample_rate=8_000, n_fft=80, hop_length=40, n_mels=4),
        num_latents=2,
        latent_dim=4,
        num_self_heads=2,
    )
    with pytest.raises(ValueError, match="got dict; expected a path or bytes of sound files"):
        perceivers.Predictor(build(config))([{"audio": "a.wav"}])


def test_image_at_its_own_size(predictor, as_it_is):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8)
    [result] = as_it_is([pixels], top_k=3)
    with torch.no_grad():
        expected = predictor.model(torch.from_numpy(pixels)[None])[0].softmax(0)
    for label, probability in result:
        assert probability == pytest.approx(
            expected[predictor.labels.index(label)].item(), abs=1e-6
        )
    assert result != predictor([pixels], top_k=3)[0]  # `predictor` resizes it to 8×8


@pytest.mark.parametrize("kind", ["png", "npy", "mapped", "pillow"])
def test_large_image_read_in_parts_gives_the_same_result(as_it_is, monkeypatch, tmp_path, kind):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    np.save(tmp_path / "image.npy", pixels)
    image = {
        "png": tmp_path / "image.png",
        "npy": tmp_path / "image.npy",
        "mapped": np.load(tmp_path / "image.npy", mmap_mode="r"),
        "pillow": Image.fromarray(pixels),
    }[kind]
    [expected] = as_it_is([image], top_k=3)
    told = []
    monkeypatch.setattr(perceivers.predict.runner, "MAX_ELEMENTS", 100)
    monkeypatch.setattr(as_it_is.model, "forward", None)  # forward reads in one piece
    in_parts = perceivers.Predictor(as_it_is.model, own_size=True, progress=told.append)
    [got] = in_parts([image], top_k=3)
    assert [label for label, _ in got] == [label for label, _ in expected]
    assert [p for _, p in got] == pytest.approx([p for _, p in expected], abs=1e-5)
    assert told[-1] == 1


def test_images_are_cropped_to_whole_patches_around_their_centre(predictor):
    config = ModelConfig(
        num_classes=2, input=ImageConfig(image_size=8, patch_size=4, num_bands=2), num_latents=2,
        latent_dim=8, cross_order=(0,), block_order=(None,), num_self_heads=2,
    )  # fmt: skip
    model = build(config)
    pixels = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
    own = perceivers.Predictor(model, own_size=True)
    assert np.array_equal(own.prepare(pixels), pixels[:8, 1:13])
    with pytest.raises(ValueError, match="does not divide into steps of 4×4"):
        own([pixels[:3]])


def test_learned_positions_need_the_training_size():
    config = ModelConfig(
        num_classes=2, input=ImageConfig(image_size=8, position="learned"), num_latents=2,
        latent_dim=8, cross_order=(0,), block_order=(None,), num_self_heads=2,
    )  # fmt: skip
    own = perceivers.Predictor(build(config), own_size=True)
    assert own([np.zeros((8, 8, 3), np.uint8)])
    with pytest.raises(ValueError, match="learned positions for 8×8 only: resize it"):
        own([np.zeros((9, 8, 3), np.uint8)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no array", "damaged file, or not an array that NumPy saved"),
        (np.zeros((4, 4), np.float32), "array of float32 and shape (4, 4); expected uint8"),
        (np.zeros((4, 4, 7), np.uint8), "array of 7 channels; expected 1 to 4"),
        (np.array([{}], dtype=object), "damaged file, or not an array that NumPy saved"),
    ],
    ids=str,
)
def test_npy_files_that_are_not_images(as_it_is, tmp_path, content, message):
    path = tmp_path / "image.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(ValueError, match=re.escape(f"{path}: {message}")):
        as_it_is([path])


@pytest.fixture
def of_task(predictor):
    """Return a function that makes a predictor with the same weights for another task."""

    def make(task, labels):
        model = build(dataclasses.replace(predictor.model.config, task=task), labels)
        model.load_state_dict(predictor.model.state_dict(), strict=False)
        return perceivers.Predictor(model, batch_size=2)

    return make


def test_each_label_has_its_own_probability(predictor, of_task, photo):
    labelled = of_task("multilabel", ("cat", "dog", "eel"))
    [result] = labelled([photo], top_k=3)
    logits = predictor.model(torch.tensor(np.asarray(photo))[None])[0]
    expected = dict(zip(predictor.labels, logits.sigmoid().tolist(), strict=True))
    assert dict(result) == pytest.approx(expected, abs=1e-6)
    assert [p for _, p in result] == sorted(expected.values(), reverse=True)
    assert sum(expected.values()) != pytest.approx(1, abs=0.01)
    assert labelled([photo], top_k=1) == [result[:1]]
    assert labelled.as_json(result)[0] == {"label": result[0][0], "probability": result[0][1]}
    assert labelled.as_text(result[:1]) == f"{result[0][0]} {result[0][1]:.1%}"


def test_numbers_have_their_units(of_task, photo):
    of_numbers = of_task("regression", ("age [years]", "weight [kg]", "score"))
    of_numbers.model.target_scale.measure(torch.tensor([[20.0, 50, -3], [60, 70, 3]]))
    [result] = of_numbers([photo], top_k=1)
    assert [label for label, _ in result] == ["age [years]", "weight [kg]", "score"]  # all of them
    with torch.no_grad():
        standardised = of_numbers.model.head(
            of_numbers.model.perceiver(
                of_numbers.model.adapter(torch.tensor(np.asarray(photo))[None])
            ).mean(dim=1)
        )[0]
    expected = standardised * torch.tensor([20.0, 10, 3]) + torch.tensor([40.0, 60, 0])
    assert [value for _, value in result] == pytest.approx(expected.tolist(), rel=1e-4)
    assert of_numbers.as_text([("age [years]", 31.41592), ("score", 2.0)]) == (
        "age 31.416 years, score 2"
    )
    assert of_numbers.as_json([("age [years]", 31.5), ("score", 2.0)]) == [
        {"label": "age [years]", "value": 31.5, "unit": "years"},
        {"label": "score", "value": 2.0, "unit": None},
    ]


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_large_image_in_parts_gives_the_same_result_for_each_task(of_task, monkeypatch, task):
    model = of_task(task, ("a", "b", "c")).model
    if task == "regression":
        model.target_scale.measure(torch.tensor([[20.0, 50, -3], [60, 70, 3]]))
    own = perceivers.Predictor(model, own_size=True)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8)
    [expected] = own([pixels])
    monkeypatch.setattr(perceivers.predict.runner, "MAX_ELEMENTS", 100)
    monkeypatch.setattr(model, "forward", None)
    [got] = own([pixels])
    assert dict(got) == pytest.approx(dict(expected), rel=1e-4)


def test_saved_model_without_a_task_is_a_classifier(predictor, photo, tmp_path):
    perceivers.save(predictor.model, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["model"].pop("task") == "classification"
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = perceivers.load(tmp_path)
    assert model.config.task == "classification"
    assert perceivers.Predictor(model)([photo]) == predictor([photo])


def test_saved_model_keeps_its_units(of_task, photo, tmp_path):
    of_numbers = of_task("regression", ("a [m]", "b", "c"))
    of_numbers.model.target_scale.measure(torch.tensor([[20.0, 50, -3], [60, 70, 3]]))
    perceivers.save(of_numbers.model, tmp_path)
    again = perceivers.Predictor(tmp_path)
    assert again.labels == ("a [m]", "b", "c")
    assert again([photo]) == of_numbers([photo])


def test_unknown_task(predictor):
    config = dataclasses.replace(predictor.model.config, task="multilable")
    with pytest.raises(ValueError, match="task is 'multilable'; expected one of .*multilabel"):
        build(config)


def test_device(predictor, tmp_path):
    """A saved model goes where it is told to; a model given as an object stays where it is."""
    perceivers.save(predictor.model, tmp_path)
    saved = perceivers.Predictor(tmp_path, device="cpu")
    assert next(saved.model.parameters()).device.type == "cpu"
    chosen = perceivers.Predictor(tmp_path)
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert next(chosen.model.parameters()).device.type == expected
    assert perceivers.Predictor(predictor.model).model is predictor.model
    with pytest.raises(ValueError, match="unknown device 'gpu'; expected auto, cpu, cuda"):
        perceivers.Predictor(tmp_path, device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="torch finds no CUDA device"):
            perceivers.Predictor(tmp_path, device="cuda")


def test_prepared_examples_are_predicted_as_their_files(predictor, photo, tmp_path):
    photo.save(tmp_path / "photo.png")
    prepared = predictor.prepare(tmp_path / "photo.png")
    assert (prepared.dtype, prepared.shape) == (np.uint8, (8, 8, 3))
    both = predictor.predict_prepared([prepared, prepared], top_k=2)
    (alone,) = predictor([tmp_path / "photo.png"], top_k=2)
    for prediction in both:  # batches of other sizes are rounded otherwise
        assert [label for label, _ in prediction] == [label for label, _ in alone]
        assert [p for _, p in prediction] == pytest.approx([p for _, p in alone], abs=1e-6)
    assert predictor.predict_prepared([]) == []


def test_files_are_predicted_or_give_their_error(predictor, photo, tmp_path):
    photo.save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    files = [tmp_path / "bad.png", tmp_path / "good.png"]
    (bad, error), (good, prediction) = predictor.predict_files(files, top_k=1)
    assert (bad, good) == tuple(map(str, files))
    assert str(error).startswith(f"{files[0]}: not an image")
    assert prediction == predictor([files[1]], top_k=1)[0]


def test_no_examples_give_no_predictions(predictor):
    assert predictor([]) == []
    assert predictor.predict_prepared([]) == []


def test_nan_gives_an_error_not_a_label(predictor, of_task, photo):
    """The message says which example it is; the other files are predicted."""
    sounds = perceivers.Predictor(
        tiny_classifier(AudioConfig(num_samples=12, patch_size=4, num_bands=2)), batch_size=2
    )
    good, bad = np.zeros((12, 1), np.float32), np.full((12, 1), np.nan, np.float32)
    with pytest.raises(ValueError, match="example 3: the outputs are not finite numbers"):
        sounds([good, good, good, bad])
    with pytest.raises(ValueError, match="^the outputs are not finite numbers; the example holds"):
        sounds([bad])
    results = dict(sounds.predict_sources([("a", good), ("b", bad), ("c", good)]))
    assert results["a"] == results["c"]
    assert str(results["b"]).startswith("b: the outputs are not finite")
    for task in ("multilabel", "regression"):
        model = of_task(task, ("a", "b", "c")).model
        torch.nn.init.constant_(model.head.bias, torch.nan)
        with pytest.raises(ValueError, match="or the weights of the model do"):
            perceivers.Predictor(model)([photo])


def test_prepared_arrays_can_be_written_to_and_given_to_the_model(predictor, photo, tmp_path):
    """Without a warning of torch about memory that cannot be written to."""
    photo.save(tmp_path / "photo.png")
    pixels = np.asarray(photo)
    assert not pixels.flags.writeable
    for source in (tmp_path / "photo.png", photo, pixels, pixels[:, ::-1], pixels[..., 0]):
        prepared = predictor.prepare(source)
        assert (prepared.dtype, prepared.shape) == (np.uint8, (8, 8, 3))
        logits = predictor.model(torch.from_numpy(prepared)[None])
        predicted = predictor.predict_prepared([prepared], top_k=3)[0]
        assert predictor.labels[logits.argmax()] == predicted[0][0]
        prepared[:] = 0
    assert np.asarray(photo).any()
