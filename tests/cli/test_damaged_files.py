"""Damaged and special files through the commands: one line that names the file, no traceback."""

import json
import os

import numpy as np
import pytest
from commands import run
from PIL import Image
from tests.conftest import write_image_folder
from tiny import tiny_classifier

import perceivers
from perceivers.modalities import ImageConfig


@pytest.fixture
def model(tmp_path):
    perceivers.save(tiny_classifier(ImageConfig(image_size=8, num_bands=2)), tmp_path / "model")
    return tmp_path / "model"


def one_line(result, *words):
    status, _, err = result
    assert status == 1
    lines = [line for line in err.splitlines() if line.startswith("perceivers: ")]
    assert len(lines) == 1
    assert "Traceback" not in err
    assert all(word in lines[0] for word in words), lines[0]


def npy(header):
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


DAMAGED = {
    "token.npy": npy(b"{'descr': '<f8', (\n"),
    "syntax.npy": npy(b"{'descr': '<f8'), }\n"),
    "empty.png": b"",
    "number.ppm": b"P6\n4 4\n\xff\xff\n" + bytes(48),
}


def test_predict_names_each_damaged_file_and_reads_the_others(model, tmp_path, capsys):
    Image.new("RGB", (9, 9)).save(tmp_path / "good.png")
    for name, raw in DAMAGED.items():
        (tmp_path / name).write_bytes(raw)
    os.mkfifo(tmp_path / "pipe.png")
    names = [*DAMAGED, "pipe.png", "good.png"]
    status, out, err = run(capsys, "predict", model, *(tmp_path / name for name in names))
    assert status == 1
    assert out.startswith(f"{tmp_path / 'good.png'}: ")
    assert "Traceback" not in err
    assert len([x for x in err.splitlines() if x.startswith("perceivers: ")]) == len(names) - 1
    for name in names[:-1]:
        assert f"perceivers: {tmp_path / name}: " in err


def test_a_bad_file_is_skipped_in_training(tmp_path, capsys):
    data = write_image_folder(tmp_path / "photos")
    for name, raw in DAMAGED.items():
        (data / "dark" / name.replace(".npy", ".png")).write_bytes(raw)
    status, out, err = run(capsys, "train", "folder", "--data", data, "--dry-run")
    assert status == 0, err
    assert "Traceback" not in err
    assert "4 of the 28 inspected files cannot" in out


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("model", "num_latents"), -1, "model.num_latents is -1; expected a whole number of"),
        (("model", "num_latents"), 2.5, "model.num_latents is 2.5"),
        (("model", "num_latents"), True, "model.num_latents is True"),
        (("model", "num_latents"), 10**30, "model.num_latents is 1000"),
        (("model", "latent_std"), float("nan"), "model.latent_std is nan; expected a number"),
        (("model", "cross_order"), [0, "x"], "model.cross_order[1] is 'x'"),
        (("model", "cross_order"), 3, "model.cross_order is 3; expected a list"),
        (("model", "activation"), "relu", "model.activation is 'relu'; expected one of gelu"),
        (("model", "qkv_bias"), 1, "model.qkv_bias is 1; expected true or false"),
        (("model", "input"), [], "model.input is a list; expected an object"),
        (("model", "input", "spacing"), None, "model.input.spacing is None"),
        (("model", "input", "kind"), "sprite", "unknown kind of model.input 'sprite'"),
        (("model", "surplus"), 1, "unknown field of model 'surplus'"),
        (("model",), None, "it has no model"),
        (("labels",), "abc", "it has no labels"),
        (("labels",), [1, 2, 3], "labels"),
    ],
)
def test_a_configuration_is_checked_when_it_is_read(model, capsys, place, value, message):
    path = model / "config.json"
    config = json.loads(path.read_text())
    holder = config
    for name in place[:-1]:
        holder = holder[name]
    holder[place[-1]] = value
    path.write_text(json.dumps(config))
    for command in (["predict", model, "a.png"], ["cost", model]):
        one_line(run(capsys, *command), f"{path}: ", message)


@pytest.mark.parametrize("name", ["a.pt", "a.weights.h5", "a.keras", "a.safetensors"])
def test_convert_names_a_damaged_file(tmp_path, capsys, name):
    for raw in (b"", b"\x89HDF\r\n\x1a\n" + bytes(50), b"PK\x03\x04" + bytes(60)):
        path = tmp_path / name
        path.write_bytes(raw)
        one_line(run(capsys, "convert", path, tmp_path / "out"), str(path))


def test_debug_prints_what_the_parser_raised(model, tmp_path, capsys):
    path = tmp_path / "a.npy"
    path.write_bytes(DAMAGED["syntax.npy"])
    status, _, err = run(capsys, "predict", model, path, "--debug")
    assert status == 1
    assert "SyntaxError" in err
    assert "Traceback" in err


def test_examples_of_other_types(model, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(path)
    predictor = perceivers.Predictor(model)
    expected = predictor([path])
    assert predictor([]) == []
    assert predictor([bytearray(path.read_bytes())]) == expected
    with path.open("rb") as file:
        assert predictor([file]) == expected
    with (
        path.open(encoding="latin-1") as file,
        pytest.raises(ValueError, match="open it for bytes"),
    ):
        predictor([file])
    for example in (None, 3, object()):
        with pytest.raises(ValueError, match=f"got {type(example).__name__}; expected a path"):
            predictor.prepare(example)
    for wrong in (None, 3):
        with pytest.raises(ValueError, match="as the model; expected the directory"):
            perceivers.Predictor(wrong)
    with pytest.raises(ValueError, match="got one NoneType; expected a list"):
        predictor(None)
