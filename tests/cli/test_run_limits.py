"""The limits that a run was trained with hold for every command that reads its files."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image
from tests.commands import run

import perceivers
from perceivers.checkpoint import read_limits, write_config
from perceivers.models.config import to_dict
from perceivers.reading import STRANGERS, Limits, overriding
from perceivers.recipes import get_recipe
from perceivers.serve import ServeConfig
from perceivers.serve.config import service_limits
from perceivers.serve.service import Service
from perceivers.serve.uploads import Upload, decode

PIXELS = 1000  # of the largest image that the run reads


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the directory of a run that was trained with a limit, and an image beyond it."""
    root = tmp_path_factory.mktemp("limits")
    large = root / "large.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(large)
    perceivers.train(
        "digits",
        out=root / "run",
        model={"num_latents": 4, "latent_dim": 16, "num_self_heads": 2, "num_layers_per_block": 1},
        data={"validation": 0.7},
        trainer={"max_epochs": 1},
        optimizer={"warmup_epochs": 0},
        limits={"pixels": PIXELS},
    )
    return root / "run", large


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_the_limits_of_the_run_hold_unless_others_are_typed(trained, tmp_path, capsys, command):
    model, large = trained
    out = ["--out", tmp_path / "a.png"] if command == "explain" else []
    status, _, err = run(capsys, command, model, large, *out)
    assert status == 1
    assert "too large: 1,600 pixels; expected at most 1,000" in err
    status, _, err = run(capsys, command, model, large, *out, "--limits.seconds", "9")
    assert status == 1, "another limit was typed"
    assert "too large: 1,600 pixels; expected at most 1,000" in err
    assert run(capsys, command, model, large, *out, "--limits.pixels", "1600")[0] == 0


def test_the_limits_of_the_run_hold_in_python_and_in_a_service(trained):
    model, large = trained
    assert read_limits(model) == Limits(pixels=PIXELS)
    predictor = perceivers.Predictor(model)
    for file in (large, large.read_bytes(), io.BytesIO(large.read_bytes())):
        with pytest.raises(ValueError, match="1,600 pixels; expected at most 1,000"):
            predictor([file])
    assert perceivers.Predictor(model, limits=Limits())([large])
    service = Service(predictor, ServeConfig())
    with pytest.raises(ValueError, match="1,600 pixels; expected at most 1,000"):
        decode(Upload("a.png", ".png", large.read_bytes()), predictor, service.limits)


def test_a_service_reads_more_only_where_the_run_does():
    assert service_limits(Limits()) == STRANGERS
    assert service_limits(Limits(points=2_000_000)).points == 2_000_000
    with overriding({"points": 7}):
        assert service_limits(Limits(points=2_000_000)).points == 7


def test_other_data_is_scored_with_the_limits_of_the_run(trained, tmp_path, capsys):
    model, large = trained
    for label in ("3", "5"):
        (tmp_path / label).mkdir()
        shutil.copy("examples/digits/3.png", tmp_path / label)
        shutil.copy(large, tmp_path / label)
    options = ["--data", tmp_path, "--limits.seconds", "9"]
    status, _, err = run(capsys, "eval", model, *options, "--out", tmp_path / "a")
    assert status == 0
    assert "large.png: too large: 1,600 pixels" in err


def test_limits_of_older_and_damaged_runs(trained, tmp_path):
    write_config(tmp_path, recipe={"name": "digits"})
    assert read_limits(tmp_path) == Limits()
    recipe = {**to_dict(get_recipe("digits")), "limits": {"pixels": -1}}
    write_config(tmp_path, recipe=recipe)
    with pytest.raises(ValueError, match=r"config.json: .*limits"):
        read_limits(tmp_path)
