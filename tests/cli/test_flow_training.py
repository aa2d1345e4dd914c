"""Whole runs of optical flow: train, evaluate, report and predict."""

import csv
import json

import numpy as np
import pytest
from tests.commands import run

import perceivers
from perceivers.data.config import DataConfig
from perceivers.modalities import FlowOutputConfig, FramePairConfig
from perceivers.modalities.flow.files import read_flo, write_flo
from perceivers.models.config import DecoderConfig, PerceiverIOConfig
from perceivers.training.recipe import OptimizerConfig, Recipe, TrainerConfig

SIZE = 6

pytestmark = pytest.mark.slow  # a training; its parts are tested in tests/training


def write_shifted(folder, count):
    """Write pairs of random grey frames of which the second is shifted by a pixel to a side."""
    from PIL import Image

    rng = np.random.default_rng(count)
    folder.mkdir(parents=True)
    for index in range(count):
        step = 1 if rng.random() < 0.5 else -1
        wide = rng.integers(0, 256, (SIZE, SIZE + 2), dtype=np.uint8)
        flow = np.zeros((SIZE, SIZE, 2))
        flow[..., 0] = step
        frames = wide[:, 1 : SIZE + 1], wide[:, 1 - step : SIZE + 1 - step]
        for number, frame in enumerate(frames, 1):
            Image.fromarray(np.ascontiguousarray(frame)).save(folder / f"{index}_img{number}.png")
        write_flo(folder / f"{index}_flow.flo", flow)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    home = tmp_path_factory.mktemp("flow")
    write_shifted(home / "data" / "train", 200)
    write_shifted(home / "data" / "test", 40)
    recipe = Recipe(
        name="shifts",
        model=PerceiverIOConfig(
            input=FramePairConfig(
                height=SIZE, width=SIZE, channels=1, projection_dim=24, num_bands=3
            ),
            num_latents=8, latent_dim=32, num_layers_per_block=1, num_self_heads=2,
            decoder=DecoderConfig(use_query_residual=True, widening_factor=2),
            output=FlowOutputConfig(rescale_factor=1.0),
            train_queries=20,
        ),
        data=DataConfig(task="flow", batch_size=20, flip=True),
        optimizer=OptimizerConfig(name="muon", lr=0.02),
        trainer=TrainerConfig(max_epochs=25, monitor="val_epe"),
    )  # fmt: skip
    perceivers.train(recipe, home / "data", out=home / "run")
    return home


def test_shifts_are_learnt(trained, capsys):
    status, out, err = run(capsys, "eval", trained / "run")
    assert status == 0, err
    assert "baseline (nothing moves): end-point error 1.000 px" in out
    scores = json.loads((trained / "run" / "metrics.json").read_text())["eval"]
    assert scores["epe"] < 0.5
    rows = list(csv.DictReader((trained / "run" / "predictions.csv").read_text().splitlines()))
    assert len(rows) == 40
    assert np.mean([float(row["EPE"]) for row in rows]) == pytest.approx(scores["epe"], rel=1e-4)
    assert {float(row["EPE if nothing moved"]) for row in rows} == {1.0}
    page = (trained / "run" / "report.html").read_text()
    assert "EPE" in page
    assert "frames, truth and prediction of" in page
    assert "Not drawn" not in page


def test_a_prediction_is_what_was_scored(trained, capsys, tmp_path):
    test = trained / "data" / "test"
    status, out, err = run(
        capsys, "predict", trained / "run", test / "0_img1.png", test / "0_img2.png",
        "--out", tmp_path, "--json",
    )  # fmt: skip
    assert status == 0, err
    [entry] = json.loads(out)
    said = read_flo(next(tmp_path.glob("*.flo")))
    error = np.hypot(*np.moveaxis(said - read_flo(test / "0_flow.flo"), -1, 0)).mean()
    rows = csv.DictReader((trained / "run" / "predictions.csv").read_text().splitlines())
    scored = next(float(row["EPE"]) for row in rows if row["file"].endswith("/0_flow.flo"))
    assert error == pytest.approx(scored, abs=1e-4)
    assert entry["files"][0].endswith(".flo")


def test_options_that_do_not_fit_are_refused(trained, capsys, tmp_path):
    data = trained / "data"
    small = ["--model.input.width", SIZE, "--model.input.height"]
    for options, message in (
        (["--data.element_label", "part"], "is for segmentation, not flow"),
        (["--data.task", "classification"], "the model is for flow; leave it out"),
        (["--data.mixup", "0.5"], "is for one label of a whole example, and the task is flow"),
        (["--model.input.height", "48"], "the model reads 6×48"),
    ):
        status, _, err = run(
            capsys,
            "train",
            "flow",
            "--data",
            data,
            "--out",
            tmp_path / "run",
            *small,
            SIZE,
            *options,
        )
        assert status == 1
        assert message in err
        assert "Traceback" not in err
