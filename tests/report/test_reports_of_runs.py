"""Reports that training and evaluation write into directories of runs."""

import csv
import io
import re

import pytest
from tests.commands import run as run_command
from tests.conftest import write_image_folder
from tests.report.pages import checked
from tests.tiny_recipes import tiny

from perceivers import cli
from perceivers.report import write as write_report
from perceivers.report.write import place_of
from perceivers.training import engine


def test_an_evaluation_without_its_report_has_failed(unrendered, tmp_path, capsys):
    directory = tmp_path / "run"
    engine.train(tiny(epochs=1), directory)
    (directory / "predictions.csv").mkdir()
    status, out, err = run_command(capsys, "eval", directory)
    assert status == 1
    assert "test top-1" in out
    assert "could not write" in err


def test_a_trained_run_has_a_report_and_eval_replaces_it(tmp_path, capsys):
    directory = tmp_path / "run"
    result = engine.train(tiny(), directory, report=write_report)
    before = checked((directory / "report.html").read_text())
    assert "image/webp" in "".join(before.addresses)[:10_000_000]
    (directory / "report.html").unlink()
    (directory / "predictions.csv").unlink()
    assert cli.main(["eval", str(directory)]) == 0
    out = capsys.readouterr().out
    assert f"wrote {directory}/report.html" in out
    rows = list(
        csv.DictReader(
            io.StringIO((directory / "predictions.csv").read_bytes().decode(), newline="")
        )
    )
    assert len(rows) == result["test"]["examples"]
    assert all(row["file"].startswith("digits[") for row in rows)
    right = sum(row["truth"] == row["prediction"] for row in rows) / len(rows)
    assert right == pytest.approx(result["test"]["top1"])
    assert sum(float(rows[0][f"probability {k}"]) for k in range(10)) == pytest.approx(1, abs=1e-4)


def test_other_data_gets_a_report_of_its_own(unrendered, tmp_path, capsys):
    photos = write_image_folder(tmp_path / "photos")
    directory = tmp_path / "run"
    status, _, err = run_command(
        capsys, "train", "folder", "--data", photos, "--out", directory, "--trainer.max_epochs",
        "1", "--model.num_latents", "4", "--model.latent_dim", "16", "--model.qk_dim", "none",
    )  # fmt: skip
    assert status == 0, err
    own = (directory / "report.html").read_bytes()
    rows = (directory / "predictions.csv").read_text()
    assert re.search(r"^(bright|dark)/\d+\.png,", rows, re.M)
    status, out, _ = run_command(capsys, "eval", directory, "--data", photos)
    assert status == 0
    assert (directory / "report.html").read_bytes() == own
    place = place_of(directory, str(photos), None)
    assert place.parent == directory / "evaluations"
    assert f"wrote {place}/report.html" in out
    assert len((place / "predictions.csv").read_text().splitlines()) == 25
    new = tmp_path / "new"
    assert run_command(capsys, "eval", directory, "--out", new)[0] == 0
    assert (new / "report.html").exists()
    status, _, err = run_command(capsys, "eval", directory, "--out", new)
    assert status == 1
    assert "exists already; choose another --out" in err
    assert "Traceback" not in err


def test_places_differ_for_data_of_one_name(tmp_path):
    places = {place_of(tmp_path, f"/{name}/photos", None) for name in "ab"}
    assert len(places) == 2
    assert place_of(tmp_path, "hf://owner/../x y", None).parent == tmp_path / "evaluations"
