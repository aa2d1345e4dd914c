"""The Keras example against Keras itself: weights, logits, gradients, dropout, files."""

import dataclasses
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

os.environ["KERAS_BACKEND"] = "torch"
keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")

import perceivers  # noqa: E402
from perceivers.interop import from_keras, to_keras  # noqa: E402
from perceivers.interop.keras import difference  # noqa: E402
from perceivers.interop.keras_reference import build_keras_example  # noqa: E402
from perceivers.models.build import build  # noqa: E402
from perceivers.models.config import KerasExampleConfig, ModelConfig  # noqa: E402
from perceivers.models.inputs import ImageConfig  # noqa: E402
from perceivers.models.presets import PRESETS  # noqa: E402

# Keras 3.15 turns torch parameters into NumPy arrays in a way that NumPy 2 will drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SMALL = KerasExampleConfig(
    num_classes=5,
    input=ImageConfig(
        image_size=8,
        patch_size=2,
        projection_dim=12,
        position="learned",
        position_dim=12,
        fusion="add",
    ),
    num_latents=6,
    latent_dim=12,
    num_layers_per_block=3,
    num_self_heads=2,
    self_qk_dim=16,
    widening_factor=2,
    head_dim=10,
)
PIXEL = 1e-4  # of logits


def random_keras(config, seed=0):
    """The reference with every weight random: norms, biases and the scale too."""
    model, rng = build_keras_example(config), np.random.default_rng(seed)
    for weight in model.weights:
        ones = weight.path.endswith(("gamma", "scale"))
        weight.assign(rng.normal(float(ones), 0.3, weight.shape).astype("float32"))
    return model


def images(config, count=3):
    size = config.input.image_size
    return torch.randn(count, size, size, 3, generator=torch.Generator().manual_seed(7))


def theirs(model, x, training=False):
    return torch.as_tensor(keras.ops.convert_to_numpy(model(x, training=training)))


@pytest.fixture(scope="module")
def small():
    return random_keras(SMALL)


@pytest.fixture
def small_file(small, tmp_path):
    small.save_weights(tmp_path / "small.weights.h5")
    return tmp_path / "small.weights.h5"


@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_logits_equal_keras(iterations):
    orders = (0,) * iterations
    config = dataclasses.replace(SMALL, cross_order=orders, block_order=orders)
    reference = random_keras(config)
    ours = from_keras(reference)
    assert ours.config == dataclasses.replace(config, latent_std=0.05)
    assert not ours.training
    torch.testing.assert_close(
        ours(images(config)), theirs(reference, images(config)), atol=PIXEL, rtol=0
    )


def test_the_examples_own_sizes():
    """Parameters as Keras counts them, what each is initialised to, and logits."""
    config = PRESETS["keras-cifar100"]()
    keras.utils.set_random_seed(0)
    reference = build_keras_example(config)
    assert reference.count_params() == 9_697_637
    ours = from_keras(reference)
    assert ours.config == config
    assert sum(p.numel() for p in ours.parameters()) == 9_697_637
    fresh = perceivers.create("keras-cifar100").state_dict()
    for name, weight in ours.state_dict().items():
        got = fresh[name]
        assert got.shape == weight.shape
        if weight.ndim == 2:
            spread = weight.std().item()
            assert got.std().item() == pytest.approx(spread, rel=0.03), name
            assert got.mean().item() == pytest.approx(0, abs=0.05 * spread), name
            assert got.abs().max().item() == pytest.approx(weight.abs().max().item(), rel=0.2), name
        else:
            assert torch.equal(got, weight), name
    x = images(config, count=2)
    torch.testing.assert_close(ours(x), theirs(reference, x), atol=PIXEL, rtol=0)


def test_gradients_equal_keras(small):
    """Keras' gradients, put into a copy as its weights, are mapped to ours like weights."""
    ours, x, labels = from_keras(small), images(SMALL), torch.tensor([0, 4, 2])
    F.cross_entropy(ours(x), labels).backward()
    small.zero_grad()
    F.cross_entropy(small(x, training=False), labels).backward()
    gradients = build_keras_example(SMALL)
    for to, weight in zip(gradients.weights, small.weights, strict=True):
        to.assign(weight.value.grad)
    for name, gradient in from_keras(gradients).named_parameters():
        got = ours.get_parameter(name).grad
        assert got.abs().max() > 0, name
        torch.testing.assert_close(got, gradient.data, atol=1e-5, rtol=1e-3, msg=name)


def test_back_to_keras(small, tmp_path):
    to_keras(from_keras(small), tmp_path / "back.weights.h5")
    again = build_keras_example(SMALL)
    again.load_weights(tmp_path / "back.weights.h5")
    for ours, weight in zip(again.weights, small.weights, strict=True):
        assert torch.equal(ours.value, weight.value), weight.path
    assert [path.name for path in tmp_path.iterdir()] == ["back.weights.h5"]


def assert_same(a, b):
    assert a.config == b.config
    for name, weight in a.state_dict().items():
        assert torch.equal(b.state_dict()[name], weight), name


def test_files(small_file, tmp_path):
    """A trained model's, optimiser included, and the archive of it, are the live model's."""
    model = build_keras_example(SMALL)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images(SMALL).numpy(), np.zeros(3), verbose=0)
    expected = from_keras(model)
    model.save_weights(tmp_path / "a.weights.h5")
    model.save(tmp_path / "a.keras")
    for name in ("a.weights.h5", "a.keras"):
        assert_same(from_keras(tmp_path / name), expected)
    # What a file is, it is by content.
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
    """Other attributes and classes than the page's, as other versions and users have."""
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
    assert difference(expected, small_file) < PIXEL


def test_what_a_file_does_not_tell(small_file):
    model = from_keras(
        small_file, num_iterations=4, dropout=0.5, attention_dropout=0.25, labels="abcde"
    )
    assert model.config.cross_order == model.config.block_order == (0, 0, 0, 0)
    assert (model.config.dropout, model.config.attention_dropout) == (0.5, 0.25)
    assert model.labels == tuple("abcde")
    assert from_keras(small_file).config.cross_order == (0, 0)


def test_normalisation_is_imported(small, small_file, tmp_path):
    """The page's layer, if it is part of the model: it saw 0…255, we see the same as 0…1."""
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
    torch.testing.assert_close(ours(x), expected, atol=PIXEL, rtol=0)
    torch.testing.assert_close(ours(x.float() / 255), expected, atol=PIXEL, rtol=0)
    white = from_keras(small_file, pixel_max=1.0)
    torch.testing.assert_close(white(x.float()), expected, atol=PIXEL, rtol=0)
    assert difference(ours, small_file) < PIXEL
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


@pytest.mark.parametrize("rates", [(0.0, 1.0), (1.0, 0.0), (1.0, 1.0)], ids=str)
def test_dropouts_sit_where_keras_has_them(rates):
    """Dropping all or nothing is no chance: (feed-forward, attention) rates, in training."""
    dropout, attention_dropout = rates
    config = dataclasses.replace(SMALL, dropout=dropout, attention_dropout=attention_dropout)
    reference = random_keras(config)
    ours = from_keras(reference, attention_dropout=attention_dropout).train()
    x, zeros = images(config), torch.zeros(3, 5)
    if dropout:
        assert torch.equal(ours(x), zeros)
        assert torch.equal(theirs(reference, x, training=True), zeros)
    ours.head[-1].p = 0.0
    reference.classification_head.layers[-1].rate = 0.0
    got = ours(x)
    assert (got - ours.eval()(x)).abs().max() > 0.01
    torch.testing.assert_close(got, theirs(reference, x, training=True), atol=PIXEL, rtol=0)


def test_logits_are_dropped(small):
    ours = from_keras(small, dropout=0.5, attention_dropout=0.0).train()
    for layer in (*ours.perceiver.cross_attends, *ours.perceiver.blocks[0]):
        layer.feed_forward.dropout.p = 0.0
    torch.manual_seed(0)
    x = images(SMALL)
    got = torch.stack([ours(x) for _ in range(40)])
    kept = got != 0
    assert 0.4 < kept.float().mean() < 0.6
    expected = 2 * ours.eval()(x).expand_as(got)
    torch.testing.assert_close(got[kept], expected[kept])


def test_difference(small, small_file):
    ours = from_keras(small_file).train()
    assert difference(ours, small_file) < PIXEL
    assert difference(ours, small, seed=1) < PIXEL
    assert ours.training
    with torch.no_grad():
        ours.perceiver.cross_attends[0].attention.scale += 0.5
    assert difference(ours, small_file) > 0.01


# What is refused


def test_everything_that_does_not_fit_is_named(small_file):
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
    if path == "vars/0":  # sizes are guessed from the rest, so that nothing else is complained of
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
    with pytest.raises(ValueError, match="damaged or cut short"):
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
def test_a_pickle_is_not_run(tmp_path, name, save):
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
    with pytest.raises(ValueError, match="vars/0 keeps its values in another file"):
        from_keras(small_file)
    with h5py.File(small_file, "a") as file:
        del file["vars/0"]
        file["vars/0"] = h5py.ExternalLink(str(secret), "x")
    with pytest.raises(ValueError, match="vars/0 is missing"):
        from_keras(small_file)


def test_difference_refuses_what_does_not_fit(small, small_file):
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
    with pytest.raises(ValueError, match="num_iterations=0; the input is read at least once"):
        from_keras(small_file, num_iterations=0)


def test_patches_that_are_no_squares(small_file):
    with pytest.raises(ValueError, match="16 patches of 12 numbers; expected .* of 1 channels"):
        from_keras(small_file, channels=1)


def test_only_what_keras_can_read_is_written(small, tmp_path):
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
        ({"num_cross_heads": 2}, "num_cross_heads=2, there 1"),
        ({"qk_dim": 6, "v_dim": 12}, "qk_dim=6, there None"),
        ({"qkv_bias": False}, "qkv_bias=False, there True"),
        ({"attention": "content"}, "attention=content, there both"),
        ({"activation": "geglu"}, "activation=geglu, there gelu"),
        ({"final_norm": True}, "final_norm=True, there False"),
        ({"pooled_norm": True}, "pooled_norm=True, there False"),
        ({"cross_order": (0, None)}, "cross_order=(0, None), there all 0"),
        ({"block_order": (0, 1)}, "block_order=(0, 1), there all 0"),
        ({"input": {"patch_size": 4, "patch_stride": 2}}, "input.patch_stride=2, there None"),
        ({"input": {"fusion": "concatenate"}, "v_dim": 12}, "input.fusion=concatenate, there add"),
        ({"input": {"position": "none"}}, "input.position=none, there learned"),
        ({"input": {"projection_dim": None, "position": "none"}, "v_dim": 12},
         "input.projection_dim=None, there 12"),
        ({"input": {"position_dim": 8, "fusion": "concatenate"}, "v_dim": 12},
         "input.position_dim=8, there 12"),
    ],
    ids=str,
)  # fmt: skip
def test_what_the_example_cannot_express(tmp_path, change, named):
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
