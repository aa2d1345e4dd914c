"""Runs side by side."""

import argparse
import dataclasses
import json

import numpy as np
import pytest
import torch
from tests.commands import run
from tests.report.reports import scored_run
from tests.report.test_report import checked
from tests.tiny_recipes import tiny

from perceivers.cli.options import add_options
from perceivers.modalities import FusionConfig, ImageConfig, PointsConfig
from perceivers.models.config import ModelConfig
from perceivers.report.compare import _flat

IMAGE = ImageConfig(image_size=8, num_bands=2)


@pytest.fixture
def runs(tmp_path):
    """Return the directories of two runs of classes and one of numbers."""
    examples = [np.full((8, 8, 3), i, np.uint8) for i in range(12)]
    classes = torch.arange(12) % 3
    numbers = torch.linspace(0, 1, 12)[:, None].double()
    for name in ("one", "<b>two_$"):
        scored_run(tmp_path / name, IMAGE, examples, classes)
    scored_run(tmp_path / "numbers", IMAGE, examples, numbers, classes=("y",))
    config = tmp_path / "one" / "config.json"
    config.write_text(config.read_text().replace('"lr": 0.005', '"lr": 0.25'))
    return tmp_path / "one", tmp_path / "<b>two_$", tmp_path / "numbers"


def test_two_runs(runs, capsys, tmp_path):
    out = tmp_path / "compare.html"
    status, text, err = run(capsys, "compare", *runs[:2], "--out", out)
    assert status == 0, err
    lines = text.splitlines()
    assert lines[0].split() == [str(path) for path in runs[:2]]
    [rate] = [line for line in lines if line.startswith("--")]
    assert rate.split() == ["--optimizer.lr", "0.25", "0.005"]
    for name in ("parameters", "training time", "test macro F1", "baseline top-1", "recipe"):
        assert any(line.startswith(name) for line in lines), name
    page = checked(out.read_text())
    assert page.tags.count("img") == 2  # loss and top-1; metrics.csv has no macro F1
    assert "b" not in page.tags
    assert lines[-1] == f"wrote {out}"


def test_options_are_spelled_as_on_the_command_line(runs, capsys):
    """None, True, and the name of a part of a configuration were shown as in Python."""
    config = runs[0] / "config.json"
    changed = json.loads(config.read_text())
    changed["recipe"]["model"]["input"] |= {"patch_stride": 2, "value_range": [0.0, 9.5]}
    changed["recipe"]["data"]["flip"] = True
    config.write_text(json.dumps(changed))
    status, text, err = run(capsys, "compare", *runs[:2])
    assert status == 0, err
    found = dict(line.split(maxsplit=1) for line in text.splitlines() if line.startswith("--"))
    rows = {name: cells.split() for name, cells in found.items()}
    assert rows["--model.input.patch_stride"] == ["2", "none"]
    assert rows["--model.input.value_range"] == ["0.0,9.5", "none"]
    assert rows["--data.flip"] == ["true", "false"]


def test_kinds_are_no_options():
    parts = {"image": IMAGE, "points": PointsConfig(num_points=8)}
    recipe = dataclasses.replace(tiny(), model=ModelConfig(input=FusionConfig(parts=parts)))
    found = dict(_flat(recipe, ""))
    assert found["model.input.parts.points.kind"] == "points"
    assert found["--model.input.parts.points.num_points"] == "8"
    parser = argparse.ArgumentParser()
    add_options(parser, recipe)
    known = {name for action in parser._actions for name in action.option_strings}
    assert {name for name in found if name.startswith("--")} <= known


def test_tasks_are_shown_apart(runs, capsys, tmp_path):
    status, text, _ = run(capsys, "compare", *runs, "--out", tmp_path / "c.html")
    assert status == 0
    assert text.index("classification:") < text.index("regression:")
    assert checked((tmp_path / "c.html").read_text()).tags.count("img") == 3
    status, _, err = run(capsys, "compare", *runs, "--out", tmp_path / "c.png")
    assert status == 1
    assert "write an .html file" in err


def test_curves_alone(runs, capsys, tmp_path):
    assert run(capsys, "compare", *runs[:2], "--out", tmp_path / "c.png")[0] == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_an_unfinished_run_has_gaps(runs, capsys):
    (runs[0] / "metrics.json").unlink()
    (runs[0] / "metrics.csv").write_text("epoch,val_loss\n1,")
    status, text, _ = run(capsys, "compare", *runs[:2])
    assert status == 0
    [line] = [line for line in text.splitlines() if line.startswith("test top-1")]
    assert " -  " in line


def test_runs_on_different_data_are_said(runs, capsys):
    config = runs[0] / "config.json"
    config.write_text(config.read_text().replace('"path": null', '"path": "/other"'))
    _, text, _ = run(capsys, "compare", *runs[:2])
    assert "scores cannot be compared" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one"], "at least two"),
        (["one", "one"], "given twice"),
        (["one", "gone"], "gone"),
        (["one", "numbers/metrics.json"], "metrics.json"),
        (["one", "numbers", "--out", "c.pdf"], "ends in .html or .png"),
        (
            ["one", "numbers", "--out", "one/config.json/x.html"],
            "is a file",
        ),
        (["one", "numbers", "--out", "there.html"], "exists already"),
    ],
)
def test_bad_arguments(runs, capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.html").touch()
    status, _, err = run(capsys, "compare", *arguments)
    assert status == 1
    assert message in err
    assert len(err.splitlines()) == 1
