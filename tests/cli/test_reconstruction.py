"""Whole runs of reconstruction: train, evaluate, report and predict."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from tests.commands import run

import perceivers
from perceivers.data.config import DataConfig
from perceivers.modalities import ImageConfig, PixelsOutputConfig
from perceivers.models.config import PerceiverIOConfig
from perceivers.training.recipe import OptimizerConfig, Recipe, TrainerConfig

SIZE = 6

pytestmark = pytest.mark.slow  # a training; its parts are tested in tests/training


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    home = tmp_path_factory.mktemp("reconstruction")
    rng = np.random.default_rng(0)
    (home / "data" / "any" / "folder").mkdir(parents=True)
    for index in range(30):
        left, right = rng.integers(0, 256, 2)
        pixels = np.full((SIZE, SIZE), left, np.uint8)
        pixels[:, SIZE // 2 :] = right
        Image.fromarray(pixels).save(home / "data" / "any" / "folder" / f"{index}.png")
    model = PerceiverIOConfig(
        input=ImageConfig(image_size=SIZE, channels=1, num_bands=3),
        output=PixelsOutputConfig(image_size=SIZE, channels=1, num_bands=3),
        num_latents=4, latent_dim=16, num_layers_per_block=1, num_self_heads=2, train_queries=12,
    )  # fmt: skip
    recipe = Recipe(
        name="halves",
        model=model,
        data=DataConfig(batch_size=6, test=0.3),
        optimizer=OptimizerConfig(name="muon", lr=0.01),
        trainer=TrainerConfig(max_epochs=15, monitor="val_psnr"),
    )
    perceivers.train(recipe, home / "data", out=home / "run")
    return home


def test_halves_are_rebuilt(trained, capsys):
    status, out, err = run(capsys, "eval", trained / "run")
    assert status == 0, err
    assert "baseline (the mean of the scored examples): PSNR" in out
    scores = json.loads((trained / "run" / "metrics.json").read_text())["eval"]
    assert scores["psnr"] > scores["baseline"]["psnr"] + 3
    rows = list(csv.DictReader((trained / "run" / "predictions.csv").read_text().splitlines()))
    errors = [10 ** (-float(row["PSNR"]) / 10) for row in rows]
    assert -10 * np.log10(np.mean(errors)) == pytest.approx(scores["psnr"], abs=0.01)
    page = (trained / "run" / "report.html").read_text()
    assert "read and rebuilt" in page
    assert "Not drawn" not in page


def test_a_prediction_is_an_image(trained, capsys, tmp_path):
    image = trained / "data" / "any" / "folder" / "0.png"
    status, out, _ = run(
        capsys,
        "predict",
        trained / "run",
        image,
        tmp_path / "none.png",
        "--json",
        "--out",
        tmp_path,
    )
    assert status == 1
    entry, failed = json.loads(out)
    assert "no such file" in failed["error"]
    with Image.open(image) as given, Image.open(tmp_path / "0.png") as made:
        error = np.square((np.asarray(given, float) - np.asarray(made, float)) / 255).mean()
    assert entry["psnr_db"] == pytest.approx(-10 * np.log10(error), abs=0.01)
    status, _, err = run(capsys, "predict", trained / "run", tmp_path / "0.png", "--out", tmp_path)
    assert status == 1
    assert "would be replaced" in err


def test_folders_that_hold_nothing_to_rebuild(trained, capsys, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    status, _, err = run(capsys, "eval", trained / "run", "--data", tmp_path)
    assert status == 1
    assert "holds no images" in err
