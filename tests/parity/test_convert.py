"""`perceivers convert`: conversion of files that the libraries themselves wrote."""

import os
import pickle
import re
import sys

import pytest
import torch
from commands import run
from perceiver_pytorch import Perceiver
from PIL import Image
from tests.tiny import tiny_classifier

import perceivers
from perceivers.interop import keras_reference
from perceivers.modalities import ImageConfig
from perceivers.models.config import KerasExampleConfig

ARGUMENTS = {
    "num_freq_bands": 2,
    "depth": 2,
    "max_freq": 8,
    "num_latents": 4,
    "latent_dim": 16,
    "latent_heads": 2,
    "cross_dim_head": 8,
    "latent_dim_head": 8,
    "num_classes": 3,
}
WORDS = [f"{name}={value}" for name, value in ARGUMENTS.items()]


def measured(out: str) -> float:
    return float(re.search(r"on a random batch: (\S+)", out)[1])


@pytest.fixture
def library_file(tmp_path):
    torch.manual_seed(0)
    module = Perceiver(**ARGUMENTS).eval()
    path = tmp_path / "model.pt"
    torch.save(module.state_dict(), path)
    return path, module


@pytest.fixture
def keras_file(tmp_path):
    config = KerasExampleConfig(
        num_classes=3,
        input=ImageConfig(
            image_size=8,
            patch_size=2,
            projection_dim=8,
            position="learned",
            position_dim=8,
            fusion="add",
        ),
        num_latents=4,
        latent_dim=8,
        num_layers_per_block=1,
        num_self_heads=2,
        self_qk_dim=16,
    )
    model = keras_reference.build_keras_example(config)
    path = tmp_path / "example.weights.h5"
    model.save_weights(path)
    return path, model


def test_perceiver_pytorch(capsys, tmp_path, library_file):
    path, module = library_file
    dest = tmp_path / "ours"
    status, out, err = run(
        capsys, "convert", path, dest, "--arguments", *WORDS, "--input-shape", 8, 8,
        "--labels", "cat", "dog", "ant", "--mean", 0.5, "--std", 0.5, 0.25, 0.5,
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert measured(out) < 1e-5
    model = perceivers.load(dest)
    x = torch.rand(2, 8, 8, 3)
    normalised = (x - 0.5) / torch.tensor([0.5, 0.25, 0.5])
    torch.testing.assert_close(model(x), module(normalised), rtol=0, atol=1e-5)

    Image.new("RGB", (20, 10), "orange").save(tmp_path / "x.png")
    status, out, _ = run(capsys, "predict", dest, tmp_path / "x.png")
    assert status == 0
    assert {"cat", "dog", "ant"} == set(re.findall(r"([a-z]+) \d", out))


def test_keras_example(capsys, tmp_path, keras_file):
    path, reference = keras_file
    status, out, err = run(capsys, "convert", path, tmp_path / "ours")
    assert (status, err) == (0, "")
    assert measured(out) < 1e-4
    model = perceivers.load(tmp_path / "ours")
    x = torch.rand(2, 8, 8, 3)
    expected = torch.as_tensor(reference(x, training=False)).detach()
    torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "missing arguments num_freq_bands, depth, max_freq"),
        (["--arguments", "depth"], "expected NAME=VALUE"),
        (["--arguments", *WORDS, "dpth=3"], "did you mean 'depth'"),
        (["--arguments", *WORDS, "depth=3"], "layers.2.cross_attn.norm.weight is missing"),
        (["--arguments", *WORDS, "attn_residual=true"], "attn_residual=True (residuals chosen"),
        (["--arguments", *WORDS, "max_freq=6"], ""),
        (["--arguments", *WORDS, "--input-shape", "8"], "expected 2 axes"),
        (["--arguments", *WORDS, "--labels", "a"], "got 1 labels"),
        (["--arguments", *WORDS, "--mean", "1", "2"], "expected one number or 3"),
        (["--arguments", *WORDS, "--std", "0"], "above 0"),
    ],
)
def test_bad_arguments_are_one_line(capsys, tmp_path, library_file, arguments, message):
    path, _ = library_file
    status, _, err = run(capsys, "convert", path, tmp_path / "ours", *arguments)
    if not message:  # a wrong max_freq cannot be detected: no shape and no name depends on it
        assert status == 0
        return
    assert (status, len(err.splitlines())) == (1, 1)
    assert message in err
    assert not (tmp_path / "ours").exists()


def test_arguments_of_the_keras_example(capsys, tmp_path, keras_file):
    path, _ = keras_file
    status, _, err = run(capsys, "convert", path, tmp_path / "ours", "--arguments", "iterations=2")
    assert status == 1
    assert "did you mean 'num_iterations'" in err


class Malicious:
    def __reduce__(self):
        return os.system, (f"touch {os.environ['PERCEIVERS_TRAP']}",)


@pytest.mark.parametrize("name", ["model.pt", "model.keras", "model.weights.h5"])
def test_a_file_that_would_execute_code(capsys, tmp_path, monkeypatch, name):
    monkeypatch.setenv("PERCEIVERS_TRAP", str(tmp_path / "trap"))
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Malicious(), 2))
    status, _, err = run(capsys, "convert", path, tmp_path / "ours", "--arguments", *WORDS)
    assert (status, len(err.splitlines())) == (1, 1)
    assert not (tmp_path / "trap").exists()
    assert not (tmp_path / "ours").exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty.weights.h5", "neither HDF5 nor a .keras archive"),
        ("text.keras", "neither HDF5 nor a .keras archive"),
        ("text.pt", "damaged, or not a file of weights"),
        ("text.safetensors", "damaged, or not a file of weights"),
        ("nowhere.pt", "is no file"),
        ("script.pt", "damaged, or not a file of weights"),
        ("picture.png", "it begins with b'\\x89P', not as files of torch.save"),
    ],
)
def test_a_file_that_holds_no_weights(capsys, tmp_path, name, message):
    path = tmp_path / name
    if not name.startswith("nowhere"):
        path.write_text("hello" if name.startswith("text") else "")
    if name.startswith("script"):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    if name.startswith("picture"):
        Image.new("RGB", (4, 4)).save(path)
    status, _, err = run(capsys, "convert", path, tmp_path / "ours")
    assert (status, len(err.splitlines())) == (1, 1)
    assert "weights_only" not in err
    assert message in err


def test_an_existing_file_is_not_overwritten(capsys, tmp_path, library_file):
    path, _ = library_file
    dest = tmp_path / "ours"
    dest.mkdir()
    (dest / "config.json").write_text("mine")
    status, _, err = run(capsys, "convert", path, dest, "--arguments", *WORDS)
    assert status == 1
    assert "exists already" in err
    assert (dest / "config.json").read_text() == "mine"


@pytest.mark.parametrize("kind", ["library", "keras"])
def test_without_the_library_it_converts_without_comparing(
    capsys, tmp_path, monkeypatch, library_file, keras_file, kind
):
    path, package, words = (
        (library_file[0], "perceiver_pytorch", ["--arguments", *WORDS])
        if kind == "library"
        else (keras_file[0], "keras", [])
    )
    monkeypatch.setitem(sys.modules, package, None)
    status, out, _ = run(capsys, "convert", path, tmp_path / "ours", *words)
    assert status == 0
    assert "not compared" in out
    assert "pip install" in out
    perceivers.load(tmp_path / "ours")


def test_a_model_of_this_package_needs_no_conversion(tmp_path, capsys):
    perceivers.save(tiny_classifier(ImageConfig(image_size=8, num_bands=2)), tmp_path / "saved")
    status, _, err = run(capsys, "convert", tmp_path / "saved", tmp_path / "new")
    assert status == 1
    assert "a saved model of perceivers already; nothing to convert" in err
