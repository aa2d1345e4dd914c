"""Weight files of the Keras example: sizes from shapes, options, and invalid files."""

import dataclasses
import pickle
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import torch
from keras_small import SMALL, images, theirs

import perceivers
from perceivers.interop import from_keras, to_keras
from perceivers.interop.keras import difference
from perceivers.interop.keras_reference import build_keras_example
from perceivers.modalities import ImageConfig
from perceivers.models.build import build
from perceivers.models.config import ModelConfig

TOLERANCE = 1e-4  # of logits


def assert_same(a, b):
    assert a.config == b.config
    for name, weight in a.state_dict().items():
        assert torch.equal(b.state_dict()[name], weight), name


def test_files(small_file, tmp_path):
    """Both kinds of file of a trained model, with its optimiser, give the live model's weights."""
    model = build_keras_example(SMALL)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images(SMALL).numpy(), np.zeros(3), verbose=0)
    expected = from_keras(model)
    model.save_weights(tmp_path / "a.weights.h5")
    model.save(tmp_path / "a.keras")
    for name in ("a.weights.h5", "a.keras"):
        assert_same(from_keras(tmp_path / name), expected)
    # The content, not the name, decides the kind of a file.
    for name, renamed in (("a.weights.h5", "b.bin"), ("a.keras", "b.zip")):
        (tmp_path / name).rename(tmp_path / renamed)
        assert_same(from_keras(str(tmp_path / renamed)), expected)


def test_files_in_bfloat16(small_file, tmp_path):
    expected = from_keras(small_file)
    with h5py.File(small_file, "a") as file:
        values = torch.from_numpy(file["vars/0"][:]).bfloat16()
        del file["vars/0"]
        file["vars"].create_dataset("0", data=values.view(torch.int16).numpy().view("V2"))
        file["vars/0"].attrs["dtype"] = "bfloat16"
    assert torch.equal(
        from_keras(small_file).perceiver.latents, expected.perceiver.latents.bfloat16().float()
    )


def test_a_file_with_other_names(small_file):
    """Attributes and classes may have other names than on the page."""
    expected = from_keras(small_file)
    with h5py.File(small_file, "a") as file:
        for old, new in (
            ("layers/functional_1", "transformer"),
            ("layers/patch_encoder", "my_encoder"),
            ("classification_head", "layers/sequential"),
            ("cross_attention", "reader"),
        ):
            file.move(old, new)
    assert_same(from_keras(small_file), expected)
    assert difference(expected, small_file) < TOLERANCE


def test_options_that_a_file_does_not_contain(small_file):
    model = from_keras(
        small_file, num_iterations=4, dropout=0.5, attention_dropout=0.25, labels="abcde"
    )
    assert model.config.cross_order == model.config.block_order == (0, 0, 0, 0)
    assert (model.config.dropout, model.config.attention_dropout) == (0.5, 0.25)
    assert model.labels == tuple("abcde")
    assert from_keras(small_file).config.cross_order == (0, 0)


def test_normalisation_is_imported(small, small_file, tmp_path):
    """The page's layer, if part of the model, is imported and its range 0…255 becomes 0…1."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    normalise = keras.layers.Normalization()
    normalise.adapt(pixels[..., :1] * np.array([1, 0.5, 0.25]) + np.array([0, 9, 50]))
    keras.Sequential([keras.layers.Input((8, 8, 3)), normalise]).save_weights(
        tmp_path / "augmentation.weights.h5"
    )
    with (
        h5py.File(tmp_path / "augmentation.weights.h5") as source,
        h5py.File(small_file, "a") as file,
    ):
        source.copy("layers", file.create_group("data_augmentation"))
    x = torch.from_numpy(pixels[:2])
    expected = theirs(small, normalise(x.float()))
    ours = from_keras(small_file)
    torch.testing.assert_close(ours(x), expected, atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(ours(x.float() / 255), expected, atol=TOLERANCE, rtol=0)
    white = from_keras(small_file, pixel_max=1.0)
    torch.testing.assert_close(white(x.float()), expected, atol=TOLERANCE, rtol=0)
    assert difference(ours, small_file) < TOLERANCE
    with h5py.File(small_file, "a") as file:
        del file["data_augmentation/layers/normalization/vars/0"]
        file["data_augmentation/layers/normalization/vars/0"] = np.zeros(4)
    with pytest.raises(ValueError, match=r"constants of shape \(4,\); expected .* the 3 channels"):
        from_keras(small_file)


def test_saved_and_loaded(small, tmp_path):
    ours = from_keras(small, labels="abcde")
    perceivers.save(ours, tmp_path / "model")
    again = perceivers.load(tmp_path / "model")
    assert_same(again, ours)
    assert again.labels == tuple("abcde")


def test_all_entries_that_do_not_fit_are_listed(small_file):
    with h5py.File(small_file, "a") as file:
        del file["cross_attention/layers/attention/vars/0"]
        del file["layers/functional_1/layers/sequential_1/layers/dense/vars/1"]
        file["cross_attention/layers/dense_3/vars/0"] = np.zeros((12, 12))
        del file["cross_attention/layers/dense_2/vars/0"]
        file["cross_attention/layers/dense_2/vars/0"] = np.zeros((12, 13))
    with pytest.raises(ValueError, match="is not the Keras example's model") as caught:
        from_keras(small_file)
    for problem in (
        "cross_attention/layers/attention/vars/0 is missing",
        "layers/functional_1/layers/sequential_1/layers/dense/vars/1 is missing",
        "cross_attention/layers/dense_3/vars/0 is not part of this model",
        "cross_attention/layers/dense_2/vars/0 has shape (12, 13), expected (12, 12)",
    ):
        assert problem in str(caught.value)


@pytest.mark.parametrize("path", ["vars/0", "layers/patch_encoder", "layers", "cross_attention"])
def test_a_missing_part(small_file, path):
    with h5py.File(small_file, "a") as file:
        del file[path]
    with pytest.raises(ValueError, match=f"{path}.* is missing") as caught:
        from_keras(small_file)
    if path == "vars/0":  # sizes follow from the other arrays, so that there is no other error
        assert str(caught.value).endswith("model: vars/0 is missing")


def test_another_model(tmp_path):
    other = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ValueError, match="holds no Perceiver.*found 2 arrays in layers; expected"):
        from_keras(tmp_path / "other.weights.h5")
    with pytest.raises(ValueError, match="the Sequential holds no Perceiver"):
        from_keras(other)


def test_other_files(tmp_path, small_file):
    text = tmp_path / "notes.h5"
    text.write_text("not weights")
    with pytest.raises(ValueError, match="starts with b'not weig': neither HDF5"):
        from_keras(text)
    torch.save({"a": torch.zeros(1)}, tmp_path / "model.keras")
    with pytest.raises(ValueError, match="archive of .*; a .keras file holds model.weights.h5"):
        from_keras(tmp_path / "model.keras")
    small_file.write_bytes(small_file.read_bytes()[:3000])
    with pytest.raises(ValueError, match="damaged file of weights"):
        from_keras(small_file)
    with pytest.raises(FileNotFoundError, match="nowhere.h5 is no file"):
        from_keras(tmp_path / "nowhere.h5")
    with pytest.raises(ValueError, match="got dict; expected a Keras model"):
        from_keras({})


class Malicious:
    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self):
        return Path.touch, (self.touched,)


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.weights.h5"])
@pytest.mark.parametrize("save", [pickle.dump, torch.save])
def test_a_pickle_is_not_executed(tmp_path, name, save):
    with open(tmp_path / name, "wb") as file:
        save(Malicious(tmp_path / "touched"), file)
    with pytest.raises(ValueError, match="neither HDF5 nor a .keras|is an archive of"):
        from_keras(tmp_path / name)
    assert not (tmp_path / "touched").exists()


def test_arrays_in_other_files_are_not_read(tmp_path, small_file):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(6 * 12 * 4))
    with h5py.File(small_file, "a") as file:
        del file["vars/0"]
        file["vars"].create_dataset("0", (6, 12), "f4", external=[(secret, 0, 6 * 12 * 4)])
    with pytest.raises(ValueError, match="the values of vars/0 are in another file"):
        from_keras(small_file)
    with h5py.File(small_file, "a") as file:
        del file["vars/0"]
        file["vars/0"] = h5py.ExternalLink(str(secret), "x")
    with pytest.raises(ValueError, match="vars/0 is missing"):
        from_keras(small_file)


def test_difference_rejects_a_source_that_does_not_fit(small, small_file):
    ours = from_keras(small)
    with h5py.File(small_file, "a") as file:
        del file["cross_attention/layers/dense"]
    with pytest.raises(ValueError, match="cross_attention/layers/dense/vars/0 is missing"):
        difference(ours, small_file)


def test_an_empty_array(small_file):
    with h5py.File(small_file, "a") as file:
        path = "layers/functional_1/layers/multi_head_attention/query_dense/vars/0"
        del file[path]
        file[path] = np.zeros((12, 0, 8))
    with pytest.raises(ValueError, match=r"query_dense/vars/0 has shape \(12, 0, 8\)"):
        from_keras(small_file)


def test_no_iterations(small_file):
    with pytest.raises(ValueError, match="num_iterations=0; expected at least 1"):
        from_keras(small_file, num_iterations=0)


def test_patches_that_are_not_square(small_file):
    with pytest.raises(ValueError, match="16 patches of 12 numbers; expected .* of 1 channels"):
        from_keras(small_file, channels=1)


def test_only_models_that_keras_can_load_are_written(small, tmp_path):
    ours = from_keras(small)
    with pytest.raises(ValueError, match="names that end in .weights.h5"):
        to_keras(ours, tmp_path / "a.keras")
    with pytest.raises(ValueError, match="got PerceiverClassifier"):
        to_keras(
            build(ModelConfig(input=ImageConfig(image_size=8), num_latents=2, latent_dim=8)),
            tmp_path / "a.weights.h5",
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"num_cross_heads": 2}, "num_cross_heads=2 (expected 1)"),
        ({"qk_dim": 6, "v_dim": 12}, "qk_dim=6 (expected None)"),
        ({"qkv_bias": False}, "qkv_bias=False (expected True)"),
        ({"attention": "content"}, "attention=content (expected both)"),
        ({"activation": "geglu"}, "activation=geglu (expected gelu)"),
        ({"final_norm": True}, "final_norm=True (expected False)"),
        ({"pooled_norm": True}, "pooled_norm=True (expected False)"),
        ({"cross_order": (0, None)}, "cross_order=(0, None) (expected all 0)"),
        ({"block_order": (0, 1)}, "block_order=(0, 1) (expected all 0)"),
        ({"input": {"patch_size": 4, "patch_stride": 2}}, "input.patch_stride=2 (expected None)"),
        ({"input": {"projection_activation": "gelu"}},
         "input.projection_activation=gelu (expected none)"),
        ({"input": {"fusion": "concatenate"}, "v_dim": 12},
         "input.fusion=concatenate (expected add)"),
        ({"input": {"position": "none"}}, "input.position=none (expected learned)"),
        ({"input": {"projection_dim": None, "position": "none"}, "v_dim": 12},
         "input.projection_dim=None (expected 12)"),
        ({"input": {"position_dim": 8, "fusion": "concatenate"}, "v_dim": 12},
         "input.position_dim=8 (expected 12)"),
    ],
    ids=str,
)  # fmt: skip
def test_models_that_the_example_cannot_express(tmp_path, change, named):
    if "input" in change:
        change = {**change, "input": dataclasses.replace(SMALL.input, **change["input"])}
    with pytest.raises(ValueError, match="the Keras example cannot express") as caught:
        to_keras(build(dataclasses.replace(SMALL, **change)), tmp_path / "a.weights.h5")
    assert named in str(caught.value)


def test_missing_packages(small, small_file, monkeypatch):
    ours = from_keras(small)
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(ImportError, match=r"keras is not installed.*'perceivers\[keras\]'"):
        difference(ours, small_file)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"h5py is not installed.*'perceivers\[keras\]'"):
        from_keras(small_file)
